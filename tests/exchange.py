"""
One request to the test supplier and the way back, by hand, and the smallest pictures to send.

A proper server library would not let a habit lie about lengths or stop in the middle of a chunk.
"""

import asyncio
import os
import socket
import struct
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final
from urllib.parse import parse_qs, urlsplit


def png(width: int = 1, height: int = 1) -> bytes:
    """A grey PNG that any decoder takes."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    rows = zlib.compress((b"\0" + b"\x80" * width) * height)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


PICTURE: Final = png()
JPEG_BEGINS: Final = b"\xff\xd8\xff\xe0" + b"\0" * 4096  # enough to pass for a JPEG at the door


@dataclass(frozen=True)
class Request:
    """What a client asked for; `target` is the path and query exactly as they came."""

    target: str
    headers: Mapping[str, str]
    body: bytes = b""

    @property
    def path(self) -> str:
        return urlsplit(self.target).path

    def word(self, name: str) -> str:
        """A value from the query, or nothing."""
        return parse_qs(urlsplit(self.target).query).get(name, [""])[0]


@dataclass(frozen=True)
class Exchange:
    """One request and the way back to who asked."""

    request: Request
    writer: asyncio.StreamWriter
    visits: int  # to this path, this one included

    @property
    def choice(self) -> str:
        """What stands behind the name of the habit."""
        return self.request.path.split("/")[2]

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

    def reset(self) -> None:
        """End with a RST instead of a FIN."""
        fd = os.dup(self.writer.get_extra_info("socket").fileno())
        with socket.socket(fileno=fd) as same:  # uvloop's own object takes no options
            same.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()
        self.hang_up()
