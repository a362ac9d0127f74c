"""An HTTP server that answers as it was told, one answer after the other, and keeps what it was asked."""

import asyncio
from asyncio import StreamReader, StreamWriter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

HANG_UP: Final = b""


class Clerk:
    """Keeps each request, head and body."""

    def __init__(self, *answers: bytes) -> None:
        self.asked: list[str] = []
        self.url = ""
        self._answers = list(answers)

    def keys(self) -> list[str]:
        """The Idempotency-Key of each request."""
        lines = [line for request in self.asked for line in request.lower().split("\r\n")]
        return [line.partition(": ")[2] for line in lines if line.startswith("idempotency-key")]

    async def serve(self, reader: StreamReader, writer: StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        length = head.lower().partition("content-length: ")[2].partition("\r\n")[0]
        body = await reader.readexactly(int(length or 0))
        self.asked.append(head + body.decode())
        writer.write(self._answers.pop(0))
        writer.close()


def answer(status: str, body: str, *headers: str) -> bytes:
    """An answer in full, after which the connection ends."""
    head = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", "Connection: close", *headers]
    return "\r\n".join([*head, "", body]).encode()


@asynccontextmanager
async def answering(*answers: bytes) -> AsyncIterator[Clerk]:
    """Answer with these, in this order; HANG_UP is none."""
    clerk = Clerk(*answers)
    async with await asyncio.start_server(clerk.serve, "127.0.0.1", 0) as server:
        clerk.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        yield clerk
