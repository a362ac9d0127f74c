"""
Answers that are wrong in their bytes, and the code that each must end with.

After what it says, a server waits for the next request, unless the table has another end: a client that
waits too has to stop by itself.
"""

import gzip
import zlib
from dataclasses import dataclass
from typing import Final, Literal

from tests.exchange import JPEG_BEGINS, PICTURE

OK: Final = b"HTTP/1.1 200 OK\r\n"
CHUNKED: Final = OK + b"Transfer-Encoding: chunked\r\n\r\n"
MANY: Final = 5_000_000
VIDEO: Final = b"\0\0\0\x18ftypisom\0\0\2\0isomiso2" + b"\0" * 100_000
GZIP_BEGINS: Final = gzip.compress(b"")[:10]
EMPTY_BLOCK: Final = b"\0\0\0\xff\xff"  # deflate's way to say nothing, as often as one likes
PAGE: Final = b"<!DOCTYPE html><title>Please log in</title>"


@dataclass(frozen=True)
class BadAnswer:
    code: str
    says: bytes
    then: bytes = b""  # follows when the client has begun to read
    ends: Literal["waits", "closes", "resets", "goes on"] = "waits"


def body(content: bytes, *headers: str) -> bytes:
    """A whole answer with `content`, and headers that may not fit it."""
    lines = [f"Content-Length: {len(content)}", *headers]
    return OK + "\r\n".join([*lines, "\r\n"]).encode() + content


def chunk(content: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(content), content)


def status(line: str, *headers: str, content: bytes = b"") -> bytes:
    return "\r\n".join([f"HTTP/1.1 {line}", *headers, "\r\n"]).encode("latin-1") + content


def redirect(location: str) -> bytes:
    return status("302 Found", "Content-Length: 0", f"Location: {location}")


def bomb(window: int) -> bytes:
    """Megabytes in kilobytes."""
    packing = zlib.compressobj(9, zlib.DEFLATED, window)
    return packing.compress(JPEG_BEGINS + b"\0" * MANY) + packing.flush()


HEADS: Final = {
    "nothing": BadAnswer("source_unavailable", b"", ends="closes"),
    "nothing, rudely": BadAnswer("source_unavailable", b"", ends="resets"),
    "silence": BadAnswer("source_timeout", b""),
    "half a status line": BadAnswer("source_unavailable", b"HTTP/1.", ends="closes"),
    "a status line alone": BadAnswer("source_unavailable", OK, ends="closes"),
    "half the headers": BadAnswer("source_timeout", OK + b"X-Half: yes"),
    "another protocol": BadAnswer("source_not_http", b"220 mail.example ESMTP ready\r\n"),
    "HTTP/0.9": BadAnswer("source_not_http", PAGE, ends="closes"),
    "HTTP/2": BadAnswer("source_not_http", b"\0\0\x12\x04\0\0\0\0\0" + b"\0" * 18),
    "HTTP/2, as a client": BadAnswer("source_not_http", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
    "HTTP/3.7": BadAnswer("source_not_http", b"HTTP/3.7 200 OK\r\n\r\n"),
    "TLS": BadAnswer("source_not_http", b"\x16\x03\x03\x00\x7a\x02\x00\x00\x76\x03\x03" + b"\0" * 99),
    "a status of five digits": BadAnswer("source_not_http", b"HTTP/1.1 20000 OK\r\n\r\n"),
    "a status that is a word": BadAnswer("source_not_http", b"HTTP/1.1 yes\r\n\r\n"),
    "a reason without end": BadAnswer("source_not_http", b"HTTP/1.1 200 ", b"O" * 65_536, "goes on"),
    "a header without end": BadAnswer("source_not_http", OK + b"X: ", b"x" * 65_536, "goes on"),
    "a name without end": BadAnswer("source_not_http", OK, b"x" * 65_536, "goes on"),
    "headers without end": BadAnswer("source_not_http", OK, b"X: y\r\n" * 10_000, "goes on"),
    "a header of twenty kilobytes": BadAnswer("source_not_http", body(PICTURE, f"X: {'x' * 20_000}")),
    "two thousand headers": BadAnswer("source_not_http", body(PICTURE, *["X: y"] * 2000)),
    "folded headers without end": BadAnswer("source_not_http", OK + b"X: y", b"\r\n z" * 20_000, "goes on"),
    "a NUL in a header": BadAnswer("source_not_http", body(PICTURE, "X: a\0b")),
    "a header without a name": BadAnswer("source_not_http", body(PICTURE, ": y")),
    "a header that is no header": BadAnswer("source_not_http", body(PICTURE, "what is this")),
    "bytes in the name of a header": BadAnswer("source_not_http", OK + b"X-\xff: y\r\n\r\n"),
    "hints without end": BadAnswer(
        "source_not_http", b"", b"HTTP/1.1 103 Early Hints\r\n\r\n" * 2000, "goes on"
    ),
    "continue without end": BadAnswer(
        "source_not_http", b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 99, "goes on"
    ),
}
LENGTHS: Final = {
    "a length and chunks": BadAnswer(
        "source_not_http", OK + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n" + chunk(PICTURE)
    ),
    "two lengths": BadAnswer("source_not_http", body(PICTURE, "Content-Length: 7")),
    "a negative length": BadAnswer("source_not_http", OK + b"Content-Length: -5\r\n\r\n" + PICTURE),
    "a length in words": BadAnswer("source_not_http", OK + b"Content-Length: five\r\n\r\n" + PICTURE),
    "a length beyond all numbers": BadAnswer(
        "source_not_http", OK + b"Content-Length: %s\r\n\r\n" % (b"9" * 40) + PICTURE
    ),
    "a length beyond all disks": BadAnswer(
        "source_too_large", OK + b"Content-Length: 9000000000000000000\r\n\r\n" + JPEG_BEGINS
    ),
    "less than announced": BadAnswer(
        "source_truncated", OK + b"Content-Length: 9999\r\n\r\n" + JPEG_BEGINS, ends="closes"
    ),
    "less, rudely": BadAnswer(
        "source_truncated", OK + b"Content-Length: 9999\r\n\r\n", JPEG_BEGINS, ends="resets"
    ),
    "less, and then silence": BadAnswer(
        "source_too_slow", OK + b"Content-Length: 9999\r\n\r\n" + JPEG_BEGINS
    ),
    "a body without end": BadAnswer(
        "source_too_large", OK + b"\r\n" + JPEG_BEGINS, b"\0" * 65_536, "goes on"
    ),
    "nothing at all": BadAnswer("not_an_image", body(b"")),
    "one NUL": BadAnswer("not_an_image", body(b"\0")),
}
CHUNKS: Final = {
    "chunks without end": BadAnswer(
        "source_too_large", CHUNKED + chunk(JPEG_BEGINS), chunk(b"\0" * 9999), "goes on"
    ),
    "tiny chunks without end": BadAnswer(
        "source_too_large", CHUNKED + chunk(JPEG_BEGINS), chunk(b"\0" * 9) * 9999, "goes on"
    ),
    "a chunk that is cut": BadAnswer("source_truncated", CHUNKED + b"9999\r\n" + JPEG_BEGINS, ends="closes"),
    "no last chunk": BadAnswer("source_truncated", CHUNKED + chunk(JPEG_BEGINS), ends="closes"),
    "no first chunk": BadAnswer("source_too_slow", CHUNKED),
    "a size that is no number": BadAnswer("source_not_http", CHUNKED + chunk(JPEG_BEGINS), b"zz\r\n"),
    "a negative size": BadAnswer("source_not_http", CHUNKED + chunk(JPEG_BEGINS), b"-5\r\n"),
    "a size beyond all numbers": BadAnswer(
        "source_not_http", CHUNKED + chunk(JPEG_BEGINS), b"f" * 17 + b"\r\n"
    ),
    "a wrong size at once": BadAnswer("source_not_http", CHUNKED + b"zz\r\n"),
    "a wrong size, and then an end": BadAnswer(
        "source_not_http", CHUNKED + chunk(JPEG_BEGINS), b"zz\r\n", "closes"
    ),
    "an extension without end": BadAnswer("source_too_slow", CHUNKED + b"5;", b"x" * 65_536, "goes on"),
    "an extension, then silence": BadAnswer("source_too_slow", CHUNKED + b"5;", b"x" * 65_536),
    "trailers without end": BadAnswer(
        "source_not_http", CHUNKED + chunk(JPEG_BEGINS) + b"0\r\n", b"X: y\r\n" * 10_000, "goes on"
    ),
    "a trailer without end": BadAnswer(
        "source_not_http", CHUNKED + chunk(JPEG_BEGINS) + b"0\r\nX: ", b"x" * 65_536, "goes on"
    ),
}
PACKINGS: Final = {
    "a gzip bomb": BadAnswer("source_too_large", body(bomb(31), "Content-Encoding: gzip")),
    "a deflate bomb": BadAnswer("source_too_large", body(bomb(15), "Content-Encoding: deflate")),
    "a bomb in chunks": BadAnswer(
        "source_too_large",
        OK + b"Content-Encoding: x-gzip\r\nTransfer-Encoding: chunked\r\n\r\n" + chunk(bomb(31)),
    ),
    "gzip of empty blocks": BadAnswer(
        "source_too_large",
        OK + b"Content-Encoding: gzip\r\n\r\n" + GZIP_BEGINS,
        EMPTY_BLOCK * 13_000,
        "goes on",
    ),
    "a bomb in a bomb": BadAnswer("not_an_image", body(gzip.compress(bomb(31)), "Content-Encoding: gzip")),
    "packed twice": BadAnswer(
        "source_not_http", body(gzip.compress(gzip.compress(PICTURE)), "Content-Encoding: gzip, gzip")
    ),
    "packed twice, in two headers": BadAnswer(
        "source_not_http", body(PICTURE, "Content-Encoding: gzip", "Content-Encoding: gzip")
    ),
    "brotli": BadAnswer("source_not_http", body(b"\x0b\x02\x80abc\x03", "Content-Encoding: br")),
    "zstd": BadAnswer("source_not_http", body(b"\x28\xb5\x2f\xfd" + b"\0" * 99, "Content-Encoding: zstd")),
    "a packing nobody knows": BadAnswer("source_not_http", body(PICTURE, f"Content-Encoding: {'ä' * 99}")),
    "gzip that is not": BadAnswer("source_not_http", body(PICTURE, "Content-Encoding: gzip")),
    "gzip that breaks": BadAnswer(
        "source_not_http",
        body(gzip.compress(JPEG_BEGINS)[:20] + b"\xff" * 9999, "Content-Encoding: gzip"),
    ),
    "gzip with a wrong sum": BadAnswer(
        "source_not_http", body(gzip.compress(PICTURE)[:-8] + b"\0" * 8, "Content-Encoding: gzip")
    ),
    "gzip that is cut off": BadAnswer(
        "source_truncated", body(gzip.compress(PICTURE)[:-9], "Content-Encoding: gzip")
    ),
    "gzip of nothing": BadAnswer("source_truncated", body(b"", "Content-Encoding: gzip")),
}
STATUSES: Final = {
    "a part that nobody asked for": BadAnswer(
        "source_rejected", status("206 Partial Content", "Content-Range: bytes 0-9/99", content=PICTURE)
    ),
    "a wrong range": BadAnswer(
        "source_rejected", status("206 Partial Content", "Content-Range: bytes 9-1/0", content=PICTURE)
    ),
    "a range that cannot be": BadAnswer("source_rejected", status("416 Range Not Satisfiable")),
    "not modified": BadAnswer("source_rejected", status("304 Not Modified", "ETag: x")),
    "no content": BadAnswer("not_an_image", status("204 No Content")),
    "no content, with content": BadAnswer("source_not_http", status("204 No Content", content=PICTURE)),
    "reset content, with content": BadAnswer("source_rejected", status("205 Reset Content", content=PICTURE)),
    "an upgrade": BadAnswer(
        "source_rejected",
        status("101 Switching Protocols", "Upgrade: websocket", "Connection: upgrade"),
        b"\0" * 65_536,
        "goes on",
    ),
    "a status below all": BadAnswer("source_rejected", status("099 What", content=PICTURE)),
    "a status beyond all": BadAnswer("source_rejected", status("999 What", content=PICTURE)),
    "come back in a century": BadAnswer(
        "source_throttled", status("429 Too Many Requests", "Retry-After: 3153600000", "Content-Length: 0")
    ),
    "come back at no time": BadAnswer(
        "source_unavailable", status("503 Service Unavailable", f"Retry-After: {'9' * 5000}")
    ),
    "an error that never ends": BadAnswer("source_gone", status("404 Not Found"), b"\0" * 65_536, "goes on"),
    "a video": BadAnswer("not_an_image", body(VIDEO, "Content-Type: image/jpeg")),
    "a page called a picture": BadAnswer("not_an_image", body(PAGE, "Content-Type: image/jpeg")),
}
REDIRECTS: Final = {
    "a redirect to itself": BadAnswer("too_many_redirects", redirect("?")),
    "a redirect to nowhere": BadAnswer("source_rejected", status("302 Found", "Content-Length: 0")),
    "a redirect to nothing": BadAnswer("source_rejected", redirect("")),
    "a redirect that never ends": BadAnswer(
        "url_invalid", status("302 Found", "Location: ftp://cdn.example/"), b"\0" * 65_536, "goes on"
    ),
    "a redirect to what is no URL": BadAnswer("url_invalid", redirect("http://[::1")),
    "a redirect to a word of its own": BadAnswer("url_invalid", redirect("http://a..b/")),
    "a redirect to bytes": BadAnswer("url_invalid", redirect("http://\xff\xfe/")),
    "a redirect of seven kilobytes": BadAnswer("source_gone", redirect("/" + "x" * 7000)),
    "a redirect of megabytes": BadAnswer("source_not_http", redirect("/" + "x" * MANY)),
    "a redirect to a file": BadAnswer("url_invalid", redirect("file:///etc/passwd")),
    "a redirect to FTP": BadAnswer("url_invalid", redirect("ftp://cdn.example/shoe.jpg")),
    "a redirect to data": BadAnswer("url_invalid", redirect("data:image/png;base64,AAAA")),
    "a redirect with a password": BadAnswer("url_invalid", redirect("http://ada:secret@cdn.example/")),
    "a redirect to SSH": BadAnswer("url_invalid", redirect("http://8.8.8.8:22/")),
    "a redirect to the cloud": BadAnswer("address_forbidden", redirect("http://169.254.169.254/latest/")),
    "a redirect to an internal name": BadAnswer(
        "address_forbidden", redirect("http://metadata.google.internal/")
    ),
}
BAD_ANSWERS: Final = {**HEADS, **LENGTHS, **CHUNKS, **PACKINGS, **STATUSES, **REDIRECTS}
