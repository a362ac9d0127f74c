"""
Pictures that lie, explode or pretend: each is made here, from nothing but our own files.

`LIES` are headers that say what is not so, `BOMBS` small files that become large ones, and
`POLYGLOTS` files that are something else as well.
"""

import struct
import zlib
from typing import Final

import pyvips
from tests.mutations import PNG_SIGNATURE, png_chunk
from tests.pictures import encode, jpeg, moving, photo, picture

SCRIPT: Final = b"<script>alert(1)</script>"
MEGABYTE: Final = 1_000_000


def png(width: int, height: int, pixels: bytes, *more: tuple[bytes, bytes], depth: int = 8) -> bytes:
    """Return a PNG in colour whose pixels are these bytes, compressed, with more chunks before them."""
    header = struct.pack(">IIBBBBB", width, height, depth, 2, 0, 0, 0)
    chunks = [(b"IHDR", header), *more, (b"IDAT", zlib.compress(pixels, 9)), (b"IEND", b"")]
    return PNG_SIGNATURE + b"".join(png_chunk(*chunk) for chunk in chunks)


def black(width: int, height: int) -> bytes:
    """The rows of a black picture in colour."""
    return (b"\0" + bytes(3 * width)) * height


def jpeg_of_claimed_size(width: int, height: int) -> bytes:
    """Return a small JPEG whose frame header says another size."""
    data, size = jpeg(), struct.pack(">HH", 64, 96)
    at = data.index(b"\xff\xc0") + 5
    assert data[at : at + 4] == size
    return data[:at] + struct.pack(">HH", height, width) + data[at + 4 :]


def gif_of_claimed_size(width: int, height: int) -> bytes:
    """Return a small GIF whose screen and frame say another size."""
    data, frame = encode(picture(), "gif"), struct.pack("<HHHH", 0, 0, 96, 64)
    size = struct.pack("<HH", width, height)
    return (data[:6] + size + data[10:]).replace(frame, struct.pack("<HH", 0, 0) + size, 1)


def webp_of_claimed_size(width: int, height: int) -> bytes:
    """Return a small WebP whose frame says another size."""
    data = encode(picture(), "webp")
    at = data.index(b"\x9d\x01\x2a") + 3
    return data[:at] + struct.pack("<HH", width, height) + data[at + 4 :]


def avif_of_claimed_size(width: int, height: int) -> bytes:
    """Return a small AVIF whose size property says another size."""
    data = encode(picture(), "avif")
    at = data.index(b"ispe") + 8
    return data[:at] + struct.pack(">II", width, height) + data[at + 8 :]


def gif_of_frames(count: int) -> bytes:
    """Return an animation of one pixel."""
    frame = b"\x2c" + struct.pack("<HHHHB", 0, 0, 1, 1, 0) + b"\x02\x02\x44\x01\x00"
    return b"GIF89a" + struct.pack("<HHBBB", 1, 1, 0x80, 0, 0) + bytes(6) + frame * count + b"\x3b"


def apng() -> bytes:
    """Return a PNG with a second, broken frame behind its picture."""
    data = encode(picture(), "png")
    control = struct.pack(">II", 2, 0)
    frame = struct.pack(">IIIIIHHBB", 0, 96, 64, 0, 0, 1, 10, 0, 0)
    at, end = data.index(b"IDAT") - 4, data.index(b"IEND") - 4
    first = png_chunk(b"acTL", control) + png_chunk(b"fcTL", frame)
    second = png_chunk(b"fcTL", struct.pack(">I", 1) + frame[4:]) + png_chunk(b"fdAT", b"\0\0\0\2nonsense")
    return data[:at] + first + data[at:end] + second + data[end:]


def jpeg_of_profile(size: int) -> bytes:
    """Return a JPEG with so many bytes of colour profile."""
    return encode(picture(), "jpeg", fields={"icc-profile-data": profile(size)})


def profile(size: int) -> bytes:
    """Return an sRGB profile with so many bytes of padding behind it."""
    srgb = pyvips.Image.black(1, 1, bands=3).copy(interpretation="srgb").icc_export(output_profile="srgb")
    data: bytes = srgb.get("icc-profile-data")
    return struct.pack(">I", len(data) + size) + data[4:] + bytes(size)


def tiff_of_bands(count: int) -> bytes:
    """Return a TIFF with so many channels."""
    return encode(pyvips.Image.black(8, 8, bands=count), "tiff")


def closed(data: bytes, lost: int) -> bytes:
    """Return a JPEG without its last bytes, but with an end mark."""
    return data[: -2 - lost] + b"\xff\xd9"


LIES: Final = {
    "gif of 7,000 x 7,000 with the pixels of a stamp": gif_of_claimed_size(7_000, 7_000),
    "gif twice as high as its pixels": gif_of_claimed_size(96, 128),
    "jpeg that was closed too early": closed(encode(photo(640, 427), "jpeg"), 2_000),
    "jpeg that was closed in its last row": closed(
        encode(photo(640, 427), "jpeg", subsample_mode="off"), 150
    ),
    "grey jpeg that was closed in its last row": closed(
        encode(photo(640, 427)[0].copy(interpretation="b-w"), "jpeg"), 60
    ),
    "png of 60,000 x 60,000": png(60_000, 60_000, black(1, 1)),
    "png of 2^31 - 1 x 2^31 - 1": png(2**31 - 1, 2**31 - 1, black(1, 1)),
    "png of 2^31 - 1 x 1": png(2**31 - 1, 1, black(1, 1)),
    "png without any pixels": png(0, 0, b""),
    "png with too few pixels": png(100, 100, black(100, 50)),
    "jpeg of 65,500 x 65,500": jpeg_of_claimed_size(65_500, 65_500),
    "jpeg without height": jpeg_of_claimed_size(96, 0),
    "jpeg of 7,000 x 7,000 with the pixels of a stamp": jpeg_of_claimed_size(7_000, 7_000),
    "gif of 65,535 x 65,535": gif_of_claimed_size(65_535, 65_535),
    "gif without any pixels": gif_of_claimed_size(0, 0),
    "webp of 16,383 x 16,383": webp_of_claimed_size(16_383, 16_383),
    "webp without any pixels": webp_of_claimed_size(0, 0),
    "avif of 2^31 x 2^31": avif_of_claimed_size(2**31, 2**31),
    "avif of 60,000 x 60,000": avif_of_claimed_size(60_000, 60_000),
    "avif without any pixels": avif_of_claimed_size(0, 0),
}

BOMBS: Final = {  # name: (file, how it must end)
    "51 million pixels in 160 KB": (png(10_000, 5_100, black(10_000, 5_100)), "image_too_many_pixels"),
    "a side of 16,385": (png(16_385, 1, black(16_385, 1)), "image_side_too_long"),
    "1,001 frames": (gif_of_frames(1_001), "image_too_many_frames"),
    "a profile of 5 MB": (jpeg_of_profile(5 * MEGABYTE), "image_profile_too_large"),
    "a deflated profile of 100 MB": (
        png(8, 8, black(8, 8), (b"iCCP", b"bomb\0\0" + zlib.compress(bytes(100 * MEGABYTE), 9))),
        "",  # a reader may as well leave such a profile out
    ),
    "a deflated text of 100 MB": (
        png(8, 8, black(8, 8), (b"zTXt", b"bomb\0\0" + zlib.compress(bytes(100 * MEGABYTE), 9))),
        "",
    ),
    "200 MB of pixels behind a stamp": (png(8, 8, bytes(200 * MEGABYTE)), ""),
    "five hundred deflated texts of 7 MB": (
        png(8, 8, black(8, 8), *[(b"zTXt", b"bomb\0\0" + zlib.compress(bytes(7 * MEGABYTE), 9))] * 500),
        "",
    ),
    "ten thousand texts": (png(8, 8, black(8, 8), *[(b"tEXt", b"key\0value")] * 10_000), ""),
}

POLYGLOTS: Final = {
    "gif and script": b"GIF89a=1;" + SCRIPT + encode(picture(), "gif")[6:],
    "gif, then script": encode(picture(), "gif") + SCRIPT,
    "jpeg, then archive": jpeg() + b"PK\x03\x04" + SCRIPT,
    "jpeg with script in a comment": jpeg()[:2]
    + b"\xff\xfe"
    + struct.pack(">H", 2 + len(SCRIPT))
    + SCRIPT
    + jpeg()[2:],
    "jpeg with script in its camera": encode(
        picture(), "jpeg", fields={"exif-ifd0-Make": SCRIPT.decode(), "exif-ifd0-Software": SCRIPT.decode()}
    ),
    "jpeg with script in its artist": encode(
        picture(),
        "jpeg",
        fields={"exif-ifd0-Artist": SCRIPT.decode() * 1000, "exif-ifd0-Copyright": "\x07Ann"},
    ),
    "png with script in a text": png(8, 8, black(8, 8), (b"tEXt", b"Comment\0" + SCRIPT)),
    "png with script in its pixels": png(8, 8, b"".join(b"\0" + SCRIPT[:24] for _ in range(8))),
    "webp, then page": encode(picture(), "webp") + b"<html>" + SCRIPT,
    "avif with script in a free box": encode(picture(), "avif")
    + struct.pack(">I4s", 8 + 25, b"free")
    + SCRIPT,
    "page, then jpeg": b"<html>" + SCRIPT + jpeg(),
    "document, then jpeg": b"%PDF-1.7\n" + SCRIPT + jpeg(),
    "drawing": b"<svg xmlns='http://www.w3.org/2000/svg'>" + SCRIPT + b"</svg>",
}
VARIANTS: Final = {
    "jpeg": encode(photo(160, 120), "jpeg"),
    "progressive jpeg": encode(photo(160, 120), "jpeg", interlace=True),
    "cmyk jpeg": encode(photo(160, 120).colourspace("cmyk"), "jpeg"),
    "png": encode(photo(160, 120), "png"),
    "interlaced png": encode(photo(160, 120), "png", interlace=True),
    "palette png": encode(picture(), "png", palette=True),
    "apng": apng(),
    "webp": encode(photo(160, 120), "webp"),
    "lossless webp": encode(photo(160, 120), "webp", lossless=True),
    "transparent webp": encode(photo(160, 120).bandjoin(128), "webp"),
    "animated webp": moving("webp"),
    "gif": encode(photo(160, 120), "gif"),
    "interlaced gif": encode(photo(160, 120), "gif", interlace=True),
    "animated gif": moving("gif"),
    "avif": encode(photo(160, 120), "avif"),
    "transparent avif": encode(photo(160, 120).bandjoin(128), "avif"),
}
