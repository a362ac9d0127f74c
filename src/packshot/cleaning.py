"""
A file without all that is not its picture.

A source that is smaller than what we would make of it is kept. But sources carry more than pixels: where
and with what they were taken, small copies of what was cut away, other pictures, colour profiles, things
hidden behind the end. So the file is put together anew from the parts without which it cannot be shown, each
of a kind that is named here; the few that only say how to read the pixels are written anew. What is built in
a way that we do not know is not kept. Whoever asks must see whether the result still shows the same: a
profile that mattered is gone, too.

AVIF is never kept: its boxes point at each other by their places in the file, and picking some would mean
writing all of them. Pure.

Sources: JPEG (ITU-T T.81) annex B, JFIF (ITU-T T.871) 10, Adobe's APP14 (TN5116) 18, PNG (W3C, third
edition) 5, WebP container (RFC 9649) 2.
"""

import re
import zlib
from collections.abc import Iterator
from typing import Final

JPEG_START: Final = b"\xff\xd8"
JPEG_END: Final = b"\xff\xd9"
# Baseline, extended and progressive frames; tables; the interval between restarts.
JPEG_PARTS: Final = (b"\xc0", b"\xc1", b"\xc2", b"\xc4", b"\xdb", b"\xdd")
JPEG_SCAN: Final = b"\xda"
JPEG_EXIF: Final = b"\xe1"
JPEG_IS_ABOUT: Final = range(0xE0, 0xF0)  # the picture, and is not it
JPEG_COMMENT: Final = 0xFE
JPEG_FRAME_BYTES: Final = 4  # its mark and its length
# JFIF and Adobe say how the colours are coded. Of JFIF no more than its name is needed; Adobe's first bytes.
JFIF: Final = b"JFIF\0"
JFIF_ANEW: Final = b"\xff\xe0\0\x10" + JFIF + b"\x01\x01\0\0\x01\0\x01\0\0"
JFIF_BYTES: Final = 14
ADOBE: Final = b"Adobe"
ADOBE_BYTES: Final = 12
# Between pixels, FF 00 is a pixel and FF D0 to FF D7 divide them.
JPEG_MARK: Final = re.compile(rb"\xff([^\x00\xff\xd0-\xd7])", re.DOTALL)

PNG_SIGNATURE: Final = b"\x89PNG\r\n\x1a\n"
PNG_PARTS: Final = (b"IHDR", b"PLTE", b"tRNS", b"IDAT")
PNG_END: Final = b"IEND"
PNG_END_ANEW: Final = b"\0\0\0\0IEND\xaeB`\x82"
PNG_FRAME_BYTES: Final = 12  # of a chunk: its length, its kind, its checksum
PNG_CHANNELS: Final = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}  # by type of colour
PNG_HEADER_BYTES: Final = 13

WEBP_HEADER: Final = b"WEBP"
WEBP_PICTURES: Final = (b"VP8 ", b"VP8L")
WEBP_EXTENDED: Final = b"VP8X"
WEBP_EXTENDED_BYTES: Final = 18
WEBP_HAS_ALPHA: Final = 0x10
WEBP_EXTENDED_ANEW: Final = b"VP8X\x0a\0\0\0\x10\0\0\0"  # up to its size
WEBP_TRANSPARENCY: Final = b"ALPH"
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
    whose = [part for kind, part in _segments(credit_of) if kind == JPEG_EXIF] if credit_of else []
    how, parts = [], []
    for kind, part in _segments(data):
        if kind in JPEG_PARTS or kind == JPEG_SCAN:
            parts.append(part)
        elif kind[0] in JPEG_IS_ABOUT:
            how.append(_how_to_read(part[JPEG_FRAME_BYTES:]))
        elif kind[0] != JPEG_COMMENT:
            raise ValueError(f"unknown mark {kind.hex()}")
    return b"".join([JPEG_START, *how, *whose, *parts, JPEG_END])


def _how_to_read(about: bytes) -> bytes:
    """Return what this says about the coding of colours, written anew; mostly nothing."""
    if about.startswith(JFIF) and len(about) >= JFIF_BYTES:
        return JFIF_ANEW
    if about.startswith(ADOBE) and len(about) >= ADOBE_BYTES:
        return b"\xff\xee\0\x0e" + about[:ADOBE_BYTES]
    return b""


def _segments(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield each mark with its segment, up to the first end; that of a scan includes its pixels."""
    at = len(JPEG_START)
    while mark := JPEG_MARK.match(data, at):
        if mark[0] == JPEG_END:
            return
        end = mark.end() + int.from_bytes(data[mark.end() : mark.end() + 2], "big")
        if mark[1] == JPEG_SCAN:
            after = JPEG_MARK.search(data, end)
            end = after.start() if after else len(data)
        yield mark[1], data[at:end]
        at = end
    raise ValueError(f"no mark at {at}")


def _png(data: bytes) -> bytes:
    chunks = [*_png_chunks(data)]
    pixels = b"".join(chunk[8:-4] for kind, chunk in chunks if kind == b"IDAT")
    if not _is_all_pixels(pixels, chunks[0][1][8:-4]):
        raise ValueError("more or less than pixels")
    parts = [chunk for kind, chunk in chunks if kind in PNG_PARTS]
    return b"".join([PNG_SIGNATURE, *parts, PNG_END_ANEW])


def _png_chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield each chunk with its kind, up to the end; there is at least one."""
    at, kind = len(PNG_SIGNATURE), b""
    while kind != PNG_END:
        kind = data[at + 4 : at + 8]
        end = at + PNG_FRAME_BYTES + int.from_bytes(data[at : at + 4], "big")
        if end > len(data):
            raise ValueError(f"no chunk at {at}")
        if kind[:1].isupper() and kind not in (*PNG_PARTS, PNG_END):
            raise ValueError(f"unknown critical chunk {kind!r}")
        yield kind, data[at:end]
        at = end


def _is_all_pixels(packed: bytes, header: bytes) -> bool:
    """Say whether there are as many bytes as rows have, and nothing behind; interlaced, it is more."""
    if len(header) != PNG_HEADER_BYTES or header[9] not in PNG_CHANNELS:
        return False
    width, height = (int.from_bytes(header[at : at + 4], "big") for at in (0, 4))
    bits = width * header[8] * PNG_CHANNELS[header[9]]
    wanted = height * (1 + (bits + 7) // 8)  # each row begins with its filter
    inflater = zlib.decompressobj()
    try:
        rows = len(inflater.decompress(packed, wanted + 1))
    except zlib.error:
        return False
    return rows == wanted and inflater.eof and not inflater.unused_data


def _webp(data: bytes) -> bytes:
    chunks = dict(_webp_chunks(data))
    pictures = [chunks[kind] for kind in WEBP_PICTURES if kind in chunks]
    if len(pictures) != 1:
        raise ValueError("not one picture")
    parts = [WEBP_HEADER, *pictures]
    extended, transparency = chunks.get(WEBP_EXTENDED, b""), chunks.get(WEBP_TRANSPARENCY)
    if transparency:
        if len(extended) != WEBP_EXTENDED_BYTES or not extended[RIFF_HEADER_BYTES] & WEBP_HAS_ALPHA:
            raise ValueError("a transparency that is not announced")
        how = WEBP_EXTENDED_ANEW + extended[len(WEBP_EXTENDED_ANEW) :]
        parts = [WEBP_HEADER, how, transparency, *pictures]
    body = b"".join(parts)
    return b"RIFF" + len(body).to_bytes(4, "little") + body


def _webp_chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield each chunk with its kind."""
    at = RIFF_HEADER_BYTES + len(WEBP_HEADER)
    end = int.from_bytes(data[4:8], "little") + RIFF_HEADER_BYTES
    while at + RIFF_HEADER_BYTES <= end:
        length = int.from_bytes(data[at + 4 : at + 8], "little")
        after = at + RIFF_HEADER_BYTES + length + length % 2
        if after > len(data):
            raise ValueError(f"no chunk at {at}")
        yield data[at : at + 4], data[at:after]
        at = after
