"""
A file without all that is not its picture.

A source that is smaller than what we would make of it is kept. But sources carry more than pixels: where
and with what they were taken, small copies of what was cut away, other pictures, colour profiles, things
hidden behind the end. So the file is put together anew from the parts without which it cannot be shown, each
of a kind, in a place and of a length that is named here; the few that only say how to read the pixels are
written anew. What is built in a way that we do not know is not kept.

Whoever asks must decode the result and take no warning: it tells of bytes between the last pixel and the end.
And they must see whether it still shows the same: a profile that mattered is gone, too. What nobody sees
inside coded pixels and tables stays: a colour of a palette that no pixel has, a code that none uses.

AVIF and WebP are never kept. AVIF's boxes point at each other by their places in the file, and picking some
would mean writing all of them; where WebP's pixels end, only who decodes them knows, and nobody tells. Pure.

Sources: JPEG (ITU-T T.81) annexes B and G, JFIF (ITU-T T.871) 10, Adobe's APP14 (TN5116) 18, PNG (W3C, third
edition) 5 and 11.
"""

import re
import zlib
from collections.abc import Iterator
from typing import Final, NamedTuple

JPEG_START: Final = b"\xff\xd8"
JPEG_END: Final = b"\xff\xd9"
JPEG_FRAMES: Final = (b"\xc0", b"\xc1", b"\xc2")  # baseline, extended, progressive
JPEG_PROGRESSIVE: Final = b"\xc2"
JPEG_CODES: Final = b"\xc4"
JPEG_SCAN: Final = b"\xda"
JPEG_STEPS: Final = b"\xdb"
JPEG_RESTARTS: Final = b"\xdd"
JPEG_EXIF: Final = b"\xe1"
JPEG_IS_ABOUT: Final = range(0xE0, 0xF0)  # the picture, and is not it
JPEG_COMMENT: Final = 0xFE
# One frame among tables, at most one interval between restarts, then scans with nothing but codes between.
JPEG_ORDER: Final = re.compile(
    rb"(?!.*\xdd.*\xdd)[\xc4\xdb\xdd]*[\xc0-\xc2][\xc4\xdb\xdd]*(?:\xda\xc4*)*\xda", re.DOTALL
)
JPEG_BODY: Final = 4  # behind its mark and its length
JPEG_STEPS_BYTES: Final = 65  # a name and 64 steps; of two bytes each they are rare, and not kept
JPEG_RESTARTS_BYTES: Final = 6
JPEG_ALL_AT_ONCE: Final = b"\0\x3f\0"  # each coefficient with all of its bits
JPEG_COMPLETE: Final = -1
# JFIF and Adobe say how the colours are coded: JFIF by its name alone, Adobe in a byte.
JFIF: Final = b"JFIF\0"
JFIF_ANEW: Final = b"\xff\xe0\0\x10" + JFIF + b"\x01\x01\0\0\x01\0\x01\0\0"
JFIF_BYTES: Final = 14
ADOBE: Final = b"Adobe"
ADOBE_ANEW: Final = b"\xff\xee\0\x0e" + ADOBE + b"\0\x64\0\0\0\0"  # up to that byte
ADOBE_BYTES: Final = 12
# Between pixels, FF 00 is a pixel and FF D0 to FF D7 divide them.
JPEG_MARK: Final = re.compile(rb"\xff([^\x00\xff\xd0-\xd7])", re.DOTALL)

PNG_SIGNATURE: Final = b"\x89PNG\r\n\x1a\n"
PNG_PARTS: Final = (b"IHDR", b"PLTE", b"tRNS", b"IDAT")  # in this order
PNG_END: Final = b"IEND"
PNG_FRAME_BYTES: Final = 12  # of a chunk: its length, its kind, its checksum
PNG_DEPTHS: Final = (1, 2, 4, 8)
PNG_CHANNELS: Final = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}  # by type of colour
PNG_HAS_PALETTE: Final = 3
PNG_SEE_THROUGH_BYTES: Final = {0: 2, 2: 6}  # the one grey or colour that is not shown
PNG_HEADER_BYTES: Final = 13
PNG_USUAL: Final = bytes(3)  # the ways to pack and to filter, and rows in their order


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
    except ValueError:
        pass
    return None


def _jpeg(data: bytes, credit_of: bytes) -> bytes:
    whose = [part for kind, part in _segments(credit_of) if kind == JPEG_EXIF] if credit_of else []
    how: dict[bytes, bytes] = {}
    parts = []
    for kind, part in _segments(data):
        if kind[0] in JPEG_IS_ABOUT:
            how |= _how_to_read(part[JPEG_BODY:])
        elif kind[0] != JPEG_COMMENT:
            parts.append((kind, part))
    if not JPEG_ORDER.fullmatch(b"".join(kind for kind, _ in parts)):
        raise ValueError("parts that are unknown, or in another order")
    _check_frame(parts)
    _check_scans(parts)
    return b"".join([JPEG_START, *how.values(), *whose, *(part for _, part in parts), JPEG_END])


def _how_to_read(about: bytes) -> dict[bytes, bytes]:
    """Return what this says about the coding of colours, by who says it, written anew; mostly nothing."""
    if about.startswith(JFIF) and len(about) >= JFIF_BYTES:
        return {JFIF: JFIF_ANEW}
    if about.startswith(ADOBE) and len(about) >= ADOBE_BYTES:
        return {ADOBE: ADOBE_ANEW + about[ADOBE_BYTES - 1 : ADOBE_BYTES]}
    return {}


def _segments(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield each mark with its segment, up to the first end; that of a scan includes its pixels."""
    at = len(JPEG_START)
    while mark := JPEG_MARK.match(data, at):
        if mark[0] == JPEG_END:
            return
        end = mark.end() + int.from_bytes(data[mark.end() : mark.end() + 2], "big")
        if not at + JPEG_BODY <= end <= len(data):
            raise ValueError(f"no segment at {at}")
        if mark[1] == JPEG_SCAN:
            after = JPEG_MARK.search(data, end)
            end = after.start() if after else len(data)
        yield mark[1], data[at:end]
        at = end
    raise ValueError(f"no mark at {at}")


def _check_frame(parts: list[tuple[bytes, bytes]]) -> None:
    """Refuse what is longer than it must be, and steps that no component has or that come twice."""
    frame = next(part for kind, part in parts if kind in JPEG_FRAMES)
    steps = [part[JPEG_BODY:] for kind, part in parts if kind == JPEG_STEPS]
    restarts = [part for kind, part in parts if kind == JPEG_RESTARTS]
    if len(frame) != 10 + 3 * sum(frame[9:10]):
        raise ValueError("a frame of another length")
    if any(len(part) != JPEG_RESTARTS_BYTES for part in restarts):
        raise ValueError("an interval of another length")
    if any(len(tables) % JPEG_STEPS_BYTES for tables in steps):
        raise ValueError("steps of another length")
    if sorted(b"".join(steps)[::JPEG_STEPS_BYTES]) != sorted({*frame[12::3]}):
        raise ValueError("steps that no component has")


def _check_scans(parts: list[tuple[bytes, bytes]]) -> None:
    """Refuse codes that no scan uses, and pixels that other pixels replace."""
    is_progressive = any(kind == JPEG_PROGRESSIVE for kind, _ in parts)
    unused: set[int] = set()
    last_bits: dict[tuple[int, int], int] = {}
    for kind, part in parts:
        if kind == JPEG_CODES:
            tables = [*_codes(part)]
            if len(unused.union(tables)) != len(unused) + len(tables):
                raise ValueError("codes that nothing used")
            unused.update(tables)
        elif kind == JPEG_SCAN:
            scan = _scan(part, is_progressive=is_progressive)
            unused -= scan.codes
            _count(scan, last_bits)
    if unused:
        raise ValueError("codes that nothing uses")


def _codes(part: bytes) -> Iterator[int]:
    """Yield the name of each table of codes: 0x10 and more for those of details."""
    at = JPEG_BODY
    while at < len(part):
        end = at + 17 + sum(part[at + 1 : at + 17])
        meanings = part[at + 17 : end]
        if end > len(part) or len({*meanings}) != len(meanings):
            raise ValueError("codes of another length, or two for the same")
        yield part[at]
        at = end


class Scan(NamedTuple):
    """Which bits of which coefficients follow, and the names of the codes that are used."""

    components: bytes
    coefficients: range
    bits_before: int
    last_bit: int
    codes: set[int]


def _scan(part: bytes, *, is_progressive: bool) -> Scan:
    header = part[JPEG_BODY : 2 + int.from_bytes(part[2:4], "big")]
    if not header or len(header) != 4 + 2 * header[0]:
        raise ValueError("a scan of another length")
    components, names, how = header[1:-3:2], header[2:-3:2], header[-3:]
    if not is_progressive and how != JPEG_ALL_AT_ONCE:
        raise ValueError("a part of the pixels where all are announced")
    first, last, bits_before, last_bit = how[0], how[1], how[2] >> 4, how[2] & 0x0F
    codes = {name >> 4 for name in names if first == 0 and bits_before == 0}
    codes |= {0x10 | name & 0x0F for name in names if last > 0}
    return Scan(components, range(first, last + 1), bits_before, last_bit, codes)


def _count(scan: Scan, last_bits: dict[tuple[int, int], int]) -> None:
    """Note what came, and refuse what came before: it would be there and not be seen."""
    for place in ((one, nth) for one in scan.components for nth in scan.coefficients):
        if last_bits.get(place, 0) != scan.bits_before:
            raise ValueError("pixels that replace others")
        last_bits[place] = scan.last_bit or JPEG_COMPLETE


def _png(data: bytes) -> bytes:
    parts = [(kind, body) for kind, body in _png_chunks(data) if kind in PNG_PARTS]
    kinds = [kind for kind, _ in parts]
    each = [kind for kind in PNG_PARTS if kind in kinds]
    if kinds != each + (len(kinds) - len(each)) * [b"IDAT"]:
        raise ValueError("parts that come twice, or in another order")
    bodies = dict(parts) | {b"IDAT": b"".join(body for kind, body in parts if kind == b"IDAT")}
    header = bodies.get(b"IHDR", b"")
    if not _is_plain(header) or not _is_all_pixels(bodies[b"IDAT"], header):
        raise ValueError("more or less than pixels")
    if not _are_needed(bodies.get(b"PLTE", b""), bodies.get(b"tRNS", b""), header):
        raise ValueError("more colours than pixels can have")
    return PNG_SIGNATURE + b"".join(
        _png_chunk(kind, body) for kind, body in (*bodies.items(), (PNG_END, b""))
    )


def _png_chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield what each chunk holds with its kind, up to the end."""
    at, kind = len(PNG_SIGNATURE), b""
    while kind != PNG_END:
        kind = data[at + 4 : at + 8]
        end = at + PNG_FRAME_BYTES + int.from_bytes(data[at : at + 4], "big")
        if end > len(data):
            raise ValueError(f"no chunk at {at}")
        if kind[:1].isupper() and kind not in (*PNG_PARTS, PNG_END):
            raise ValueError(f"unknown critical chunk {kind!r}")
        yield kind, data[at + 8 : end - 4]
        at = end


def _png_chunk(kind: bytes, body: bytes) -> bytes:
    return len(body).to_bytes(4, "big") + kind + body + zlib.crc32(kind + body).to_bytes(4, "big")


def _is_plain(header: bytes) -> bool:
    if len(header) != PNG_HEADER_BYTES:
        return False
    return header[8] in PNG_DEPTHS and header[9] in PNG_CHANNELS and header[10:] == PNG_USUAL


def _are_needed(palette: bytes, transparency: bytes, header: bytes) -> bool:
    """Say whether a pixel can have every colour of the palette, and each transparency is of a colour."""
    depth, type_ = header[8:10]
    colours, rest = divmod(len(palette), 3)
    if type_ == PNG_HAS_PALETTE:
        return colours <= 1 << depth and not rest and len(transparency) <= colours
    return not palette and len(transparency) in (0, PNG_SEE_THROUGH_BYTES.get(type_, 0))


def _is_all_pixels(packed: bytes, header: bytes) -> bool:
    """Say whether there are as many bytes as rows have, and nothing behind."""
    width, height = (int.from_bytes(header[at : at + 4], "big") for at in (0, 4))
    bits = width * header[8] * PNG_CHANNELS[header[9]]
    wanted = height * (1 + (bits + 7) // 8)  # each row begins with its filter
    inflater = zlib.decompressobj()
    try:
        rows = len(inflater.decompress(packed, wanted + 1))
    except zlib.error:
        return False
    return rows == wanted and inflater.eof and not inflater.unused_data
