"""
The heads of requests: how long they may be, and which of them mean something.

A head that two programs could read differently is refused, for the one before us may have let it pass for
something else. Where a request leads and what its headers ask for is the routes' affair.
"""

from dataclasses import dataclass
from typing import Final
from urllib.parse import unquote_to_bytes

MAX_URL_BYTES: Final = 8_000  # what everybody should be able to take (RFC 9110, 4.1)
MAX_HEAD_BYTES: Final = 32_000
MAX_HEADERS: Final = 100
MAX_BODY_BYTES: Final = 6_000_000  # the largest product fits, even with every character written as \uXXXX
LARGER_BODIES: Final = {b"/products/batch": 12_000_000}  # by path
VERSIONS: Final = ("1.0", "1.1")
CONTROLS: Final = frozenset([*range(0x20), 0x7F])

URL_TOO_LONG: Final = f"The URL has more than {MAX_URL_BYTES:,} bytes."
HEAD_TOO_LONG: Final = f"The head of the request has more than {MAX_HEAD_BYTES:,} bytes."


class Rejection(Exception):
    """What no route will answer: the status, and a sentence."""

    def __init__(self, status: int, detail: str) -> None:
        super().__init__(detail)
        self.status = status


@dataclass(frozen=True, slots=True)
class Head:
    """What a parser has read; the headers' names are in lower case."""

    method: bytes
    url: bytes
    version: str
    headers: list[tuple[bytes, bytes]]
    upgrades: bool

    @property
    def path(self) -> str:
        """Where it leads, as a route reads it."""
        return unquote_to_bytes(self.url.partition(b"?")[0]).decode(errors="replace")


def rejection(head: Head) -> Rejection | None:
    """Say why a request cannot be taken, or None if it can."""
    return _size(head) or _meaning(head) or _body(head)


def body_rejection(url: bytes, size: int) -> Rejection | None:
    """Say why a body of that many bytes cannot be taken there, or None if it can."""
    most = LARGER_BODIES.get(url.partition(b"?")[0], MAX_BODY_BYTES)
    return Rejection(413, f"The body has more than {most:,} bytes.") if size > most else None


def _size(head: Head) -> Rejection | None:
    if len(head.url) > MAX_URL_BYTES:
        return Rejection(414, URL_TOO_LONG)
    if sum(len(name) + len(value) for name, value in head.headers) > MAX_HEAD_BYTES:
        return Rejection(431, HEAD_TOO_LONG)
    if len(head.headers) > MAX_HEADERS:
        return Rejection(431, f"The request has more than {MAX_HEADERS} headers.")
    return None


def _meaning(head: Head) -> Rejection | None:
    if not head.url.isascii():
        return Rejection(400, "The URL has characters that are written as %XX.")
    if CONTROLS.intersection(unquote_to_bytes(head.url.partition(b"?")[0])):
        # To a route's pattern a line break may end a path; to who guards that path it is a part of it.
        return Rejection(400, "The path of the URL has control characters.")
    if head.version not in VERSIONS:
        return Rejection(400, "Packshot speaks HTTP/1.1 and HTTP/1.0.")
    if head.version == "1.1" and [name for name, _ in head.headers].count(b"host") != 1:
        return Rejection(400, "A request of HTTP/1.1 has one Host header.")
    return None


def _body(head: Head) -> Rejection | None:
    headers = dict(head.headers)
    codings = [value.lower() for name, value in head.headers if name == b"transfer-encoding"]
    length = headers.get(b"content-length")
    if codings and (head.version == "1.0" or codings != [b"chunked"]):
        return Rejection(400, "The only Transfer-Encoding is chunked, in HTTP/1.1.")
    if reason := body_rejection(head.url, int(length or 0)):
        return reason
    if head.upgrades and (codings or length):
        return Rejection(400, "A request with a body cannot ask for an Upgrade; leave that header out.")
    return None
