"""
Small pictures for tests, in every format that suppliers send and with every trouble they make.

    jpeg()                                    some JPEG, when only the bytes matter
    encode(picture(), "avif", lossless=True)    four quadrants, so that turns and mix-ups are seen
    corners(pyvips.Image.new_from_file(…))    "RGBW" if the picture is upright and its colours right

Deterministic. Only tests may use libvips outside of the decoder.
"""

import struct
import zlib
from collections.abc import Mapping
from typing import Any, Final

import pyvips

COLOURS: Final = {"R": (200, 40, 40), "G": (40, 160, 60), "B": (40, 60, 180), "W": (240, 240, 240)}
SAVERS: Final[Mapping[str, tuple[str, dict[str, Any]]]] = {
    "jpeg": ("jpegsave_buffer", {"Q": 90}),
    "png": ("pngsave_buffer", {}),
    "webp": ("webpsave_buffer", {"Q": 90}),
    "gif": ("gifsave_buffer", {}),
    "avif": ("heifsave_buffer", {"compression": "av1", "Q": 90, "effort": 0}),
    "tiff": ("tiffsave_buffer", {}),
}
FORMATS: Final = ("jpeg", "png", "webp", "gif", "avif")


def picture(width: int = 96, height: int = 64) -> pyvips.Image:
    """Return four quadrants: red and green above, blue and white below."""
    size = (width - width // 2, height - height // 2)
    quadrants = [pyvips.Image.black(*size).new_from_image(colour) for colour in COLOURS.values()]
    image = pyvips.Image.arrayjoin(quadrants, across=2).crop(0, 0, width, height)
    return image.cast("uchar").copy(interpretation="srgb").copy_memory()


def photo(width: int = 320, height: int = 240) -> pyvips.Image:
    """Return a picture with as much detail as a photo, so that its file can be cut in many places."""
    noise = pyvips.Image.gaussnoise(width, height, mean=0, sigma=20, seed=7)
    return (picture(width, height) + noise).cast("uchar").copy(interpretation="srgb").copy_memory()


def encode(
    image: pyvips.Image,
    format_: str,
    *,
    fields: Mapping[str, int | str | bytes] | None = None,
    **options: object,
) -> bytes:
    """Return the file; `fields` are libvips metadata like `{"exif-ifd0-Copyright": "Ann"}`."""
    types = {int: pyvips.GValue.gint_type, bytes: pyvips.GValue.blob_type, str: pyvips.GValue.gstr_type}
    image = image.copy()
    for name, value in (fields or {}).items():
        image.set_type(types[type(value)], name, value)
    saver, defaults = SAVERS[format_]
    return bytes(getattr(image, saver)(**{**defaults, **options}))


def jpeg(width: int = 96, height: int = 64) -> bytes:
    """Return a valid JPEG."""
    return encode(picture(width, height), "jpeg")


def moving(format_: str) -> bytes:
    """Return a GIF or WebP of three frames; only the first has the right colours."""
    first = picture()
    frames = pyvips.Image.arrayjoin([first, first.invert(), first.rot180()], across=1)
    return encode(frames, format_, fields={"page-height": first.height})


def png_of_claimed_size(width: int, height: int) -> bytes:
    """Return a few bytes that call themselves a picture of any size."""
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        for name, data in (
            (b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)),
            (b"IDAT", zlib.compress(b"\0" * 100)),
            (b"IEND", b""),
        )
    )


def hevc_that_calls_itself_avif() -> bytes:
    """Return an AVIF whose picture is declared to be HEVC, as in HEIC files."""
    data = encode(picture(), "avif", keep="none").replace(b"av01", b"hvc1")
    setup = b"\0\0\0\x1fhvcC" + bytes.fromhex("01 01 60000000 900000000000 5d f000 fc fd f8 f8 0000 0f 00")
    at = data.index(b"av1C") - 4
    data = data[:at] + setup + data[at + 12 :]
    grown = len(setup) - 12
    for field in (
        data.index(b"meta") - 4,
        data.index(b"iprp") - 4,
        data.index(b"ipco") - 4,
        data.index(b"iloc") + 16,
    ):
        number = int.from_bytes(data[field : field + 4], "big") + grown
        data = data[:field] + number.to_bytes(4, "big") + data[field + 4 :]
    return data


def corners(image: pyvips.Image) -> str:
    """Name the colours of the four quadrants, row by row; "?" for any other colour."""
    quarters = ((1, 1), (3, 1), (1, 3), (3, 3))
    return "".join(_name(image.getpoint(x * image.width // 4, y * image.height // 4)) for x, y in quarters)


def _name(pixel: list[float]) -> str:
    near = (
        name
        for name, colour in COLOURS.items()
        if max(abs(ours - theirs) for ours, theirs in zip(pixel[:3], colour, strict=True))
        < 15  # codecs lose a little
    )
    return next(near, "?")
