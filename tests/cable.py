"""The cable between Packshot and its database, which a test can pull."""

import asyncio
from typing import Final, Self
from urllib.parse import parse_qs, urlsplit, urlunsplit

HOST: Final = "127.0.0.1"


class Cable:
    """Carries every byte to the database at `database_url` and back, until it is pulled."""

    def __init__(self, database_url: str) -> None:
        self._parts = urlsplit(database_url)
        self._socket = f"{parse_qs(self._parts.query)['host'][0]}/.s.PGSQL.5432"
        self._ends: set[asyncio.StreamWriter] = set()
        self._carrying: set[asyncio.Task[None]] = set()
        self._port = 0

    async def __aenter__(self) -> Self:
        await self.plug_in()
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.pull()

    @property
    def url(self) -> str:
        """The database as it is seen through this cable."""
        address = f"{self._parts.username}@{HOST}:{self._port}"
        return urlunsplit((self._parts.scheme, address, self._parts.path, "sslmode=disable", ""))

    async def plug_in(self) -> None:
        """Take connections, at the same address as before."""
        self._server = await asyncio.start_server(self._connect, HOST, self._port)
        self._port = self._server.sockets[0].getsockname()[1]

    async def pull(self) -> None:
        """End every connection, and take no more."""
        self._server.close()
        for end in self._ends:
            end.transport.abort()
        await asyncio.gather(*self._carrying, return_exceptions=True)

    async def _connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        database_reader, database_writer = await asyncio.open_unix_connection(self._socket)
        self._ends |= {writer, database_writer}
        for source, target in ((reader, database_writer), (database_reader, writer)):
            task = asyncio.create_task(_carry(source, target))
            self._carrying.add(task)
            task.add_done_callback(self._carrying.discard)


async def _carry(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
    try:
        while data := await source.read(65_536):
            target.write(data)
            await target.drain()
    finally:
        target.close()
