"""
A supplier's web server with every bad habit that we have met, for tests.

    async with Supplier() as supplier:
        supplier.files["/shoe.png"] = PICTURE
        await downloader.download(supplier.url("/shoe.png"), to)

It speaks HTTP by hand, over plain sockets. A path whose first part is in HABITS does what stands
there; every other path is looked up in `files`.
"""

import asyncio
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from ssl import SSLContext
from typing import Self

from tests.exchange import JPEG_BEGINS, PICTURE, Exchange, Request, png
from tests.habits import HABITS

__all__ = ["HABITS", "JPEG_BEGINS", "PICTURE", "Supplier", "png"]


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
                    await self._exchange(await self._read(reader), writer)
        finally:
            writer.close()

    async def _read(self, reader: asyncio.StreamReader) -> Request:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        request_line, *lines = head.split("\r\n")[:-2]
        headers = dict(line.split(": ", 1) for line in lines)
        body = await reader.readexactly(int(headers.get("Content-Length", 0)))
        return Request(request_line.split(" ")[1], headers, body)

    async def _exchange(self, request: Request, writer: asyncio.StreamWriter) -> None:
        self.requests.append(request)
        await asyncio.sleep(self.delays.get(request.path, 0))
        habit = HABITS.get(request.path.split("/")[1], self._serve)
        await habit(Exchange(request, writer, self.asked[request.path]))

    async def _serve(self, exchange: Exchange) -> None:
        path = exchange.request.path
        if path in self.files:
            kind = self.content_types.get(path, "image/png")
            await exchange.answer(200, self.files[path], content_type=kind)
        else:
            await exchange.answer(404)
