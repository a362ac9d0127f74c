"""
What a file is, by its first bytes. Names, headers and suffixes lie.

Recognising is not decoding: a file that begins like a JPEG may still be broken, and the decoder
will say so. What we do not take is recognised too, as far as it helps to tell the supplier what
their server really sent. Pure.
"""

import re
from collections.abc import Collection
from typing import Final

from packshot.errors import FormatUnsupported, NotAnImage

HEAD_BYTES: Final = 4096  # the longest way to a decision is an SVG's prolog
ACCEPTED: Final = ("jpeg", "png", "webp", "gif", "avif")
UNKNOWN: Final = "unknown"

PICTURES: Final = {
    "heic": "a HEIC picture",
    "tiff": "a TIFF picture",
    "svg": "an SVG drawing",
    "bmp": "a BMP picture",
    "ico": "an icon (ICO)",
    "jxl": "a JPEG XL picture",
    "jpeg2000": "a JPEG 2000 picture",
    "psd": "a Photoshop file (PSD)",
}
OTHERS: Final = {
    "html": "a web page (HTML)",
    "json": "data (JSON)",
    "xml": "data (XML)",
    "text": "a text",
    "pdf": "a PDF document",
    "mp4": "a video (MP4)",
    "webm": "a video (WebM)",
    "avi": "a video (AVI)",
    "zip": "an archive (ZIP)",
    "gzip": "an archive (gzip)",
}

_SIGNATURES: Final = (
    (b"jpeg", rb"\xff\xd8\xff"),
    (b"png", rb"\x89PNG\r\n\x1a\n"),
    (b"gif", rb"GIF8[79]a"),
    (b"webp", rb"RIFF....WEBP"),
    (b"avi", rb"RIFF....AVI "),
    (b"jxl", rb"\xff\x0a|\x00\x00\x00\x0cJXL \r\n\x87\n"),
    (b"jpeg2000", rb"\xff\x4f\xff\x51|\x00\x00\x00\x0cjP  \r\n\x87\n"),
    (b"tiff", rb"II[*+]\x00|MM\x00[*+]"),
    (b"psd", rb"8BPS"),
    (b"bmp", rb"BM.{4}\x00{4}"),
    (b"ico", rb"\x00\x00[\x01\x02]\x00[^\x00]\x00"),
    (b"pdf", rb"%PDF-"),
    (b"webm", rb"\x1a\x45\xdf\xa3"),
    (b"zip", rb"PK(?:\x03\x04|\x05\x06)"),
    (b"gzip", rb"\x1f\x8b"),
)
_SIGNATURE = re.compile(b"|".join(b"(?P<%s>%s)" % signature for signature in _SIGNATURES), re.DOTALL)
_AVIF_BRANDS: Final = frozenset((b"avif", b"avis"))
_HEIC_BRANDS: Final = frozenset((b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs"))
_GENERIC_PICTURE_BRANDS: Final = frozenset((b"mif1", b"mif2", b"msf1", b"miaf"))

_NOT_IN_TEXT = re.compile(rb"[\x00-\x08\x0e-\x1a\x1c-\x1f\x7f]")
_INVISIBLE_MARKUP = re.compile(rb"<!--.*?(?:-->|\Z)|<\?.*?(?:\?>|\Z)", re.DOTALL)
_FIRST_ELEMENT = re.compile(rb"<(?:!doctype\s+)?([a-z][a-z0-9:]*)")


def accepted_format(head: bytes, extra: Collection[str] = ()) -> str:
    """Return the format of the picture that begins with `head`, one of ACCEPTED or `extra`.

    `head` is the first HEAD_BYTES of the file, or all of it. Raises FormatUnsupported for another
    picture and NotAnImage for anything else; the sentence says what it is.
    """
    name = recognise(head)
    if name in ACCEPTED or name in extra:
        return name
    if name in PICTURES:
        raise FormatUnsupported(f"This is {PICTURES[name]}; send JPEG, PNG, WebP, GIF or AVIF.")
    if not head:
        raise NotAnImage("The server sent an empty file instead of a picture.")
    sent = OTHERS.get(name) or f"bytes that no picture begins with ({head[:8].hex(' ')})"
    raise NotAnImage(f"The server sent {sent} instead of a picture.")


def recognise(head: bytes) -> str:
    """Return the name of the format that begins with `head`, or UNKNOWN."""
    if signature := _SIGNATURE.match(head):
        return signature.lastgroup or UNKNOWN
    if head[4:8] == b"ftyp":
        return _by_brand(head)
    if head and not _NOT_IN_TEXT.search(head):
        return _by_words(head)
    return UNKNOWN


def _by_brand(head: bytes) -> str:
    """Tell the many children of the MP4 container apart.

    The first brand is what the writer calls the file. Some writers put a generic picture brand
    there (`mif1`); then the list of compatible brands knows the codec.
    """
    end = min(int.from_bytes(head[:4], "big"), len(head))
    major = head[8:12]
    brands = {major}
    if major in _GENERIC_PICTURE_BRANDS:
        brands = {head[at : at + 4] for at in range(16, end, 4)}
    if brands & _AVIF_BRANDS:
        return "avif"
    if brands & _HEIC_BRANDS or major in _GENERIC_PICTURE_BRANDS:
        return "heic"
    return "mp4"


def _by_words(head: bytes) -> str:
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    if text.startswith(b"<"):
        return _by_element(text)
    return "json" if text.startswith((b"{", b"[")) else "text"


def _by_element(markup: bytes) -> str:
    """Decide by the document's own element: a web page may well have an SVG inside."""
    element = _FIRST_ELEMENT.search(_INVISIBLE_MARKUP.sub(b"", markup))
    name = element[1] if element else b""
    if name.rpartition(b":")[2] == b"svg":
        return "svg"
    return "xml" if markup.startswith(b"<?xml") and name != b"html" else "html"
