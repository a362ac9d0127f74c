"""Places in a file where no pixel is and something could be hidden: such a file is not kept."""

import zlib

import pytest
from tests.mutations import png_chunk
from tests.unit.test_cleaning import SECRET, made, segment

from packshot.cleaning import cleaned


def before(mark: bytes, name: str, *planted: bytes, nth: int = 0) -> tuple[str, bytes]:
    """Return a file with something planted before a mark."""
    format_, data = made(name)
    at = -1
    for _ in range(nth + 1):
        at = data.index(mark, at + 1)
    return format_, data[:at] + b"".join(planted) + data[at:]


def steps(name: int) -> bytes:
    return segment(0xDB, bytes([name]) + SECRET.ljust(64, b"\1"))


def codes(name: int, *, more: bytes = b"") -> bytes:
    return segment(0xC4, bytes([name]) + bytes(15) + bytes([len(SECRET) - 1]) + b"Secrt" + more)


def before_chunk(kind: bytes, name: str, planted: bytes, body: bytes = SECRET) -> tuple[str, bytes]:
    format_, data = made(name)
    at = data.index(kind) - 4
    return format_, data[:at] + png_chunk(planted, body) + data[at:]


SCAN, END = b"\xff\xda", b"\xff\xd9"
PLANTED: dict[str, tuple[str, bytes]] = {
    "steps that no component has": before(SCAN, "jpeg", steps(3)),
    "steps twice": before(b"\xff\xdb", "jpeg", steps(0)),
    "steps behind the frame, twice": before(SCAN, "jpeg", steps(0)),
    "steps behind the scan": before(END, "jpeg", steps(0)),
    "steps between scans": before(SCAN, "progressive", steps(0), nth=1),
    "steps that are too long": before(b"\xff\xdb", "jpeg", segment(0xDB, SECRET)),
    "codes that no scan uses": before(SCAN, "jpeg", codes(3)),
    "codes twice": before(b"\xff\xc4", "jpeg", codes(0)),
    "codes behind the scan": before(END, "jpeg", codes(0)),
    "codes that no later scan uses": before(SCAN, "progressive", codes(3), nth=1),
    "codes that are too long": before(SCAN, "jpeg", codes(0, more=SECRET)),
    "two frames": before(SCAN, "jpeg", segment(0xC0, b"\x08\0\1\0\1\2Secret")),
    "an interval that is too long": before(SCAN, "jpeg", segment(0xDD, SECRET)),
    "two intervals": before(SCAN, "restarts", segment(0xDD, b"Se")),
    "a scan that another replaces": before(SCAN, "jpeg", segment(0xDA, b"\1\1\0\0\x3f\0") + SECRET),
    "a scan that is too long": before(SCAN, "jpeg", segment(0xDA, b"\1\1\0\0\x3f\0Secret")),
    "transparency behind pixels": before_chunk(b"IEND", "png", b"tRNS"),
    "transparency twice": before_chunk(b"IDAT", "transparent palette", b"tRNS"),
    "more transparency than colours": before_chunk(b"IDAT", "palette", b"tRNS", 50 * SECRET),
    "transparency that is too long": before_chunk(b"IDAT", "png", b"tRNS", SECRET + SECRET),
    "grey transparency that is too long": before_chunk(b"IDAT", "grey png", b"tRNS"),
    "transparency of what has it in its pixels": before_chunk(b"IDAT", "transparent png", b"tRNS"),
    "a palette of no use": before_chunk(b"IDAT", "png", b"PLTE"),
    "a palette behind pixels": before_chunk(b"IEND", "palette", b"PLTE"),
    "a palette twice": before_chunk(b"IDAT", "palette", b"PLTE"),
    "a header twice": before_chunk(b"IDAT", "png", b"IHDR", b"Secret header"),
}


@pytest.mark.parametrize("name", PLANTED)
def test_nothing_is_hidden_where_no_pixel_needs_it(name: str) -> None:
    format_, data = PLANTED[name]

    assert cleaned(format_, data) is None


@pytest.mark.parametrize("bytes_of_palette", [7, 3 * 17])
def test_a_palette_has_no_more_than_its_pixels_can_have(bytes_of_palette: int) -> None:
    header = b"\0\0\0\1\0\0\0\1\x04\3\0\0\0"
    parts = ((b"IHDR", header), (b"PLTE", bytes(bytes_of_palette)), (b"IDAT", zlib.compress(bytes(2))))
    data = b"\x89PNG\r\n\x1a\n" + b"".join(png_chunk(*part) for part in (*parts, (b"IEND", b"")))

    assert cleaned("png", data) is None


def test_checksums_are_written_anew() -> None:
    data = made("png")[1]
    at = data.index(b"IEND") - 8  # the checksum of the last pixels

    assert cleaned("png", data[:at] + SECRET[:4] + data[at + 4 :]) == cleaned("png", data)
