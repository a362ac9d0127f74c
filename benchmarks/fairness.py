"""
Do slow and hostile hosts keep good pictures waiting?

Good pictures are sent alone, and then the same number of them with as many sources that hang, drip or never
end between them: of all sources a fifth, a fifth and a tenth. The clock runs from the request to the commit
of the last good one. The bad sources are on many servers once, and all on one server once. Every round brings
bad servers that Packshot has not met before, so nothing that it has learned about others helps.
"""

import asyncio
import time
from asyncio import StreamReader, StreamWriter
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from itertools import chain, count
from typing import Final

from benchmarks.results import AtLeast, Result, ratio
from benchmarks.supplier import PNG, Supplier, pictures, supplying
from benchmarks.system import System, running, scratch
from packshot.database import Database
from packshot.products import MAX_IMAGES

ROUNDS: Final = 3
GOOD: Final = 50  # images per round, and as many bad ones
MANY: Final = 20  # servers
HABITS: Final = ("hang", "drip", "hang", "drip", "endless")
ADDRESSES: Final = count(2)  # of 127.0.0.x; the good ones are at 127.0.0.1
POLL_SECONDS: Final = 0.25
PAUSE_SECONDS: Final = 0.1
DRIP_BYTES: Final = 20
STREAM_BYTES: Final = 2_000  # ten times in a second: fast enough to be borne, too slow to be too much soon

# The good pictures are at 127.0.0.1, and no bad one is ever ready.
UNFINISHED: Final = """
    SELECT 1 FROM images WHERE product_id = ANY($1) AND source_url LIKE 'http://127.0.0.1:%'
       AND state <> 'ready' LIMIT 1"""
FINISHED_AT: Final = """
    SELECT extract(epoch FROM max(updated_at))::float8 AS at FROM images
     WHERE product_id = ANY($1) AND state = 'ready'"""


async def measure() -> list[Result]:
    """Return how much of their speed good images keep beside bad ones."""
    with scratch() as folder:
        files = await pictures(folder)
        async with (
            supplying([file.read_bytes() for file in files]) as supplier,
            running("serve", folder, allow_sources="127.0.0.0/8") as system,
            Database.open(system.embedded.dsn, connections=1) as database,
        ):
            await _images_per_second(system, database, supplier.urls(len(files)))
            rounds = [await _round(system, database, supplier) for _ in range(ROUNDS)]
    alone, many, one = zip(*rounds, strict=True)
    return [
        ratio(
            f"good images beside bad ones on {where} ÷ alone",
            list(zip(bad, alone, strict=True)),
            "images",
            AtLeast(0.70),
        )
        for where, bad in ((f"{MANY} servers", many), ("one server", one))
    ]


async def _round(system: System, database: Database, supplier: Supplier) -> tuple[float, ...]:
    alone = await _images_per_second(system, database, supplier.urls(GOOD))
    mixed = [await _beside_bad(system, database, supplier, servers) for servers in (MANY, 1)]
    return alone, *mixed


async def _beside_bad(system: System, database: Database, supplier: Supplier, servers: int) -> float:
    async with _misbehaving(servers) as addresses:
        bad = [
            f"{addresses[number % servers]}/{HABITS[number // servers % len(HABITS)]}/{number}"
            for number in range(GOOD)
        ]
        urls = chain.from_iterable(zip(supplier.urls(GOOD), bad, strict=True))
        speed = await _images_per_second(system, database, list(urls))
        await database.execute("DELETE FROM products")
    return speed


async def _images_per_second(system: System, database: Database, urls: Sequence[str]) -> float:
    """Submit the URLs in products; the good ones are counted."""
    started = time.time()  # the clock that the database has
    batches = [list(urls[start : start + MAX_IMAGES]) for start in range(0, len(urls), MAX_IMAGES)]
    products = [await system.submit(batch) for batch in batches]
    while await database.fetch_row(UNFINISHED, products):  # noqa: ASYNC110 - another process sets no Event
        await asyncio.sleep(POLL_SECONDS)
    finished = await database.fetch_row(FINISHED_AT, products)
    assert finished
    good = sum(url.startswith("http://127.0.0.1:") for url in urls)
    return good / (float(finished["at"]) - started)


@asynccontextmanager
async def _misbehaving(count: int) -> AsyncIterator[list[str]]:
    """Run that many servers for the block, each at an address of its own; what they hold is let go then."""
    visits: set[asyncio.Task[None]] = set()

    def welcome(reader: StreamReader, writer: StreamWriter) -> None:
        visits.add(asyncio.create_task(_visit(reader, writer)))

    async with AsyncExitStack() as stack:
        servers = []
        for _ in range(count):
            servers.append(await asyncio.start_server(welcome, f"127.0.0.{next(ADDRESSES)}", 0))
            stack.callback(servers[-1].close)
        yield ["http://{}:{}".format(*server.sockets[0].getsockname()) for server in servers]
    for visit in visits:
        visit.cancel()
    await asyncio.wait(visits)


async def _visit(reader: StreamReader, writer: StreamWriter) -> None:
    with suppress(ConnectionError, asyncio.IncompleteReadError):
        try:
            request = await reader.readuntil(b"\r\n\r\n")
            match request.split(b"/")[1]:
                case b"hang":
                    await reader.read()  # until they leave
                case b"drip":
                    await _send_for_ever(writer, DRIP_BYTES)
                case b"endless":
                    await _send_for_ever(writer, STREAM_BYTES)
        finally:
            writer.close()


async def _send_for_ever(writer: StreamWriter, size: int) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: image/png\r\n\r\n" + PNG)
    while not writer.is_closing():
        writer.write(bytes(size))
        await asyncio.sleep(PAUSE_SECONDS)
