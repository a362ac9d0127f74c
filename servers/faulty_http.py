"""
A proxy in front of an HTTP server, which answers as a server in trouble does when it is told to.

It reads a request to its end before it misbehaves, and passes on what it does not answer itself, byte by
byte. It takes one request at a time of each connection. Trouble below HTTP is servers/cable.py's.
"""

import asyncio
from contextlib import suppress
from enum import Enum
from math import inf
from typing import Final, Self

HERE: Final = "127.0.0.1"
CHUNK_BYTES: Final = 65_536
LEAKED: Final = "LEAKEDKEY"  # S3 repeats the caller's key in its errors


def _answer(status: str, code: str) -> bytes:
    body = f"<Error><Code>{code}</Code><AWSAccessKeyId>{LEAKED}</AWSAccessKeyId></Error>"
    return f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode()


class Fault(Enum):
    """How to answer: some bytes, an end of the connection, or nothing."""

    ERROR = _answer("500 Internal Server Error", "InternalError")
    SLOW_DOWN = _answer("503 Service Unavailable", "SlowDown")
    FORBIDDEN = _answer("403 Forbidden", "AccessDenied")
    TORN = b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\nonly the begin"
    RESET = b""
    STALL = None


class FaultyHttp:
    """Passes requests on to a port of this machine, or fails them."""

    def __init__(self, server_port: int) -> None:
        self._server_port = server_port
        self._connections: set[asyncio.Task[None]] = set()
        self._fault: Fault | None = None
        self._left = 0.0
        self.port = 0
        self.requests = 0

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accept, HERE, 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *error: object) -> None:
        self._server.close()
        for connection in self._connections:
            connection.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)

    def fail(self, fault: Fault, times: float = inf) -> None:
        """Fail the next requests, that many."""
        self._fault, self._left = fault, times

    def recover(self) -> None:
        """Pass everything on again."""
        self._fault = None

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = asyncio.create_task(self._serve(reader, writer))
        self._connections.add(connection)
        connection.add_done_callback(self._connections.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        ends = [writer]
        try:
            with suppress(OSError, EOFError):  # one end went away
                server_reader, server_writer = await asyncio.open_connection(HERE, self._server_port)
                ends.append(server_writer)
                async with asyncio.TaskGroup() as directions:
                    back = directions.create_task(_carry(server_reader, writer))
                    await self._converse(reader, writer, server_writer)
                    back.cancel()
        finally:
            for end in ends:
                end.transport.abort()

    async def _converse(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, server: asyncio.StreamWriter
    ) -> None:
        with suppress(EOFError):
            while request := await _read_request(reader):
                self.requests += 1
                fault = self._next_fault()
                if fault is None:
                    server.write(request)
                elif fault is Fault.STALL:
                    await asyncio.Event().wait()
                else:
                    writer.write(fault.value)
                    await writer.drain()
                    if fault in (Fault.RESET, Fault.TORN):
                        return

    def _next_fault(self) -> Fault | None:
        if self._fault is None or self._left <= 0:
            return None
        self._left -= 1
        return self._fault


async def _read_request(reader: asyncio.StreamReader) -> bytes:
    head = await reader.readuntil(b"\r\n\r\n")
    headers = dict(line.lower().split(b":", 1) for line in head.split(b"\r\n")[1:] if b":" in line)
    return head + await reader.readexactly(int(headers.get(b"content-length", 0)))


async def _carry(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while data := await source.read(CHUNK_BYTES):
            target.write(data)
            await target.drain()
