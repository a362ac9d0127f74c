"""
The body of an answer: counted, timed and unpacked while it streams.

    wire ─▶ patience ─▶ count ─▶ unpack ─▶ count ─▶ the next bytes
           (seconds)   (bytes)  (gzip …)  (bytes)

We ask for plain bytes. A server that compresses anyway is understood, one layer deep; what it sends
and what that unpacks to are both counted, for either may be much more than the other, and of the
latter only one chunk is ever in memory. Headers that announce something are believed only when that
makes us stop sooner.
"""

import asyncio
import math
import zlib
from functools import partial
from typing import Final

import aiohttp
from aiohttp.http_exceptions import ContentLengthError, HttpProcessingError, TransferEncodingError

from packshot.errors import (
    ImageError,
    SourceNotHttp,
    SourceTooLarge,
    SourceTooSlow,
    SourceTruncated,
)
from packshot.formats import HEAD_BYTES
from packshot.settings import Settings

CHUNK_BYTES: Final = 65_536
SPEED_WINDOW_SECONDS: Final = 5.0

_ENDED_EARLY: Final = (ContentLengthError, TransferEncodingError)
_ZLIB_OR_GZIP: Final = zlib.MAX_WBITS | 32  # tells them apart by their first bytes
_PLAIN: Final = frozenset(("", "identity"))
_PACKED: Final = frozenset(("gzip", "x-gzip", "deflate"))


def unpacker(host: str, encoding: str) -> "zlib._Decompress | None":
    """Return what undoes a Content-Encoding, or None if there is nothing to undo."""
    name = encoding.strip().lower()
    if name in _PLAIN:
        return None
    if name in _PACKED:
        return zlib.decompressobj(_ZLIB_OR_GZIP)
    raise SourceNotHttp(f"{host} packs the file as {encoding[:40]!r}, although we ask for it unpacked.")


class Body:
    """Reads the body of `response` in chunks: refused when it is too long, too slow or broken."""

    def __init__(self, response: aiohttp.ClientResponse, settings: Settings) -> None:
        self.bytes = 0
        self._wire_bytes = 0
        self._response = response
        self._host = response.url.host or ""
        packed = unpacker(self._host, ",".join(response.headers.getall("Content-Encoding", ())))
        self._next = partial(self._unpack, packed) if packed else self._receive
        _watch_the_end(response)
        self._max_bytes = settings.max_source_bytes
        # Patience is a bucket of seconds: full at first, emptied by the clock, filled by bytes.
        self._speed = settings.min_bytes_per_second
        self._patience = min(SPEED_WINDOW_SECONDS, settings.download_seconds / 4) if self._speed else math.inf
        self._clock = asyncio.get_running_loop().time
        self._deadline = self._clock() + self._patience

    async def read_head(self) -> bytes:
        """Return enough to recognise the format by: HEAD_BYTES or more, or all there is."""
        head = b""
        while len(head) < HEAD_BYTES and (chunk := await self.read()):
            head += chunk
        return head

    async def read(self) -> bytes:
        """Return the next bytes, at most CHUNK_BYTES; none at the end."""
        chunk = await self._next()
        self.bytes += len(chunk)
        self.expect(self.bytes)
        return chunk

    def expect(self, length: int) -> None:
        """Stop here if `length` bytes, come or announced, are too many."""
        if length > self._max_bytes:
            raise SourceTooLarge(f"The file has more than {self._max_bytes} bytes.")

    async def _receive(self) -> bytes:
        try:
            async with asyncio.timeout_at(self._deadline):
                wire = await self._response.content.read(CHUNK_BYTES)
        except TimeoutError as error:
            raise SourceTooSlow(f"{self._host} sends fewer than {self._speed} bytes per second.") from error
        except (aiohttp.ClientError, HttpProcessingError, OSError) as error:
            raise self._explain(error) from error
        self._wire_bytes += len(wire)
        self.expect(self._wire_bytes)
        seconds = len(wire) / self._speed if self._speed else 0
        self._deadline = min(self._clock() + self._patience, self._deadline + seconds)
        return wire

    async def _unpack(self, packed: "zlib._Decompress") -> bytes:
        """Return what comes out next; what follows the end of the packed data is not read."""
        while not packed.eof:
            if wire := packed.unconsumed_tail:
                await asyncio.sleep(0)  # a few bytes become megabytes, and others are waiting
            else:
                wire = await self._receive()
            try:
                chunk = packed.decompress(wire, CHUNK_BYTES)
            except zlib.error as error:
                raise SourceNotHttp(f"{self._host} sends a file whose compression is broken.") from error
            if chunk:
                return chunk
            if not wire:
                raise SourceTruncated(f"{self._host} broke off after {self.bytes} bytes.")
        return b""

    def _explain(self, error: Exception) -> ImageError:
        cause = error.__cause__ or error
        if isinstance(cause, HttpProcessingError) and not isinstance(cause, _ENDED_EARLY):
            return SourceNotHttp(f"{self._host} stops speaking proper HTTP after {self.bytes} bytes.")
        return SourceTruncated(f"{self._host} broke off after {self.bytes} bytes.")


def _watch_the_end(response: aiohttp.ClientResponse) -> None:
    """Wake up who reads a body that broke the rules: aiohttp closes the connection and does not tell them."""
    content, connection = response.content, response.connection
    if connection is None or connection.protocol is None or (closed := connection.protocol.closed) is None:
        return  # everything has arrived

    def tell(closed: asyncio.Future[None]) -> None:
        _ = closed.cancelled() or closed.exception()  # an exception that nobody looks at is logged
        if not content.is_eof() and content.exception() is None:
            content.set_exception(HttpProcessingError(message="broken"))

    def forget() -> None:
        closed.remove_done_callback(tell)

    closed.add_done_callback(tell)
    content.on_eof(forget)  # the connection may go on for a long time, and would keep this body in memory
