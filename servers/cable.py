"""
The cable between a program and its server, which can be pulled, frozen, cut and slowed down.

A proxy in front of a TCP port or of PostgreSQL's unix socket, for tests that want trouble. It does
not know what the bytes mean, it starts no server, and it knows nothing of pytest.
"""

import asyncio
from contextlib import suppress
from typing import Final, Self
from urllib.parse import parse_qs, urlsplit

HERE: Final = "127.0.0.1"
CHUNK_BYTES: Final = 65_536


class Cable:
    """Carries every byte to the server at `url` and back.

    The server is the host and port of the URL, or PostgreSQL's socket in the folder `?host=`.
    """

    def __init__(self, url: str) -> None:
        self._parts = urlsplit(url)
        self._connections: set[asyncio.Task[None]] = set()
        self._flows = asyncio.Event()
        self._flows.set()
        self._delay_seconds = 0.0
        self.port = 0

    @classmethod
    def to(cls, host: str, port: int) -> Self:
        """Lay a cable to a server that has an address and no URL."""
        return cls(f"tcp://{host}:{port}")

    async def __aenter__(self) -> Self:
        await self.plug_in()
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.pull()

    @property
    def url(self) -> str:
        """The server as it is seen through this cable."""
        login, at, _ = self._parts.netloc.rpartition("@")
        query = "sslmode=disable" if self._socket else self._parts.query
        return self._parts._replace(netloc=f"{login}{at}{HERE}:{self.port}", query=query).geturl()

    async def plug_in(self) -> None:
        """Take connections, at the same port as before."""
        self._server = await asyncio.start_server(self._accept, HERE, self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def pull(self) -> None:
        """End every connection, and take no more."""
        self._server.close()
        await self.cut()

    async def cut(self) -> None:
        """End every connection there is; new ones are welcome."""
        connections = list(self._connections)
        for connection in connections:
            connection.cancel()
        await asyncio.gather(*connections, return_exceptions=True)

    def freeze(self) -> None:
        """Let no byte pass and no end be noticed, while connections stay open and new ones are taken."""
        self._flows.clear()

    def thaw(self) -> None:
        """Let pass what was held back, and all that follows."""
        self._flows.set()

    def slow(self, seconds: float) -> None:
        """Delay every chunk of bytes by that much."""
        self._delay_seconds = seconds

    @property
    def _socket(self) -> str:
        query = parse_qs(self._parts.query)
        return f"{query['host'][0]}/.s.PGSQL.{query.get('port', ['5432'])[0]}" if "host" in query else ""

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = asyncio.create_task(self._connect(reader, writer))
        self._connections.add(connection)
        connection.add_done_callback(self._connections.discard)

    async def _connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        ends = [writer]
        try:
            with suppress(OSError):  # a server that is not there ends the connection
                server_reader, server_writer = await self._reach()
                ends.append(server_writer)
                async with asyncio.TaskGroup() as directions:
                    directions.create_task(self._carry(reader, server_writer))
                    directions.create_task(self._carry(server_reader, writer))
        finally:
            for end in ends:
                end.transport.abort()

    async def _reach(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if self._socket:
            return await asyncio.open_unix_connection(self._socket)
        return await asyncio.open_connection(self._parts.hostname, self._parts.port)

    async def _carry(self, source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        with suppress(OSError):  # one end went away: the other shall see it go
            while data := await source.read(CHUNK_BYTES):
                await asyncio.sleep(self._delay_seconds)
                await self._flows.wait()
                target.write(data)
                await target.drain()
        await self._flows.wait()
        target.close()
