"""
Pictures, and a web server that never sends the same bytes twice.

Packshot makes twins only once, so a benchmark needs sources that differ. Decoding must cost the same
each time, so they differ in a comment only: each URL has a number, and the number is the comment.

The pictures are drawn by `packshot.sketch` (products, several megapixels), or stand in the folder that
PICTURES names.
"""

import asyncio
import itertools
import os
import struct
import sys
import zlib
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final, cast

JPEG: Final = b"\xff\xd8\xff"
PNG: Final = b"\x89PNG\r\n\x1a\n"
HOST: Final = "127.0.0.1"


async def pictures(scratch: Path) -> list[Path]:
    """Return the files to work on, drawing them first if nobody gave any."""
    folder = Path(os.environ["PICTURES"]) if "PICTURES" in os.environ else await drawn(scratch)
    files = sorted(file for file in folder.iterdir() if file.is_file() and _can_be_numbered(file))
    assert files, f"there are no JPEG or PNG files in {folder}"
    return files


async def drawn(scratch: Path) -> Path:
    """Draw the demo's pictures and return their folder."""
    folder = scratch / "pictures"
    folder.mkdir(exist_ok=True)
    child = await asyncio.create_subprocess_exec(sys.executable, "-m", "packshot.sketch", str(folder))
    assert await child.wait() == 0, "the pictures could not be drawn"
    return folder


class Supplier:
    """Serves some pictures over and over, each time with other bytes."""

    def __init__(self, pictures: Sequence[bytes]) -> None:
        self.port = 0
        self._pictures = pictures
        self._numbers = itertools.count()

    def urls(self, count: int) -> list[str]:
        """Return URLs that were never given out before; the pictures take turns, from the first one on."""
        self._numbers = itertools.count(-(-next(self._numbers) // len(self._pictures)) * len(self._pictures))
        return [f"http://{HOST}:{self.port}/{next(self._numbers)}" for _ in range(count)]

    def answer(self, path: str) -> list[bytes | memoryview]:
        """Return what is sent for a path, in parts, because copying megabytes takes its time."""
        number = int(path.removeprefix("/"))
        body = numbered(self._pictures[number % len(self._pictures)], number)
        length = sum(len(part) for part in body)
        return [b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % length, *body]


@asynccontextmanager
async def supplying(pictures: Sequence[bytes]) -> AsyncIterator[Supplier]:
    """Serve the pictures on a free port while the block runs."""
    supplier = Supplier(pictures)
    server = await asyncio.get_running_loop().create_server(lambda: _Visit(supplier), HOST, 0)
    supplier.port = server.sockets[0].getsockname()[1]
    try:
        yield supplier
    finally:
        server.close()


class _Visit(asyncio.Protocol):
    """One connection. As little as possible, because it runs on the cores that are measured."""

    def __init__(self, supplier: Supplier) -> None:
        self._supplier = supplier
        self._heard = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.WriteTransport", transport)

    def data_received(self, data: bytes) -> None:
        self._heard += data
        while b"\r\n\r\n" in self._heard:
            head, self._heard = self._heard.split(b"\r\n\r\n", 1)
            self._transport.writelines(self._supplier.answer(head.split(b" ", 2)[1].decode()))


def numbered(picture: bytes, number: int) -> list[bytes | memoryview]:
    """Return the same pixels in other bytes, in parts."""
    whole = memoryview(picture)
    text = b"number %d" % number
    if picture.startswith(JPEG):
        return [whole[:2], b"\xff\xfe" + struct.pack(">H", len(text) + 2) + text, whole[2:]]
    end = len(picture) - len(chunk(b"IEND", b""))
    return [whole[:end], chunk(b"tEXt", b"Comment\0" + text), whole[end:]]


def tiny_picture(side: int = 48) -> bytes:
    """Return a PNG that costs as little as any picture can."""
    header = struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0)
    rows = zlib.compress((b"\0" + bytes(range(side))) * side)
    return PNG + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


def chunk(kind: bytes, data: bytes) -> bytes:
    """Return one part of a PNG."""
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def _can_be_numbered(file: Path) -> bool:
    with file.open("rb") as opened:
        return opened.read(len(PNG)).startswith((JPEG, PNG))
