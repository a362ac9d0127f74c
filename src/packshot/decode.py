"""
From a file to its picture: upright, in sRGB, as numbers to be encoded and as light to be made smaller.

The file is decoded once, to the largest size that is wanted, and what libjpeg finds wrong with it is heard.
"""

from dataclasses import dataclass
from typing import Final

import pyvips

from packshot.codecs import bare
from packshot.framing import plain_borders
from packshot.geometry import Layout, Size
from packshot.loading import HARMLESS, UNREADABLE, Source, damage, grumbles, has, load, upright
from packshot.resize import Floats, Light, resized, to_numbers

# libjpeg halves in numbers and not in light. From this size on, pixels are finer than lenses, and that does
# not show (SSIMULACRA2 of 96 after a further 1.9); and so much must be left to do for our own filter.
SOFT_PIXELS: Final = 10_000_000
ROOM_FOR_HALF: Final = 0.3
# What to do with each EXIF orientation, the first of these first.
LIES_ON_ITS_SIDE: Final = (5, 6, 7, 8)
UPSIDE_DOWN: Final = (3, 4, 7, 8)
MIRRORED: Final = (2, 3, 6, 7)


@dataclass(frozen=True, slots=True)
class Picture:
    """The source in one size, as numbers and as light."""

    numbers: pyvips.Image
    light: Light


def decode(source: Source, largest: Layout) -> Picture:
    """Decode the file once, to that size; stop at the first warning of libjpeg, unless it is harmless."""
    try:
        return _reduce_carefully(source, largest)
    except UNREADABLE as error:
        raise damage(source.data, source.format, error) from error


def decode_trimmed(source: Source) -> tuple[Picture, Size]:
    """Decode the file in its own size, without its plain borders; return it with the size that is left."""
    whole = decode(source, Layout(1, (source.width, source.height), (source.width, source.height))).numbers
    left, top, width, height = plain_borders(whole)
    numbers = bare(whole.crop(left, top, width, height), whole)
    return Picture(numbers, Light(numbers, 1)), (width, height)


def smaller(picture: Picture, to: Layout) -> Picture:
    """Return the picture in another size."""
    if to.size == (picture.numbers.width, picture.numbers.height):
        return picture
    light = resized(picture.light, to.size, to.scale)
    return Picture(bare(to_numbers(light.picture), picture.numbers), light)


def in_srgb(image: pyvips.Image) -> pyvips.Image:
    """Return the picture in 8-bit sRGB or grey, with its transparency."""
    if has(image, "icc-profile-data"):  # else converting would cost 280 ms and change nothing
        image = image.icc_transform("srgb", embedded=True)
    return image.colourspace("b-w" if image.interpretation in ("b-w", "grey16") else "srgb")


def _reduce_carefully(source: Source, to: Layout) -> Picture:
    if source.format != "jpeg":
        return _reduce(source, to, "error")
    grumbles.forget()
    try:
        picture = _reduce(source, to, "warning")
    except UNREADABLE as error:
        if not HARMLESS.search(str(error)):
            raise
        return _reduce(source, to, "error")
    if grumbles.were_heard():  # too late for an error: of the last rows
        raise damage(source.data, source.format, ValueError("the last rows"))
    return picture


def _reduce(source: Source, to: Layout, fail_on: str) -> Picture:
    image = load(source.data, source.format, fail_on)
    done = 1.0
    is_soft = source.format == "jpeg" and image.width * image.height >= SOFT_PIXELS
    if is_soft and to.scale <= ROOM_FOR_HALF:
        image, done = load(source.data, source.format, fail_on, shrink=2), 0.5
    colours = in_srgb(image)
    if to.scale == 1:
        whole = bare(colours.copy_memory().autorot(), image)  # what is read in order cannot be turned
        return Picture(whole, Light(whole, 1))
    light = resized(Light(colours, done), upright(image, to.size), to.scale)
    standing = turned(light.picture, image.get("orientation") if has(image, "orientation") else 1)
    return Picture(bare(to_numbers(standing), image), Light(standing, to.scale))


def turned(light: Floats, orientation: int) -> Floats:
    """Return a picture upright that lies as EXIF says (1 to 8)."""
    if orientation in LIES_ON_ITS_SIDE:
        light = light.swapaxes(0, 2)
    return light[:: -1 if orientation in UPSIDE_DOWN else 1, :, :: -1 if orientation in MIRRORED else 1]
