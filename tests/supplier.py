"""
A supplier's web server with every bad habit that we have met, for tests.

    async with Supplier() as supplier:
        supplier.files["/shoe.png"] = PICTURE
        await downloader.download(supplier.url("/shoe.png"), to)

It speaks HTTP by hand, over plain sockets: a proper server library would not let it lie about
lengths or stop in the middle of a chunk. A path whose first part is in HABITS does what stands
there; every other path is looked up in `files`.
"""

import asyncio
import gzip
import struct
import zlib
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from http import HTTPStatus
from ssl import SSLContext
from typing import Final, Self
from urllib.parse import parse_qs, urlsplit

DRIP_SECONDS: Final = 0.01
HANG_SECONDS: Final = 3600


def png(width: int = 1, height: int = 1) -> bytes:
    """A grey PNG that any decoder takes."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    rows = zlib.compress((b"\0" + b"\x80" * width) * height)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


PICTURE: Final = png()
JPEG_BEGINS: Final = b"\xff\xd8\xff\xe0" + b"\0" * 4096  # enough to pass for a JPEG at the door
BOMB: Final = gzip.compress(JPEG_BEGINS + b"\0" * 5_000_000)  # five megabytes in five kilobytes


@dataclass(frozen=True)
class Request:
    """What a client asked for; `target` is the path and query exactly as they came."""

    target: str
    headers: Mapping[str, str]

    @property
    def path(self) -> str:
        return urlsplit(self.target).path

    def word(self, name: str) -> str:
        """A value from the query, or nothing."""
        return parse_qs(urlsplit(self.target).query).get(name, [""])[0]


@dataclass(kw_only=True)
class Supplier:
    """Serves at `address`; `requests` and `connections` tell what came in.

    `delays` makes single paths wait, in seconds; `content_types` overrules image/png. A `port` of 0
    becomes a free one.
    """

    address: str = "127.0.0.1"
    port: int = 0
    tls: SSLContext | None = None
    files: dict[str, bytes] = field(default_factory=dict)
    content_types: dict[str, str] = field(default_factory=dict)
    delays: dict[str, float] = field(default_factory=dict)
    requests: list[Request] = field(default_factory=list)
    connections: int = 0

    async def __aenter__(self) -> Self:
        self._visits: set[asyncio.Task[None]] = set()
        self._server = await asyncio.start_server(self._visit, self.address, self.port, ssl=self.tls)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *error: object) -> None:
        self._server.close()
        for visit in self._visits:
            visit.cancel()
        await asyncio.gather(*self._visits, return_exceptions=True)

    def url(self, path: str, host: str = "") -> str:
        """The URL of `path` here; `host` is another name for this address."""
        return f"{'https' if self.tls else 'http'}://{host or self.address}:{self.port}{path}"

    @property
    def asked(self) -> Counter[str]:
        """How often each path was requested."""
        return Counter(request.path for request in self.requests)

    async def _visit(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        visit = asyncio.current_task()
        assert visit
        self._visits.add(visit)
        visit.add_done_callback(self._visits.discard)
        try:
            with suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
                while True:
                    await self._exchange(await reader.readuntil(b"\r\n\r\n"), writer)
        finally:
            writer.close()

    async def _exchange(self, head: bytes, writer: asyncio.StreamWriter) -> None:
        request_line, *lines = head.decode("latin-1").split("\r\n")[:-2]
        request = Request(request_line.split(" ")[1], dict(line.split(": ", 1) for line in lines))
        self.requests.append(request)
        await asyncio.sleep(self.delays.get(request.path, 0))
        habit = HABITS.get(request.path.split("/")[1], serves)
        await habit(Exchange(self, request, writer))


@dataclass(frozen=True)
class Exchange:
    """One request and the way back to who asked."""

    supplier: Supplier
    request: Request
    writer: asyncio.StreamWriter

    async def send(self, data: bytes) -> None:
        if self.writer.is_closing():  # uvloop's transports do not take this silently
            self.hang_up()
        self.writer.write(data)
        await self.writer.drain()

    async def answer(self, status: int = 200, body: bytes = b"", **headers: object) -> None:
        """Send a whole answer, or what `headers` make of it; a header that is None is left out."""
        phrase = HTTPStatus(status).phrase if status in set(HTTPStatus) else "Odd"
        headers = {"content_length": len(body), **headers}
        lines = [f"{name.replace('_', '-')}: {value}" for name, value in headers.items() if value is not None]
        head = "\r\n".join([f"HTTP/1.1 {status} {phrase}", *lines, "\r\n"])
        await self.send(head.encode() + body)

    def hang_up(self) -> None:
        raise ConnectionAbortedError


async def serves(exchange: Exchange) -> None:
    path, supplier = exchange.request.path, exchange.supplier
    if path in supplier.files:
        kind = supplier.content_types.get(path, "image/png")
        await exchange.answer(200, supplier.files[path], content_type=kind)
    else:
        await exchange.answer(404)


async def answers_as_told(exchange: Exchange) -> None:
    """/status/503?retry-after=7"""
    status = int(exchange.request.path.split("/")[2])
    await exchange.answer(status, retry_after=exchange.request.word("retry-after") or None)


async def fails_once(exchange: Exchange) -> None:
    """/flaky/... is an error at first, then a picture."""
    if exchange.supplier.asked[exchange.request.path] == 1:
        await exchange.answer(500)
    else:
        await exchange.answer(200, PICTURE)


async def redirects(exchange: Exchange) -> None:
    """/redirect?to=<URL>"""
    await exchange.answer(302, location=exchange.request.word("to") or None, set_cookie="tracked=1; Path=/")


async def redirects_n_times(exchange: Exchange) -> None:
    """/chain/3 needs three redirects to its picture."""
    left = int(exchange.request.path.split("/")[2])
    if left:
        await exchange.answer(301, location=f"/chain/{left - 1}")
    else:
        await exchange.answer(200, PICTURE)


async def redirects_to_a_signed_url(exchange: Exchange) -> None:
    if exchange.request.word("signature"):
        await exchange.answer(200, PICTURE)
    else:
        await exchange.answer(302, location=f"?signature={'a' * 4000}")


async def sends_in_circles(exchange: Exchange) -> None:
    await exchange.answer(307, location="/circle/a" if exchange.request.path == "/circle/b" else "/circle/b")


async def hangs(_: Exchange) -> None:
    await asyncio.sleep(HANG_SECONDS)


async def drips(exchange: Exchange) -> None:
    """An endless picture, a byte at a time."""
    await exchange.answer(200, JPEG_BEGINS, content_length=None)
    while True:
        await exchange.send(b"\0")
        await asyncio.sleep(DRIP_SECONDS)


async def stalls(exchange: Exchange) -> None:
    """Begins quickly and never goes on."""
    await exchange.answer(200, JPEG_BEGINS + b"\0" * 500_000, content_length=1_000_000)
    await hangs(exchange)


async def takes_its_time(exchange: Exchange) -> None:
    """A picture in pieces, the first of one byte: slow, but never as slow as a drip."""
    pieces = [JPEG_BEGINS[:1], JPEG_BEGINS[1:], *[b"\0" * 1000] * 10]
    await exchange.answer(200, content_length=len(b"".join(pieces)))
    for piece in pieces:
        await asyncio.sleep(5 * DRIP_SECONDS)
        await exchange.send(piece)


async def drips_headers(exchange: Exchange) -> None:
    await exchange.send(b"HTTP/1.1 200 OK\r\nX-Thinking: ")
    while True:
        await exchange.send(b"m")
        await asyncio.sleep(DRIP_SECONDS)


async def declares_too_much(exchange: Exchange) -> None:
    await exchange.answer(200, PICTURE, content_length=len(PICTURE) + 1)
    exchange.hang_up()


async def declares_too_little(exchange: Exchange) -> None:
    await exchange.answer(200, PICTURE + b"and more", content_length=len(PICTURE))
    exchange.hang_up()


async def declares_a_monster(exchange: Exchange) -> None:
    """Says that it will send ten gigabytes, begins, and waits."""
    await exchange.answer(200, JPEG_BEGINS, content_length=10_000_000_000)
    await hangs(exchange)


async def cuts_a_chunk(exchange: Exchange) -> None:
    chunk = b"%x\r\n" % 10_000 + JPEG_BEGINS  # fewer bytes than the chunk's own length
    await exchange.answer(200, chunk, content_length=None, transfer_encoding="chunked")
    exchange.hang_up()


async def never_ends(exchange: Exchange) -> None:
    await exchange.answer(200, JPEG_BEGINS, content_length=None)
    while True:
        await exchange.send(b"\0" * 65_536)


async def sends_a_bomb(exchange: Exchange) -> None:
    await exchange.answer(200, BOMB, content_encoding="gzip")


async def compresses(exchange: Exchange) -> None:
    await exchange.answer(200, gzip.compress(PICTURE), content_encoding="gzip")


async def says_nothing(exchange: Exchange) -> None:
    exchange.hang_up()


async def speaks_another_language(exchange: Exchange) -> None:
    await exchange.send(b"220 mail.example ESMTP ready\r\n")
    exchange.hang_up()


HABITS: Final[dict[str, Callable[[Exchange], Awaitable[None]]]] = {
    "status": answers_as_told,
    "flaky": fails_once,
    "redirect": redirects,
    "chain": redirects_n_times,
    "signed": redirects_to_a_signed_url,
    "circle": sends_in_circles,
    "hang": hangs,
    "drip": drips,
    "stall": stalls,
    "steady": takes_its_time,
    "slow-headers": drips_headers,
    "too-short": declares_too_much,
    "too-long": declares_too_little,
    "monster": declares_a_monster,
    "cut-chunk": cuts_a_chunk,
    "endless": never_ends,
    "bomb": sends_a_bomb,
    "gzip": compresses,
    "silent": says_nothing,
    "not-http": speaks_another_language,
}
