"""
A supplier of a few small pictures, in other bytes for each URL, that takes its time.

Other bytes, because twins are made only once; the same pixels, because then the renditions must be those
of a run without faults. It is slow, because a worker shall have something in hand when it dies, and the
machine shall have little to do.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, suppress
from itertools import count
from pathlib import Path
from random import Random
from typing import Final

import pyvips
from benchmarks.supplier import numbered, pictures

HOST: Final = "127.0.0.1"
LONGEST_SIDE: Final = 600
SLOWEST_SECONDS: Final = 1.0


class Supplier:
    """Serves the pictures in turn: the number in a URL decides which one it is."""

    def __init__(self, pictures: Sequence[bytes], chance: Random) -> None:
        self.port = 0
        self.pictures = pictures
        self._chance = chance

    def urls(self) -> Iterator[str]:
        """Return URLs that all differ, without end."""
        return (f"http://{HOST}:{self.port}/{number}" for number in count())

    def picture_at(self, url: str) -> int:
        """Return which of the pictures a URL shows."""
        return int(url.rpartition("/")[2]) % len(self.pictures)

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one connection for as long as it asks."""
        with suppress(OSError, EOFError):
            while request := await reader.readuntil(b"\r\n\r\n"):
                await asyncio.sleep(self._chance.uniform(0, SLOWEST_SECONDS))
                writer.writelines(self._picture(request.split(b" ", 2)[1].decode()))
                await writer.drain()
        writer.close()

    def _picture(self, path: str) -> list[bytes | memoryview]:
        body = numbered(self.pictures[self.picture_at(path)], int(path.removeprefix("/")))
        length = sum(len(part) for part in body)
        return [b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % length, *body]


@asynccontextmanager
async def supplying(folder: Path, chance: Random) -> AsyncIterator[Supplier]:
    """Draw the pictures in `folder`, and serve them on a free port while the block runs."""
    large = await pictures(folder)
    supplier = Supplier(await asyncio.to_thread(lambda: [_small(file) for file in large]), chance)
    server = await asyncio.start_server(supplier.answer, HOST, 0)
    supplier.port = server.sockets[0].getsockname()[1]
    try:
        yield supplier
    finally:
        server.close()


def _small(file: Path) -> bytes:
    picture = pyvips.Image.thumbnail(str(file), LONGEST_SIDE)
    return bytes(picture.jpegsave_buffer(Q=85))
