"""
SSIMULACRA2: how much of a picture somebody sees who compares it with its original, as one number.

    90 and more: no difference is seen     70: high quality     50: medium     30: low (may fall below zero)

Both pictures are brought into XYB, a space in which equal distances look equal, and compared at five
sizes, each half the one before. Three maps of errors are made of a local window: lost structure (SSIM),
edges that were not there (ringing), and edges that are gone (blurring). Their means and 4-norms are
weighted and summed.

Sources: Jon Sneyers, SSIMULACRA 2.1 (Cloudinary, April 2023): the maps, the weights and the scale; the
weights were fitted to some 22,000 opinions of people. JPEG XL (ISO/IEC 18181-1) for XYB. D. Charalampidis,
"Recursive Implementation of the Gaussian Filter Using Truncated Cosine Functions" (2016), for the window,
whose impulse response is finite and stands here. Of the 108 weights, the 25 that are not next to nothing
are kept: what is left out moves no score by more than 0.01.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import astuple, dataclass
from itertools import chain, repeat
from typing import Final

import numpy as np
import numpy.typing as npt

from packshot.srgb import LIGHT

Pixels = npt.NDArray[np.uint8]
Plane = npt.NDArray[np.float32]
Band = Mapping[int, Plane]  # the planes of XYB, some rows high

SMALLEST_SIDE: Final = 8
BAND_PIXELS: Final = 50_000  # what is worked on at a time stays in the processor's cache
# Of large pictures some rows are enough, in their largest sizes. What that changes has a standard deviation
# of 0.24 on photos; it may be 2 where all that is lost lies in a few rows.
SAMPLED_ROWS: Final = 16
FEWEST_SAMPLES: Final = 4
ONE_OF: Final = ((1_000_000, (4, 4, 2)), (250_000, (2, 2)))  # by size, from so many pixels on

WINDOW: Final = np.array(  # the middle of a Gaussian of sigma 1.5, and what is right of it
    [0.2646211, 0.2129286, 0.1093354, 0.0360111, 0.0094144], np.float32
)
REACH: Final = len(WINDOW) - 1

BIAS: Final = 0.0037930732552754493
LMS: Final = np.array(
    [
        [0.30, 0.622, 0.078],
        [0.23, 0.692, 0.078],
        [0.24342268924547819, 0.20476744424496821, 0.5518098665095536],
    ],
    np.float32,
)
STABILISER: Final = np.float32(0.0009)  # of SSIM, where nothing happens in either picture


@dataclass(frozen=True, slots=True)
class Weights:
    """What the means (1) and 4-norms (4) of the three maps count."""

    ssim1: float = 0
    ringing1: float = 0
    blurring1: float = 0
    ssim4: float = 0
    ringing4: float = 0
    blurring4: float = 0


X, Y, B = range(3)
WEIGHTS: Final[tuple[Mapping[int, Weights], ...]] = (  # by size, the full one first, and plane
    {Y: Weights(ssim4=7.466890328078848, blurring4=17.445833984131262)},
    {
        X: Weights(ssim4=1.1041726426657346),
        Y: Weights(ssim4=6.683678146179332, blurring4=1.027889937768264),
    },
    {
        X: Weights(ssim4=1.8422455520539298, ringing4=11.441172603757666),
        Y: Weights(ssim1=225.20515300849274, ssim4=19.213238186143016),
    },
    {
        X: Weights(ssim4=1.8787594979546387, ringing4=10.94906990605142),
        Y: Weights(ssim1=176.39317598450694, ssim4=24.43300999870476, ringing4=0.28520802612117757),
        B: Weights(ssim4=8.826982764996862, ringing4=23.19243343998926),
    },
    {
        X: Weights(ringing1=0.9677937080626833, ringing4=0.9981766977854967),
        Y: Weights(ssim4=34.77906344483772, ringing4=44.835625328877896),
        B: Weights(
            ssim1=95.1080498811086,
            ringing1=0.9863978034400682,
            blurring1=0.9834382792465353,
            ringing4=171.2667255897307,
            blurring4=0.9807858872435379,
        ),
    },
)


@dataclass(frozen=True, slots=True)
class Seen:
    """A band of one plane of the original: framed by its surroundings, its local mean and mean square."""

    framed: Plane
    mean: Plane
    square: Plane


class Original:
    """A picture that others are compared with; pixels are sRGB, height x width x 3, opaque.

    Raises ValueError for a picture with a side of fewer than SMALLEST_SIDE pixels.
    """

    def __init__(self, pixels: Pixels) -> None:
        if min(pixels.shape[:2]) < SMALLEST_SIDE:
            raise ValueError(f"a side has fewer than {SMALLEST_SIDE} pixels")
        self._seen = [
            [{plane: _look(framed) for plane, framed in band.items()} for band in bands]
            for bands in _sizes(pixels)
        ]

    def score(self, pixels: Pixels) -> float:
        """Return how good the picture of the same size looks beside the original, 100 at best."""
        sizes = zip(self._seen, _sizes(pixels), WEIGHTS, strict=False)
        return _scaled(sum(_error(seen, bands, weights) for seen, bands, weights in sizes))


def _scaled(error: float) -> float:
    error *= 0.9562382616834844
    error = 6.248496625763138e-5 * error**3 - 0.020884521182843837 * error**2 + 2.326765642916932 * error
    return 100 - 10 * float(max(error, 0) ** 0.6276336467831387)


def _sizes(pixels: Pixels) -> Iterator[Iterator[Band]]:
    """Yield the bands of each size; the picture is halved in light, not in numbers."""
    light = [np.take(LIGHT, pixels[..., band]) for band in range(3)]
    one_of = next((one_of for least, one_of in ONE_OF if light[0].size >= least), ())
    for weights, one in zip(WEIGHTS, chain(one_of, repeat(1)), strict=False):
        if min(light[0].shape) < SMALLEST_SIDE:
            return
        yield _bands(light, weights, one)
        light = [_halved(plane) for plane in light]


def _bands(light: Sequence[Plane], wanted: Iterable[int], one_of: int) -> Iterator[Band]:
    """Yield the wanted planes of one band of so many, framed by what is around it, or by nothing."""
    height, width = light[0].shape
    if height < FEWEST_SAMPLES * SAMPLED_ROWS * one_of:
        one_of = 1
    most = SAMPLED_ROWS if one_of > 1 else max(1, BAND_PIXELS // width)
    for top in range(most * (one_of // 2), height, most * one_of):
        bottom = min(top + most, height)
        rows = slice(max(0, top - REACH), min(height, bottom + REACH))
        planes = _xyb([plane[rows] for plane in light], wanted)
        size = (bottom - top + 2 * REACH, width + 2 * REACH)
        yield {name: _framed(plane, size, rows.start - top + REACH) for name, plane in planes.items()}


def _framed(plane: Plane, size: tuple[int, int], top: int) -> Plane:
    framed = np.zeros(size, np.float32)
    framed[top : top + len(plane), REACH:-REACH] = plane
    return framed


def _xyb(light: Sequence[Plane], wanted: Iterable[int]) -> dict[int, Plane]:
    """Return planes of XYB, shifted and stretched so that they lie between 0 and 1."""
    cones = [_cone(light, row) for row in LMS[: 3 if B in wanted else 2]]
    y = (cones[0] + cones[1]) * np.float32(0.5)
    planes = {Y: y + np.float32(0.01)}
    if X in wanted:
        planes[X] = (cones[0] - cones[1]) * np.float32(7) + np.float32(0.42)
    if B in wanted:
        planes[B] = cones[2] - y + np.float32(0.55)
    return planes


def _cone(light: Sequence[Plane], row: Plane) -> Plane:
    mixed: Plane = light[0] * row[0]
    mixed += light[1] * row[1]
    mixed += light[2] * row[2]
    mixed += np.float32(BIAS)
    np.cbrt(mixed, out=mixed)
    mixed -= np.float32(np.cbrt(BIAS))
    return mixed


def _halved(plane: Plane) -> Plane:
    """Average two by two; a last odd row or column stands for itself."""
    height, width = plane.shape
    if height % 2 or width % 2:
        plane = np.pad(plane, ((0, height % 2), (0, width % 2)), mode="edge")
    rows = plane[::2] + plane[1::2]
    halved: Plane = rows[:, ::2] + rows[:, 1::2]
    halved *= np.float32(0.25)
    return halved


def _look(framed: Plane) -> Seen:
    return Seen(framed, _blurred(framed), _blurred(framed * framed))


def _blurred(framed: Plane) -> Plane:
    """Return the local means of a plane, without its frame."""
    rows, columns = framed.shape[0] - 2 * REACH, framed.shape[1] - 2 * REACH
    down = framed[REACH : REACH + rows] * WINDOW[0]
    part = np.empty_like(down)
    for step in range(1, REACH + 1):
        np.add(framed[REACH - step :][:rows], framed[REACH + step :][:rows], out=part)
        part *= WINDOW[step]
        down += part
    across: Plane = down[:, REACH : REACH + columns] * WINDOW[0]
    part = np.empty_like(across)
    for step in range(1, REACH + 1):
        np.add(down[:, REACH - step :][:, :columns], down[:, REACH + step :][:, :columns], out=part)
        part *= WINDOW[step]
        across += part
    return across


def _error(
    originals: Iterable[Mapping[int, Seen]], bands: Iterator[Band], weights: Mapping[int, Weights]
) -> float:
    """Return the weighted error at one size."""
    sums = {plane: np.zeros(6) for plane in weights}
    count = 0
    for seen, band in zip(originals, bands, strict=True):
        for plane in weights:
            sums[plane] += _sums(seen[plane], band[plane], weights[plane])
        count += seen[Y].mean.size
    return sum(_weighted(sums[plane] / count, weights[plane]) for plane in weights)


def _weighted(means: npt.NDArray[np.float64], weights: Weights) -> float:
    norms = (*means[:3], *means[3:] ** 0.25)
    return float(np.dot(norms, astuple(weights)))


def _sums(seen: Seen, framed: Plane, weights: Weights) -> npt.NDArray[np.float64]:
    """Return the sums of the three maps over a band, and of their fourth powers."""
    mean = _blurred(framed)
    lost = _lost_structure(seen, mean, _blurred(framed * framed), _blurred(framed * seen.framed))
    sums = [lost.sum(), 0.0, 0.0, _fourth(lost), 0.0, 0.0]
    if weights.ringing4 or weights.blurring4:
        edges = _edges(framed, mean) / _edges(seen.framed, seen.mean) - 1
        new, gone = np.maximum(edges, 0), np.maximum(-edges, 0)
        sums[1:3] = new.sum(), gone.sum()
        sums[4:6] = _fourth(new), _fourth(gone)
    return np.array(sums)


def _lost_structure(seen: Seen, mean: Plane, square: Plane, product: Plane) -> Plane:
    """SSIM as an error, without its first denominator, which counts what is dark too much."""
    alike: Plane = 1 - (seen.mean - mean) ** 2
    alike *= 2 * (product - seen.mean * mean) + STABILISER
    alike /= seen.square - seen.mean * seen.mean + (square - mean * mean) + STABILISER
    lost: Plane = np.maximum(1 - alike, 0)
    return lost


def _edges(framed: Plane, mean: Plane) -> Plane:
    edges: Plane = 1 + np.abs(framed[REACH:-REACH, REACH:-REACH] - mean)
    return edges


def _fourth(values: Plane) -> float:
    squares = (values * values).ravel()
    return float(np.dot(squares, squares))
