"""Clients without manners: they send bytes, where others send requests, and take their time."""

import asyncio
import json
from asyncio import StreamReader, StreamWriter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any

from fastapi import FastAPI

from packshot.daemon import ApiServer, listen
from packshot.settings import load_settings

GOOD = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"
ANSWER_SECONDS = 10  # for a test that would wait for ever
PROMPT_SECONDS = 1


@dataclass(frozen=True)
class Answer:
    """What came back: the head in lower case, and the body."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def problem(self) -> dict[str, Any]:
        """The problem that it describes."""
        assert self.headers["content-type"] == "application/problem+json"
        return dict(json.loads(self.body))


class Caller:
    """One connection, and what is said on it."""

    def __init__(self, reader: StreamReader, writer: StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @classmethod
    @asynccontextmanager
    async def calling(cls, port: int) -> AsyncIterator["Caller"]:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                yield cls(reader, writer)
        finally:
            writer.transport.abort()

    async def say(self, *pieces: bytes) -> None:
        """Send some bytes, as far as they are wanted."""
        for piece in pieces:
            self._writer.write(piece)
        with suppress(ConnectionError):
            await self._writer.drain()

    async def hear(self, pause: float = 0) -> Answer:
        """Read one answer, with a pause before its body."""
        status, headers = await self.hear_head()
        await asyncio.sleep(pause)
        return Answer(status, headers, await self._reader.readexactly(int(headers.get("content-length", 0))))

    async def hear_head(self) -> tuple[int, dict[str, str]]:
        """Read how an answer begins."""
        first, *lines = (await self._reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")[:-2]
        return int(first.split()[1]), dict(line.lower().split(": ", 1) for line in lines)

    async def hear_the_end(self) -> bytes:
        """Read until the other side says no more."""
        with suppress(ConnectionError):
            return await self._reader.read()
        return b""

    async def hung_up(self) -> None:
        """Wait until the other side does not listen either."""
        with suppress(ConnectionError):
            await self._writer.wait_closed()


async def ask(port: int, *pieces: bytes) -> Answer:
    """Say something and read the answer."""
    async with Caller.calling(port) as caller:
        await caller.say(*pieces)
        return await caller.hear()


async def served_promptly(port: int) -> bool:
    """Is another client served meanwhile?"""
    async with asyncio.timeout(PROMPT_SECONDS):
        return (await ask(port, GOOD)).status == 200


def request(line: str, *headers: str, body: bytes = b"") -> bytes:
    """A request with a Host, and with a Content-Length if it has a body."""
    length = [f"Content-Length: {len(body)}"] if body else []
    return "\r\n".join([f"{line} HTTP/1.1", "Host: localhost", *headers, *length, "", ""]).encode() + body


@asynccontextmanager
async def serving(api: FastAPI) -> AsyncIterator[int]:
    """Serve the API inside the test as `packshot api` does; yields the port."""
    socket = listen("127.0.0.1", 0)
    server = ApiServer(api, load_settings(shutdown_seconds=60))
    task = asyncio.create_task(server.serve([socket]))
    try:
        yield socket.getsockname()[1]
    finally:
        server.should_exit = True
        await task
