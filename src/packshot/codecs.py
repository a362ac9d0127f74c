"""
How each format is written, and read back: what its encoder in libvips is told.

Measured on twelve photos in three sizes, bytes at equal SSIMULACRA2 beside libvips' defaults: JPEG's
quantisation table 2 takes 8 to 10 % off and costs nothing; progressive takes 2 % more off large pictures
and adds 5 % to thumbnails; trellis takes 4 % off thumbnails for 2 ms, and 7 % off large pictures for 40 ms.
So trellis is for thumbnails, and for presets that ask for effort.
"""

import re
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyvips

from packshot.loading import has, load

CREDITS: Final = ("exif-ifd0-Artist", "exif-ifd0-Copyright")
MOST_CREDIT_CHARACTERS: Final = 200
SMALL_PIXELS: Final = 100_000
TUNED_FOR_MS_SSIM: Final = 2  # mozjpeg's name for the table
WHITE: Final = 255
FULL_COLOUR: Final = {"avif": 82, "jpeg": 90}  # what needs so much quality is held back by its colours


def encode(
    image: pyvips.Image,
    format_: str,
    quality: int,
    effort: int,
    *,
    is_trial: bool = False,
    in_full_colour: bool = False,
) -> bytes:
    """Return the file; a trial has the same pixels and need not be as small.

    From FULL_COLOUR on, and when told so, each pixel has a colour, else each four of them.
    """
    in_full_colour = in_full_colour or quality >= FULL_COLOUR.get(format_, 101)
    colours = "off" if in_full_colour else "on"
    match format_:
        case "avif":
            options = {"compression": "av1", "encoder": "aom", "bitdepth": 8, "subsample_mode": colours}
            data = image.heifsave_buffer(Q=quality, effort=effort, keep=_keep(image), **options)
        case "webp":
            data = image.webpsave_buffer(Q=quality, effort=effort, keep=_keep(image))
        case "png":
            data = image.pngsave_buffer(compression=effort, filter="all", keep=_keep(image))
        case "jpeg":
            is_small = image.width * image.height < SMALL_PIXELS
            options = {"quant_table": TUNED_FOR_MS_SSIM, "trellis_quant": is_small or effort > 0}
            data = flat(image, WHITE).jpegsave_buffer(
                Q=quality,
                optimize_coding=True,
                interlace=not is_small and (effort > 0 or not is_trial),  # trellis looks at it
                subsample_mode=colours,
                keep=_keep(image),
                **options,
            )
    return bytes(data)


def encode_losslessly(image: pyvips.Image) -> bytes:
    """Return a WebP that loses nothing."""
    return bytes(image.webpsave_buffer(lossless=True, effort=4, keep=_keep(image)))


def encode_with_palette(image: pyvips.Image) -> bytes:
    """Return a PNG of no more than 256 colours."""
    return bytes(image.pngsave_buffer(palette=True, dither=0, compression=9, keep=_keep(image)))


def decode(data: bytes, format_: str, fail_on: str = "error") -> pyvips.Image:
    """Return what a file of ours shows, in memory."""
    return load(data, format_, fail_on).copy_memory()


def flat(image: pyvips.Image, background: int) -> pyvips.Image:
    """Return the picture as it looks on this grey."""
    return image.flatten(background=background) if image.hasalpha() else image


def pixels(image: pyvips.Image) -> npt.NDArray[np.uint8]:
    """Return height x width x 3 numbers of an opaque picture in sRGB or grey."""
    numbers: npt.NDArray[np.uint8] = np.asarray(image.numpy())
    if image.bands == 1:
        numbers = np.repeat(numbers.reshape(image.height, image.width, 1), 3, axis=2)
    return numbers


def bare(image: pyvips.Image, credit_of: pyvips.Image) -> pyvips.Image:
    """Return nothing but the pixels, in memory (no places, cameras, thumbnails), and whose picture it is."""
    copy = pyvips.Image.new_from_memory(
        image.write_to_memory(), image.width, image.height, image.bands, image.format
    ).copy(interpretation=image.interpretation)
    for name in CREDITS:
        if has(credit_of, name) and (credit := _credit(credit_of.get(name))):
            # libvips cuts the last bracket off when it writes
            copy.set_type(pyvips.GValue.gstr_type, name, f"{credit} ()")
    return copy


def _credit(shown: str) -> str:
    """Return a name as plain text, and no more than a name: nothing else of a file is passed on."""
    # libvips shows a text as "text (text, ASCII, …)", and we have written "text ()" where it comes from us
    text = re.match(r"(?s)(.*) \((?:\1, ASCII|\)$)", shown)
    letters = (
        letter for letter in (text[1] if text else shown) if letter.isprintable() and letter not in "<>"
    )
    return "".join(letters)[:MOST_CREDIT_CHARACTERS].strip()


def _keep(image: pyvips.Image) -> Any:  # noqa: ANN401 - libvips' own word
    return "exif" if any(has(image, name) for name in CREDITS) else "none"
