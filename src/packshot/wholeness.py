"""
Whether a file goes on to its own end.

Decoders stop at the last pixel they need: of a PNG they do not miss the end mark, of an animation not
the later frames. But a file that stops before its end was cut off somewhere on the way, and whoever
sees it as good today sees a half picture tomorrow. So each container is walked from block to block,
by the lengths it states, up to its end mark. What follows the mark is nobody's business.

JPEG states no lengths for its pixels; there the next mark is looked for. Its decoder does miss the
end mark, but not when it leaves out the last rows for a small rendition. Of a GIF's first frame the
pixels are counted; otherwise none is looked at. Pure.

Sources: JPEG (ITU-T T.81) annex B, PNG (W3C, third edition) 5.2 to 5.6, GIF89a (CompuServe) appendix B,
WebP container (RFC 9649) 2.3, ISO base media file format (ISO/IEC 14496-12) 4.2.
"""

import re
import struct
from collections.abc import Callable, Iterator, Mapping
from typing import Final

from packshot import lzw

# Between pixels, FF 00 is a pixel and FF D0 to FF D7 divide them; FF before a mark is padding.
JPEG_MARK: Final = re.compile(rb"\xff([^\x00\x01\xff\xd0-\xd8])", re.DOTALL)
JPEG_END: Final = b"\xd9"
JPEG_LENGTH_BYTES: Final = 2
MOST_BLOCKS: Final = 500_000  # a file of 25 MB has a fifth; one with more wants to keep us busy
PNG_SIGNATURE_BYTES: Final = 8
PNG_FRAME_BYTES: Final = 12  # of a chunk: its length, its type, its checksum
RIFF_HEADER_BYTES: Final = 8
WEBP_HEADER_BYTES: Final = 12
WEBP_PIXELS: Final = (b"VP8 ", b"VP8L", b"ANMF")
NEVER_SENT: Final = bytes(4096)  # a page of zeros: no coder ends so; an upload that was given up does
GIF_HEADER_BYTES: Final = 13
GIF_HAS_COLOURS: Final = 0x80
GIF_EXTENSION: Final = 0x21
GIF_IMAGE: Final = 0x2C
GIF_FRAME_BYTES: Final = 10  # its mark, its place, its size, its flags
GIF_END: Final = 0x3B
AVIF_BOXES: Final = frozenset((b"meta", b"mdat"))
BOX_BYTES: Final = 8
BOX_IS_LARGE: Final = 1
BOX_GOES_ON_TO_THE_END: Final = 0


def is_whole(format_: str, data: bytes) -> bool:
    """Say whether `data`, a file of this format, has everything up to its end mark.

    Formats without a rule here are taken to be whole. Takes 10 ms for 25 MB of JPEG, a second at most for a
    file that is nothing but blocks, and a second for each megabyte of a GIF's first frame.
    """
    rule = RULES.get(format_)
    return rule is None or rule(data)


def _jpeg(data: bytes) -> bool:
    at = 2
    for _ in range(MOST_BLOCKS):
        mark = JPEG_MARK.search(data, at)
        if not mark or mark[1] == JPEG_END:
            return bool(mark)
        length = int.from_bytes(data[mark.end() : mark.end() + JPEG_LENGTH_BYTES], "big")
        if length < JPEG_LENGTH_BYTES:
            return False
        at = mark.end() + length
    return False


def _png(data: bytes) -> bool:
    at = PNG_SIGNATURE_BYTES
    for _ in range(MOST_BLOCKS):
        length, kind = int.from_bytes(data[at : at + 4], "big"), data[at + 4 : at + 8]
        at += PNG_FRAME_BYTES + length
        if kind == b"IEND" or at > len(data):
            return at <= len(data)
    return False


def _webp(data: bytes) -> bool:
    end = int.from_bytes(data[4:8], "little") + RIFF_HEADER_BYTES
    at = WEBP_HEADER_BYTES
    for _ in range(MOST_BLOCKS):
        if not at + RIFF_HEADER_BYTES <= end <= len(data):
            return end <= len(data)
        kind, length = data[at : at + 4], int.from_bytes(data[at + 4 : at + 8], "little")
        at += RIFF_HEADER_BYTES + length
        if kind in WEBP_PIXELS and data[max(0, at - len(NEVER_SENT)) : at] == NEVER_SENT:
            return False
        at += length % 2
    return False


def _avif(data: bytes) -> bool:
    seen, at = set(), 0
    for _ in range(MOST_BLOCKS):
        length, kind = int.from_bytes(data[at : at + 4], "big"), data[at + 4 : at + 8]
        if length == BOX_IS_LARGE:
            length = int.from_bytes(data[at + 8 : at + 16], "big")
        elif length == BOX_GOES_ON_TO_THE_END:
            length = len(data) - at  # nothing, at the end
        if length < BOX_BYTES or at + length > len(data):
            break
        at += length
        seen.add(kind)
    return seen >= AVIF_BOXES or (at == len(data) and b"meta" in seen)  # which may hold the pixels itself


def _gif(data: bytes) -> bool:
    at = GIF_HEADER_BYTES + _gif_colours(data, GIF_HEADER_BYTES - 3)
    steps = iter(range(MOST_BLOCKS))
    frames = 0
    while at < len(data) and data[at] != GIF_END:
        if data[at] == GIF_IMAGE:
            codes = at + GIF_FRAME_BYTES + _gif_colours(data, at + GIF_FRAME_BYTES - 1)
            end = _gif_blocks(data, codes + 1, steps)
            if not frames and not _gif_is_filled(data, at, codes, end):  # of the others nobody has asked
                return False
            at, frames = end, frames + 1
        elif data[at] == GIF_EXTENSION:
            at = _gif_blocks(data, at + 2, steps)
        elif data[at] == 0 and next(steps, None) is not None:  # decoders step over it
            at += 1
        else:
            return False
    return at < len(data)


def _gif_is_filled(data: bytes, at: int, codes: int, end: int) -> bool:
    """Say whether the frame at `at`, whose code size is at `codes`, has all its pixels before `end`."""
    if end > len(data) or codes >= len(data):
        return False
    width, height = struct.unpack_from("<HH", data, at + 5)
    joined, place = bytearray(), codes + 1
    while place < end:
        joined += data[place + 1 : place + 1 + data[place]]
        place += 1 + data[place]
    pixels: int = width * height
    return 0 < pixels <= lzw.count(joined, data[codes], pixels)


def _gif_colours(data: bytes, at: int) -> int:
    """Return the bytes of the colour table that the flags at `at` announce."""
    flags = int.from_bytes(data[at : at + 1], "big")
    return 3 * 2 ** ((flags & 7) + 1) if flags & GIF_HAS_COLOURS else 0


def _gif_blocks(data: bytes, at: int, steps: Iterator[int]) -> int:
    """Return where the sub-blocks that begin at `at` end; each has its length in front, the last is empty."""
    for _ in steps:
        length = int.from_bytes(data[at : at + 1], "big")
        at += 1 + length
        if not length:
            return at
    return len(data) + 1


RULES: Final[Mapping[str, Callable[[bytes], bool]]] = {
    "jpeg": _jpeg,
    "png": _png,
    "webp": _webp,
    "avif": _avif,
    "gif": _gif,
}
