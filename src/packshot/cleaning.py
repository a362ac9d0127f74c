"""
A file without all that is not its picture.

A source that is smaller than what we would make of it is kept. But sources carry more than pixels: where
and with what they were taken, small copies of what was cut away, colour profiles, things hidden behind the
end. So the file is put together anew from the parts without which it cannot be shown, each of a kind that
is named here. What holds a part that changes how it looks and that we would have to drop, or is built in
a way that we do not know, is not kept. Pure.

Sources: JPEG (ITU-T T.81) annex B, PNG (W3C, third edition) 5.6, WebP container (RFC 9649) 2.7.
"""

import re
from collections.abc import Iterator
from typing import Final

JPEG_START: Final = b"\xff\xd8"
JPEG_END: Final = b"\xff\xd9"
# Baseline, extended and progressive frames; tables; the interval between restarts; Adobe's note, which says
# how the colours are coded.
JPEG_PARTS: Final = (b"\xc0", b"\xc1", b"\xc2", b"\xc4", b"\xdb", b"\xdd", b"\xee")
JPEG_SCAN: Final = b"\xda"
JPEG_EXIF: Final = b"\xe1"
ADOBE: Final = b"Adobe"
ADOBE_BYTES: Final = 14  # of the segment, its length included
# Between pixels, FF 00 is a pixel and FF D0 to FF D7 divide them.
JPEG_MARK: Final = re.compile(rb"\xff([^\x00\xff\xd0-\xd7])", re.DOTALL)

PNG_SIGNATURE: Final = b"\x89PNG\r\n\x1a\n"
PNG_PARTS: Final = (b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND", b"sRGB")
PNG_COLOURS: Final = (b"gAMA", b"cHRM", b"cICP", b"mDCV", b"acTL")  # they change what is shown
PNG_FRAME_BYTES: Final = 12

WEBP_HEADER: Final = b"WEBP"
WEBP_PICTURES: Final = (b"VP8 ", b"VP8L")
WEBP_TRANSPARENCY: Final = b"ALPH"
WEBP_HAS_ALPHA: Final = 0x10
RIFF_HEADER_BYTES: Final = 8


def cleaned(format_: str, data: bytes, credit_of: bytes = b"") -> bytes | None:
    """Return a whole file of this format with nothing but its pixels, or None if that cannot be told apart.

    `credit_of` is a JPEG of ours, whose EXIF tells whose picture it is: it is put in.
    """
    try:
        match format_:
            case "jpeg":
                return _jpeg(data, credit_of)
            case "png":
                return _png(data)
            case "webp":
                return _webp(data)
    except ValueError:
        pass
    return None


def _jpeg(data: bytes, credit_of: bytes) -> bytes:
    parts = [JPEG_START, *(part for kind, part in _segments(credit_of) if kind == JPEG_EXIF)]
    for kind, part in _segments(data):
        if kind in JPEG_PARTS:
            if kind == b"\xee" and not (part[4:9] == ADOBE and len(part) == ADOBE_BYTES + 2):
                continue
            parts.append(part)
        elif kind == JPEG_SCAN:
            parts.append(part)
        elif kind < b"\xe0" or b"\xef" < kind < b"\xfe":
            raise ValueError(f"unknown mark {kind.hex()}")
    return b"".join([*parts, JPEG_END])


def _segments(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield each mark with its segment, up to the end; that of a scan includes its pixels."""
    at = len(JPEG_START)
    while at < len(data):
        mark = JPEG_MARK.match(data, at)
        if not mark:
            raise ValueError(f"no mark at {at}")
        if mark[0] == JPEG_END:
            return
        end = mark.end() + int.from_bytes(data[mark.end() : mark.end() + 2], "big")
        if mark[1] == JPEG_SCAN:
            after = JPEG_MARK.search(data, end)
            end = after.start() if after else len(data)
        yield mark[1], data[at:end]
        at = end


def _png(data: bytes) -> bytes:
    parts, at, kind = [PNG_SIGNATURE], len(PNG_SIGNATURE), b""
    while kind != b"IEND":
        kind = data[at + 4 : at + 8]
        end = at + PNG_FRAME_BYTES + int.from_bytes(data[at : at + 4], "big")
        if end > len(data) or kind in PNG_COLOURS:
            raise ValueError(f"{kind!r} cannot be left out")
        if kind in PNG_PARTS:
            parts.append(data[at:end])
        elif kind[:1].isupper():
            raise ValueError(f"unknown critical chunk {kind!r}")
        at = end
    return b"".join(parts)


def _webp(data: bytes) -> bytes:
    chunks = dict(_chunks(data))
    kinds = [kind for kind in WEBP_PICTURES if kind in chunks]
    if len(kinds) != 1:
        raise ValueError("not one picture")
    body = chunks[kinds[0]]
    if WEBP_TRANSPARENCY in chunks:
        extended = bytearray(chunks[b"VP8X"])
        extended[RIFF_HEADER_BYTES] = WEBP_HAS_ALPHA
        body = bytes(extended) + chunks[WEBP_TRANSPARENCY] + body
    return b"RIFF" + (len(WEBP_HEADER) + len(body)).to_bytes(4, "little") + WEBP_HEADER + body


def _chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    at = RIFF_HEADER_BYTES + len(WEBP_HEADER)
    end = int.from_bytes(data[4:8], "little") + RIFF_HEADER_BYTES
    while at + RIFF_HEADER_BYTES <= end:
        length = int.from_bytes(data[at + 4 : at + 8], "little")
        after = at + RIFF_HEADER_BYTES + length + length % 2
        yield data[at : at + 4], data[at:after]
        at = after
