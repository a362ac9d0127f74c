"""
Opening a file with libvips: only formats we know, only within limits, and in words what is wrong with it.

Everything here happens before a pixel is decoded, or after decoding has failed. The header is read first
and alone: a picture of a few bytes may claim a million by a million pixels.
"""

import logging
import re
from collections.abc import Collection
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

import pyvips

from packshot.errors import (
    ConfigError,
    DecodeOutOfMemory,
    FormatUnsupported,
    ImageDamaged,
    ImageError,
    ImageProfileTooLarge,
    ImageSideTooLong,
    ImageTooManyBands,
    ImageTooManyFrames,
    ImageTooManyPixels,
)
from packshot.formats import ACCEPTED, HEAD_BYTES, accepted_format
from packshot.models import SourceLimits
from packshot.wholeness import is_whole

MINIMUM_VERSION: Final = (8, 18, 0)  # older ones let truncated files pass, or cannot block loaders
LOADERS: Final = {  # by our names of the formats: what libvips calls the loader, and its class
    "jpeg": ("jpegload_buffer", "VipsForeignLoadJpeg"),
    "png": ("pngload_buffer", "VipsForeignLoadPng"),
    "webp": ("webpload_buffer", "VipsForeignLoadWebp"),
    "gif": ("gifload_buffer", "VipsForeignLoadNsgif"),
    "avif": ("heifload_buffer", "VipsForeignLoadHeif"),
    "tiff": ("tiffload_buffer", "VipsForeignLoadTiff"),
    "svg": ("svgload_buffer", "VipsForeignLoadSvg"),
}
# What must not be read unless it is switched on: the smallest drawing there is.
BAIT: Final = b'<svg xmlns="http://www.w3.org/2000/svg" width="1" height="1"/>'
WHOLE_PERCENT: Final = 100
MOST_BANDS: Final = 5  # CMYK with transparency
MOST_PROFILE_BYTES: Final = 4_000_000  # those of printing presses have up to 3 MB
# What libjpeg grumbles about although no pixel is lost; its other warnings are holes in the picture.
HARMLESS: Final = re.compile(
    r"Adobe color|JFIF revision|SOS param|progression seq|ICC marker|: \d extraneous"
)
SRGB: Final = (b"sRGB", "sRGB".encode("utf-16-be"))  # as profiles of either version spell it
LEFT_OVER: Final = "read gave"
NO_MEMORY: Final = re.compile(
    r"out of memory|insufficient memory|memory allocation error(?!: secur)|failed to allocate"
    r"|cannot allocate|error creating thread|unable to call heifsave_buffer|av1_create_context",
    re.IGNORECASE,
)
UNREADABLE: Final = (pyvips.Error, UnicodeDecodeError)  # the latter when libvips quotes from a broken file


class Grumbles(logging.Handler):
    """Hears what libvips only says when it lets go of a file: what libjpeg found wrong with its last rows."""

    def __init__(self) -> None:
        super().__init__()
        self._heard: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keep what is said."""
        self._heard.append(record.getMessage())

    def forget(self) -> None:
        """Begin anew, with another file."""
        self._heard.clear()

    def were_heard(self) -> bool:
        """Say whether there was something to grumble about since."""
        return any(LEFT_OVER in said for said in self._heard)


grumbles: Final = Grumbles()


@dataclass(frozen=True, slots=True)
class Source:
    """A file that has passed the checks of its header; `frames` is 1 unless it moves.

    It is plain if its pixels need nothing but decoding to be shown: upright, 8-bit, sRGB or grey.
    """

    data: bytes
    format: str
    width: int
    height: int
    frames: int
    is_plain: bool


def prepare(extra_formats: Collection[str]) -> str:
    """Block all loaders but those of our formats, and return the version of libvips.

    Raises ConfigError if it is too old, cannot read a format, or reads what it must not.
    """
    version = tuple(pyvips.version(part) for part in range(3))
    if version < MINIMUM_VERSION:
        raise ConfigError(f"libvips is {_dotted(version)}; at least {_dotted(MINIMUM_VERSION)} is needed.")
    log = logging.getLogger("pyvips")
    log.addHandler(grumbles)
    log.propagate = False
    pyvips.cache_set_max(0)  # it would hold on to the pictures of earlier jobs
    pyvips.operation_block_set("VipsForeignLoad", True)
    for format_ in (*ACCEPTED, *extra_formats):
        nickname, kind = LOADERS[format_]
        if not pyvips.type_find("VipsForeignLoad", nickname):
            raise ConfigError(f"This libvips ({_dotted(version)}) cannot read {format_.upper()}.")
        pyvips.operation_block_set(kind, False)
    if "svg" not in extra_formats and _is_read(BAIT):
        raise ConfigError(f"The untrusted loaders of libvips {_dotted(version)} cannot be blocked.")
    return _dotted(version)


def _is_read(data: bytes) -> bool:
    try:
        pyvips.Image.new_from_buffer(data, "")
    except pyvips.Error:
        return False
    return True


def _dotted(version: tuple[int, ...]) -> str:
    return ".".join(map(str, version))


def check(data: bytes, limits: SourceLimits, extra_formats: Collection[str] = ()) -> Source:
    """Read no more than the header, and refuse what must not be decoded."""
    format_ = accepted_format(data[:HEAD_BYTES], extra_formats)
    pyvips.vips_lib.vips_error_clear()  # what earlier files left behind says nothing about this one
    try:
        header = load(data, format_, "error")
        frames = header.get("n-pages") if format_ in ("gif", "webp") and has(header, "n-pages") else 1
        profile = len(header.get("icc-profile-data")) if has(header, "icc-profile-data") else 0
    except UNREADABLE as error:
        raise damage(data, format_, error) from error
    if reason := _excess(header, frames, profile, limits):
        raise reason
    if not is_whole(format_, data):
        raise ImageDamaged(
            f"The picture is incomplete: {_extent(data, format_) or 'its file stops before its own end'}."
        )
    size = upright(header, (header.width, header.height))
    return Source(data, format_, *size, frames, _is_plain(header, frames))


def _is_plain(header: pyvips.Image, frames: int) -> bool:
    profile = header.get("icc-profile-data") if has(header, "icc-profile-data") else SRGB[0]
    is_upright = not has(header, "orientation") or header.get("orientation") == 1
    is_srgb = header.interpretation in ("srgb", "b-w") and any(name in profile for name in SRGB)
    return frames == 1 and header.format == "uchar" and is_upright and is_srgb


def _excess(header: pyvips.Image, frames: int, profile_bytes: int, limits: SourceLimits) -> ImageError | None:
    size = f"{header.width:,} x {header.height:,} pixels"
    if header.width * header.height > limits.pixels:
        return ImageTooManyPixels(f"The picture has {size}; no more than {limits.pixels:,} in all are taken.")
    if max(header.width, header.height) > limits.side:
        return ImageSideTooLong(f"The picture has {size}; no side may have more than {limits.side:,}.")
    if frames > limits.frames:
        return ImageTooManyFrames(
            f"The animation has {frames:,} frames; no more than {limits.frames:,} are taken."
        )
    if header.bands > MOST_BANDS:
        return ImageTooManyBands(
            f"The picture has {header.bands} colour channels; no more than {MOST_BANDS} are taken."
        )
    if profile_bytes > MOST_PROFILE_BYTES:
        return ImageProfileTooLarge(
            f"The colour profile has {profile_bytes:,} bytes; no more than {MOST_PROFILE_BYTES:,} are taken."
        )
    return None


def load(data: bytes, format_: str, fail_on: str, **options: Any) -> pyvips.Image:  # noqa: ANN401 - libvips checks them
    """Open the file without decoding it; of several frames or pages, only the first.

    The loader is ours to say: libvips would look at the bytes with other eyes than we did.
    """
    loader = LOADERS[format_][0]
    return pyvips.Operation.call(loader, data, access="sequential", fail_on=fail_on, **options)


def has(image: pyvips.Image, field: str) -> bool:
    """Say whether the file has this piece of metadata, by the name that libvips gives it."""
    return bool(image.get_typeof(field))


def upright(image: pyvips.Image, size: tuple[int, int]) -> tuple[int, int]:
    """Swap width and height if the picture lies on its side (EXIF orientations 5 to 8)."""
    lies = has(image, "orientation") and image.get("orientation") in range(5, 9)
    return (size[1], size[0]) if lies else size


def shortage(error: Exception) -> ImageError | None:
    """Return what to say if memory was what libvips lacked."""
    if isinstance(error, MemoryError) or NO_MEMORY.search(str(error)):
        return DecodeOutOfMemory("The picture needs more memory than PACKSHOT_DECODE_MEMORY_BYTES.")
    return None


def damage(data: bytes, format_: str, error: Exception) -> ImageError:
    """Say in our words why libvips could not read the file."""
    if short := shortage(error):
        return short
    if "has not been built in" in str(error):
        return FormatUnsupported(
            "The file calls itself AVIF, but its picture is coded in another way (HEIC)."
        )
    return ImageDamaged(
        f"The picture is damaged or incomplete: {_extent(data, format_) or 'it cannot be decoded'}."
    )


def _extent(data: bytes, format_: str) -> str:
    """Say how much of the picture is good; empty if that is nothing, or all there is to see."""
    percent = 0
    with suppress(*UNREADABLE):  # no error says how far the decoder came, so watch it once more
        image = load(data, format_, "warning")
        region = pyvips.Region.new(image)
        for row in range(image.height):
            region.fetch(0, row, image.width, 1)
            percent = 100 * (row + 1) // image.height
    pyvips.vips_lib.vips_error_clear()  # every later message would quote it
    return f"only its upper {percent} % can be decoded" if 0 < percent < WHOLE_PERCENT else ""
