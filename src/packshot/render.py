"""
From the bytes of a file to the bytes of its renditions.

    bytes ─▶ check ─▶ decode ─▶ large ─▶ medium ─▶ thumb
                                  └▶ AVIF  └▶ AVIF  └▶ AVIF
                                  └▶ JPEG  └▶ JPEG  └▶ JPEG

A source is decoded once: the largest rendition is made from the file, each smaller one from the next
larger. Nothing is encoded before the last row of the source has been decoded, so a damaged file never
becomes a half grey picture. An animation is decoded once more for each preset that keeps it moving.

`decoder.py` runs this in a process of its own; nothing here knows of processes or files. Raise
RECIPE_VERSION in `presets.py` when the bytes change.
"""

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Final

import pyvips

from packshot.errors import ImageTooManyPixels
from packshot.loading import (
    HARMLESS,
    UNREADABLE,
    Source,
    check,
    damage,
    grumbles,
    has,
    load,
    shortage,
    upright,
)
from packshot.models import MOVING, Encoding, Facts, Preset, SourceLimits
from packshot.resize import OPAQUE, Light, fitting, resized, to_light, to_numbers

MOST_CREDIT_CHARACTERS: Final = 200
ALL_FRAMES: Final = -1
# libjpeg halves in numbers and not in light. From this size on, pixels are finer than lenses, and that does
# not show (SSIMULACRA2 of 96 after a further 1.9); and so much must be left to do for our own filter.
SOFT_PIXELS: Final = 10_000_000
ROOM_FOR_HALF: Final = 0.3
CREDITS: Final = ("exif-ifd0-Artist", "exif-ifd0-Copyright")


@dataclass(frozen=True, slots=True)
class Encoded:
    """One rendition: the bytes of its file."""

    preset: str
    format: str
    width: int
    height: int
    data: bytes
    quality: int | None
    score: float | None


@dataclass(frozen=True, slots=True)
class Picture:
    """The source in one size, upright: as numbers to be encoded, and as light to be made smaller."""

    numbers: pyvips.Image
    light: Light


@dataclass(frozen=True, slots=True)
class Rendering:
    """All renditions of a source in the order of the presets; width and height are the source's, upright."""

    width: int
    height: int
    encoded: tuple[Encoded, ...]
    facts: Facts | None


def render(
    data: bytes, presets: Sequence[Preset], limits: SourceLimits, extra_formats: Collection[str] = ()
) -> Rendering:
    """Return every rendition of a file; raise ImageError for what is wrong with it."""
    try:
        return _render(data, presets, limits, extra_formats)
    except (MemoryError, *UNREADABLE) as error:
        if short := shortage(error):
            raise short from error
        raise


def _render(
    data: bytes, presets: Sequence[Preset], limits: SourceLimits, extra_formats: Collection[str]
) -> Rendering:
    source = check(data, limits, extra_formats)
    _check_motion(source, presets, limits)
    picture = _decode(source, max(preset.pixels for preset in presets))
    made: dict[str, list[Encoded]] = {}
    for preset in sorted(presets, key=lambda preset: -preset.pixels):
        picture = _shrink(picture, *fitting(source.width, source.height, preset.pixels))
        image = _opaque(picture.numbers)
        made[preset.name] = [_rendition(source, image, preset, encoding) for encoding in preset.encodings]
    encoded = tuple(one for preset in presets for one in made[preset.name])
    return Rendering(source.width, source.height, encoded, facts=None)


def _check_motion(source: Source, presets: Sequence[Preset], limits: SourceLimits) -> None:
    """Refuse an animation that would have too many pixels if it is to stay one."""
    if source.frames * source.width * source.height > limits.pixels and _moves(source, presets):
        raise ImageTooManyPixels(
            f"The animation has {source.frames:,} frames of {source.width:,} x {source.height:,} pixels; "
            f"no more than {limits.pixels:,} in all are taken."
        )


def _moves(source: Source, presets: Sequence[Preset]) -> bool:
    return source.frames > 1 and any(preset.animated for preset in presets)


def _decode(source: Source, pixels: int) -> Picture:
    """Decode the file once, to that size; stop at the first warning of libjpeg, unless it is harmless."""
    try:
        return _reduce_carefully(source, pixels)
    except UNREADABLE as error:
        raise damage(source.data, source.format, error) from error


def _reduce_carefully(source: Source, pixels: int) -> Picture:
    if source.format != "jpeg":
        return _reduce(source, pixels, "error")
    grumbles.forget()
    try:
        picture = _reduce(source, pixels, "warning")
    except UNREADABLE as error:
        if not HARMLESS.search(str(error)):
            raise
        return _reduce(source, pixels, "error")
    if grumbles.were_heard():  # too late for an error: of the last rows
        raise damage(source.data, source.format, ValueError("the last rows"))
    return picture


def _reduce(source: Source, pixels: int, fail_on: str) -> Picture:
    size, scale = fitting(source.width, source.height, pixels)
    image = load(source.data, source.format, fail_on)
    done = 1.0
    if source.format == "jpeg" and image.width * image.height >= SOFT_PIXELS and scale <= ROOM_FOR_HALF:
        image, done = load(source.data, source.format, fail_on, shrink=2), 0.5
    colours = _in_srgb(image)
    if scale == 1:
        whole = colours.copy_memory().autorot()
        return Picture(_strip(whole), to_light(whole))
    light = resized(to_light(colours, done), upright(image, size), scale)
    light = Light(light.image.autorot(), scale)
    return Picture(_strip(to_numbers(light)), light)


def _in_srgb(image: pyvips.Image) -> pyvips.Image:
    """Return the picture in 8-bit sRGB or grey, with its transparency."""
    if has(image, "icc-profile-data"):  # else converting would cost 280 ms and change nothing
        image = image.icc_transform("srgb", embedded=True)
    return image.colourspace("b-w" if image.interpretation in ("b-w", "grey16") else "srgb")


def _strip(image: pyvips.Image) -> pyvips.Image:
    """Return nothing but the pixels (no places, cameras, thumbnails), and whose picture it is."""
    pixels = image.write_to_memory()
    bare = pyvips.Image.new_from_memory(pixels, image.width, image.height, image.bands, image.format)
    bare = bare.copy(interpretation=image.interpretation)
    for name in CREDITS:
        if has(image, name) and (credit := _credit(image.get(name))):
            # libvips cuts the last bracket off when it writes
            bare.set_type(pyvips.GValue.gstr_type, name, f"{credit} ()")
    return bare


def _credit(shown: str) -> str:
    """Return a name as plain text, and no more than a name: nothing else of a file is passed on."""
    text = re.match(r"(?s)(.*) \(\1, ASCII", shown)  # libvips shows a text as "text (text, ASCII, …)"
    letters = (
        letter for letter in (text[1] if text else shown) if letter.isprintable() and letter not in "<>"
    )
    return "".join(letters)[:MOST_CREDIT_CHARACTERS].strip()


def _shrink(picture: Picture, size: tuple[int, int], scale: float) -> Picture:
    if size == (picture.numbers.width, picture.numbers.height):
        return picture
    light = resized(picture.light, size, scale)
    return Picture(_strip(to_numbers(light)), light)


def _opaque(image: pyvips.Image) -> pyvips.Image:
    """Drop a transparency that hides nothing."""
    hides = image.hasalpha() and image[image.bands - 1].min() < OPAQUE
    return image if hides or not image.hasalpha() else image[: image.bands - 1]


def _rendition(source: Source, image: pyvips.Image, preset: Preset, encoding: Encoding) -> Encoded:
    if _moves(source, [preset]) and encoding.format in MOVING:
        image = _animation(source, (image.width, image.height))
    data = _encode(image, encoding)
    size = (image.width, image.get_page_height())
    return Encoded(preset.name, encoding.format, *size, data, encoding.quality, score=None)


def _animation(source: Source, size: tuple[int, int]) -> pyvips.Image:
    """Return all frames, one below the other, with their times."""
    try:
        frames = load(source.data, source.format, "error", n=ALL_FRAMES)
        return frames.thumbnail_image(size[0], height=size[1], size="force").copy_memory()
    except UNREADABLE as error:
        raise damage(source.data, source.format, error) from error


def _encode(image: pyvips.Image, encoding: Encoding) -> bytes:
    keep = "exif" if any(has(image, name) for name in CREDITS) else "none"
    match encoding.format:
        case "avif":
            options = {"compression": "av1", "encoder": "aom", "bitdepth": 8, "Q": encoding.quality}
            data = image.heifsave_buffer(effort=encoding.effort, keep=keep, **options)
        case "webp":
            data = image.webpsave_buffer(Q=encoding.quality, effort=encoding.effort, keep=keep)
        case "png":
            data = image.pngsave_buffer(compression=encoding.effort, filter="all", keep=keep)
        case _:
            opaque = image.flatten(background=255) if image.hasalpha() else image
            data = opaque.jpegsave_buffer(Q=encoding.quality, optimize_coding=True, keep=keep)
    return bytes(data)
