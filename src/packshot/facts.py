"""
What a shop may want to know of a picture before it shows it, measured on a rendition before it is encoded.

All but the sharpness is read from a copy of 32 pixels, so that it costs milliseconds. Nothing is decided
here: who wants white backgrounds or sharp pictures compares the numbers with limits of their own.
"""

import struct
from collections import defaultdict
from collections.abc import Iterable
from typing import Final

import pyvips

from packshot.models import Facts
from packshot.thumbhash import OPAQUE, Pixel, Rows, thumbhash

SMALL: Final = 32  # pixels of the longer side
SHADES: Final = 5  # of red, green and blue; an odd number keeps a grainy grey together
EDGE: Final = 0.05  # how much of a picture is its edge
MIDDLE: Final = 512  # pixels: where the product is, and enough of it
DIGITS: Final = 3
LEAST: Final = 8  # pixels; on less there is nothing that could be sharp
SMOOTH: Final = 1 / 16  # what is nothing but smooth bends four times as much in half the size


def facts_of(image: pyvips.Image) -> Facts:
    """Measure a picture: upright, 8-bit sRGB or grey, in memory."""
    rows = _small(image)
    return Facts(
        colour=_colour(pixel for row in rows for pixel in row),
        placeholder=thumbhash(rows),
        has_transparency=bool(image.hasalpha()) and image[image.bands - 1].min() < OPAQUE,
        whiteness=round(_whiteness(rows), DIGITS),
        sharpness=round(_sharpness(image), DIGITS),
    )


def _small(image: pyvips.Image) -> Rows:
    small = image.thumbnail_image(SMALL, size="down").colourspace("srgb")
    small = small if small.hasalpha() else small.bandjoin(OPAQUE)
    pixels = list(struct.iter_unpack("4B", small.write_to_memory()))
    return [pixels[start : start + small.width] for start in range(0, len(pixels), small.width)]


def _colour(pixels: Iterable[Pixel]) -> str:
    """Return the mean of the colours that most of the picture is near to, as `#rrggbb`.

    Near is what falls into the same of 125 boxes in the cube of red, green and blue. A pixel counts as much
    as it is opaque; if all are transparent, the colour is white.
    """
    boxes: defaultdict[tuple[int, ...], list[Pixel]] = defaultdict(list)
    for pixel in pixels:
        boxes[tuple(value * SHADES // 256 for value in pixel[:3])].append(pixel)
    *sums, weight = max((_weigh(box) for box in boxes.values()), key=lambda sums: sums[3])
    return "#" + "".join(f"{round(total / weight) if weight else OPAQUE:02x}" for total in sums)


def _weigh(pixels: Iterable[Pixel]) -> list[int]:
    weighed = ((red * a, green * a, blue * a, a) for red, green, blue, a in pixels)
    return [sum(values) for values in zip(*weighed, strict=True)]


def _whiteness(rows: Rows) -> float:
    """Return how white the edges are, 0 to 1: the mean of the darkest of red, green and blue on white.

    They are a twentieth of the picture's height or width, and each counts the same. So what is transparent
    is white, as a cut-out's background is on a white page.
    """
    turned = [*zip(*rows, strict=True)]
    sides = ((side, max(1, round(len(side) * EDGE))) for side in (rows, turned))
    edges = [edge for side, depth in sides for edge in (side[:depth], side[-depth:])]
    whites = [[_on_white(pixel) for line in edge for pixel in line] for edge in edges]
    return sum(sum(edge) / len(edge) for edge in whites) / len(whites)


def _on_white(pixel: Pixel) -> float:
    return 1 - (OPAQUE - min(pixel[:3])) * pixel[3] / OPAQUE**2


def _sharpness(image: pyvips.Image) -> float:
    """Return how much more a picture bends from pixel to pixel than one that is nothing but smooth, 0 to 1.

    It is the mean square of the Laplacian divided by the same in half the size, on the green of the middle.
    Photos are alike in every size, so the quotient is near one however much there is to see; 1/16 is what
    smoothness has, and counts as 0. Twelve photos have 0.15 to 0.63; blurred with a sigma of one pixel 0.06
    to 0.15, enlarged twofold 0.06 to 0.11 (Lanczos) or 0.12 to 0.21 (linear). A picture that is too small,
    or all of one colour, is not sharp.

    Source of the likeness: D. J. Field, Relations between the statistics of natural images, 1987.
    """
    width, height = min(image.width, MIDDLE), min(image.height, MIDDLE)
    if min(width, height) < LEAST:
        return 0.0
    middle = image.crop((image.width - width) // 2, (image.height - height) // 2, width, height)
    opaque = middle.flatten(background=OPAQUE) if middle.hasalpha() else middle
    green = opaque[opaque.bands // 2].copy_memory()
    coarse = _bending(green.shrink(2, 2).copy_memory())
    quotient = _bending(green) / coarse if coarse else 0
    return float(min(1, max(0, (quotient - SMOOTH) / (1 - SMOOTH))))


def _bending(image: pyvips.Image) -> float:
    """Return the mean square of the Laplacian: of how a pixel differs from its four neighbours."""
    inner = (image.width - 2, image.height - 2)
    above, left, right, below, here = (
        image.crop(x, y, *inner) for x, y in ((1, 0), (0, 1), (2, 1), (1, 2), (1, 1))
    )
    laplacian = above + left + right + below - here * 4
    return float((laplacian * laplacian).avg())
