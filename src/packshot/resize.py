"""
Making pictures smaller in linear light, as a lens would.

The numbers in a file are not light: 128 is a fifth of the light of 255. Who averages them makes fine
patterns too dark and edges fringed, and loses more quality than the encoder that follows (SSIMULACRA2
of 69 to 93 beside a resize in light). So pixels become light, transparent ones count as much as they
are seen, a Lanczos filter with three lobes makes them fewer, and they become numbers again. Each size
is made from the next larger one, while still light.

The rows of the source are read once, some at a time, and never all of them are in memory. Both ways, down
and across, are products with matrices that hold the filter: that takes half the time of libvips' own.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
import pyvips

from packshot.srgb import LIGHT, NUMBERS

Floats = npt.NDArray[np.float32]

OPAQUE: Final = 255
FINEST: Final = np.float32(65_535)  # steps of light, fine enough for the darkest numbers
FAINTEST: Final = np.float32(1e-6)  # what is more transparent has no colour
ROUND: Final = np.float32(0.5)
LOBES: Final = 3
LEFT: Final = 2  # times as many as are wanted
STRIP: Final = 64  # rows or columns that are multiplied at a time
# A little less than half a pixel: both sides shrink alike but for what rounding does to the size.
ALMOST_HALF: Final = 0.49


@dataclass(frozen=True, slots=True)
class Light:
    """A picture as light: height x bands x width, 0 to 1; alpha comes last and is multiplied into the others.

    Or still as an 8-bit image in sRGB or grey, whose numbers become light when they are read. `scale` is its
    size divided by the source's.
    """

    picture: pyvips.Image | Floats
    scale: float


@dataclass(frozen=True, slots=True)
class Filter:
    """How `size` outputs are made of inputs: output n is the sum of inputs `places[n]` times `weights[n]`."""

    places: npt.NDArray[np.intp]
    weights: Floats

    @classmethod
    def lanczos(cls, have: int, want: int, scale: float) -> "Filter":
        """Make `want` of `have`; what rounding leaves over is left out at both ends alike.

        Of very many, plain means are taken first, as libvips does, so many that twice as many are left.
        """
        box = max(1, int(1 / scale / LEFT))
        before = -have % box // 2  # the means begin outside, so that the middle stays the middle
        step = min(1, scale * box)
        centres = ((np.arange(want) + 0.5 - want / 2) / scale + have / 2 + before) / box - 0.5
        places = np.ceil(centres - LOBES / step).astype(np.intp)[:, None] + np.arange(
            int(2 * LOBES / step) + 1
        )
        away = (places - centres[:, None]) * step
        weights = np.where(abs(away) < LOBES, np.sinc(away) * np.sinc(away / LOBES), 0)
        weights /= box * weights.sum(axis=1, keepdims=True)
        members = (places[..., None] * box + np.arange(box) - before).reshape(want, -1)
        return cls(np.clip(members, 0, have - 1), np.repeat(weights, box, axis=1).astype(np.float32))

    def matrix(self, outputs: slice, inputs: slice) -> Floats:
        """Return what these inputs give to these outputs."""
        places, weights = self.places[outputs], self.weights[outputs]
        rows, taps = np.nonzero((places >= inputs.start) & (places < inputs.stop))
        matrix = np.zeros((len(places), inputs.stop - inputs.start), np.float32)
        np.add.at(matrix, (rows, places[rows, taps] - inputs.start), weights[rows, taps])
        return matrix

    def inputs_of(self, outputs: slice) -> slice:
        """Return which inputs these outputs need."""
        return slice(int(self.places[outputs.start, 0]), int(self.places[outputs.stop - 1, -1]) + 1)

    def outputs_of(self, inputs: slice) -> slice:
        """Return which outputs need any of these inputs."""
        return slice(
            self.finished(inputs.start), int(np.searchsorted(self.places[:, 0], inputs.stop, "left"))
        )

    def finished(self, inputs: int) -> int:
        """Return how many outputs need no more than so many inputs."""
        return int(np.searchsorted(self.places[:, -1], inputs, "left"))


def reserve() -> None:
    """Let OpenBLAS have its memory now: later, within limits, it would end the process for want of it."""
    square = np.ones((256, 256), np.float32)
    np.matmul(square, square)


def resized(light: Light, size: tuple[int, int], scale: float) -> Light:
    """Return the picture in another size, `scale` times the source's, as light."""
    (width, height), strips = _read(light.picture)
    down = Filter.lanczos(height, size[1], _factor(height, size[1], scale / light.scale))
    across = Filter.lanczos(width, size[0], _factor(width, size[0], scale / light.scale))
    columns = [
        (outputs, inputs := across.inputs_of(outputs), across.matrix(outputs, inputs).T)
        for outputs in _strips(size[0])
    ]
    parts = []
    for rows in _shorter(strips, down):
        lines = rows.reshape(-1, width)
        part = np.empty((len(lines), size[0]), np.float32)
        for outputs, inputs, matrix in columns:
            part[:, outputs] = lines[:, inputs] @ matrix
        parts.append(part.reshape(*rows.shape[:2], size[0]))
    return Light(np.concatenate(parts), scale)


def to_numbers(light: Floats) -> pyvips.Image:
    """Return light (height x bands x width) as a picture in 8-bit sRGB or grey, with its transparency."""
    height, bands, width = light.shape
    is_transparent = bands in (2, 4)
    colours = light
    if is_transparent:
        colours = light[:, :-1].copy()
        colours /= np.maximum(light[:, -1:], FAINTEST)
    numbers = np.empty((height, width, bands), np.uint8)
    for band in range(colours.shape[1]):
        steps = (np.clip(colours[:, band], 0, 1) * FINEST + ROUND).astype(np.uint16)
        np.take(NUMBERS, steps, out=numbers[..., band], mode="clip")
    if is_transparent:
        numbers[..., -1] = np.clip(light[:, -1], 0, 1) * OPAQUE + ROUND
    image = pyvips.Image.new_from_memory(numbers, width, height, bands, "uchar")
    return image.copy(interpretation="srgb" if bands > 2 else "b-w")  # noqa: PLR2004 - grey has two at most


def _factor(have: int, want: int, exact: float) -> float:
    return min(max(have * exact, want - ALMOST_HALF), want + ALMOST_HALF) / have


def _strips(length: int) -> Iterator[slice]:
    for start in range(0, length, STRIP):
        yield slice(start, min(start + STRIP, length))


def _read(picture: pyvips.Image | Floats) -> tuple[tuple[int, int], Iterator[tuple[slice, Floats]]]:
    """Return the size of a picture, and its rows as light, some at a time: rows x bands x width."""
    if isinstance(picture, np.ndarray):
        height, _, width = picture.shape
        return (width, height), ((rows, picture[rows]) for rows in _strips(height))
    return (picture.width, picture.height), _lit(picture)


def _lit(image: pyvips.Image) -> Iterator[tuple[slice, Floats]]:
    width, bands = image.width, image.bands
    region = pyvips.Region.new(image)
    for rows in _strips(image.height):
        data = region.fetch(0, rows.start, width, rows.stop - rows.start)
        numbers = np.frombuffer(data, np.uint8).reshape(-1, width, bands)
        light = np.empty((len(numbers), bands, width), np.float32)
        for band in range(bands):
            np.take(LIGHT, numbers[..., band], out=light[:, band], mode="clip")
        if bands in (2, 4):
            light[:, -1] = numbers[..., -1] / np.float32(OPAQUE)
            light[:, :-1] *= light[:, -1:]
        yield rows, light


def _shorter(strips: Iterator[tuple[slice, Floats]], down: Filter) -> Iterator[Floats]:
    """Yield the rows that `down` makes of those of a picture, some at a time: rows x bands x width."""
    pending, done = np.zeros((0, 1, 1), np.float32), 0
    for inputs, light in strips:
        outputs = down.outputs_of(inputs)
        longer = np.zeros((outputs.stop - done, *light.shape[1:]), np.float32)
        longer[: len(pending)] = pending
        part = down.matrix(outputs, inputs) @ light.reshape(len(light), -1)
        longer[outputs.start - done :] += part.reshape(-1, *light.shape[1:])
        finished = down.finished(inputs.stop)
        yield longer[: finished - done]
        pending, done = longer[finished - done :], finished
