"""
How soon does somebody look at a new picture, and do more workers make more of it?

The API, PostgreSQL, the broker and the worker are processes of their own; all are idle. A picture is
posted; the clock runs from the request to the claim, as PostgreSQL has noted it. The supplier holds the
picture back, so that the row stays as the claim has left it until we have read it.

Then images per second with 1, 2 and 4 worker processes. One alone keeps all cores of a machine busy, so
on one machine the figure says what more of them cost; on more machines they add up.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from statistics import median, quantiles
from typing import Final

from servers.kafka import Kafka
from servers.rabbitmq import RabbitMQ

from benchmarks.results import AtMost, Result
from benchmarks.supplier import HOST, pictures, supplying, tiny_picture
from benchmarks.system import System, running, scratch, working
from benchmarks.throughput import end_to_end
from packshot.database import Database

SERVERS: Final = {"RabbitMQ": RabbitMQ, "Kafka": Kafka}
PICTURES: Final = 60
PAUSE_SECONDS: Final = 0.3
POLL_SECONDS: Final = 0.002
WORKERS: Final = (1, 2, 4)
IMAGES: Final = 60

CLAIMED: Final = """
    SELECT extract(epoch FROM updated_at)::float8 AS at FROM images
     WHERE image_id = $1 AND state = 'processing'"""


async def measure() -> list[Result]:
    """Return the milliseconds from POST to claim with each broker, and images per second by workers."""
    results = []
    for name, server in SERVERS.items():
        with scratch() as folder:
            async with server.start(folder / "server") as started:
                results.append(await _dispatch(name, folder, started.url))
                if name == "RabbitMQ":
                    results += await _scaling(folder, started.url)
    return results


async def _dispatch(name: str, folder: Path, url: str) -> Result:
    async with (
        running("api", folder, broker_url=url) as system,
        Database.open(system.embedded.dsn, connections=1) as database,
        working(1, folder, database, broker_url=url),
        _holding() as (address, let_go),
    ):
        await asyncio.sleep(3)  # a consumer group takes its time to form
        seconds = []
        for number in range(PICTURES):
            seconds.append(await _seconds_to_claim(system, database, f"{address}/{number}.png"))
            let_go()
            await asyncio.sleep(PAUSE_SECONDS)
    tenths = [1000 * second for second in quantiles(seconds, n=10)]
    detail = f"{PICTURES} pictures, eight in ten {tenths[0]:.1f} to {tenths[-1]:.1f} ms"
    return Result(f"POST to processing with {name}", 1000 * median(seconds), "ms", AtMost(20), detail)


async def _seconds_to_claim(system: System, database: Database, url: str) -> float:
    started = time.time()  # the clock that the database has
    image = await system.post("/process-image", {"image_url": url})
    while not (row := await database.fetch_row(CLAIMED, image["id"])):  # noqa: ASYNC110 - a row sets no Event
        await asyncio.sleep(POLL_SECONDS)
    return float(row["at"]) - started


@asynccontextmanager
async def _holding() -> AsyncIterator[tuple[str, Callable[[], None]]]:
    """Serve a picture, but only when told to; yield the address, and what tells."""
    picture = tiny_picture()
    may_answer = asyncio.Event()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        await may_answer.wait()
        may_answer.clear()
        head = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % len(picture)
        writer.write(head + picture)
        writer.close()

    async with await asyncio.start_server(answer, HOST, 0) as server:
        yield f"http://{HOST}:{server.sockets[0].getsockname()[1]}", may_answer.set


async def _scaling(folder: Path, url: str) -> list[Result]:
    files = await pictures(folder)
    results = []
    async with (
        supplying([file.read_bytes() for file in files]) as supplier,
        running("api", folder, broker_url=url) as system,
        Database.open(system.embedded.dsn, connections=1) as database,
    ):
        for count in WORKERS:
            async with working(count, folder, database, broker_url=url):
                await end_to_end(system, database, supplier.urls(2 * len(files)))
                seconds = await end_to_end(system, database, supplier.urls(IMAGES))
            question = f"images per second, worker processes: {count}"
            results.append(Result(question, IMAGES / seconds, "images/s", None, f"{IMAGES} images"))
    return results
