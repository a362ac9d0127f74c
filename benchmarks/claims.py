"""
Does work get slower when much of it waits?

Two databases on one server, one with a thousand images due and one with a million. The sweeper publishes
and the consumer claims, as in `packshot work`, except that a claimed image is not processed: a thousand
hands would be faster than the pictures are. Both sides take turns; between two rounds what was claimed is
removed and as much is added at the end.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from time import perf_counter
from typing import Final

import asyncpg

from benchmarks.results import AtLeast, Result, ratio
from benchmarks.system import scratch
from packshot.backlog import Backlog
from packshot.brokers import open_broker
from packshot.consumer import Consumer
from packshot.database import Database
from packshot.images import Images
from packshot.lifeline import Lifeline
from packshot.models import Claim
from packshot.postgres import embedded_postgres
from packshot.settings import cores
from packshot.sweeper import Sweeper
from packshot.workers import Desk, Workers

FEW: Final = 1_000
MANY: Final = 1_000_000
CLAIMS: Final = 500
ROUNDS: Final = 15
SLOTS: Final = 4 * cores()

FILL: Final = """
    INSERT INTO images (source_url, max_attempts)
    SELECT 'https://shop.example/' || n || '.jpg', 5 FROM generate_series(1, $1::int) AS n"""
REMOVE_CLAIMED: Final = "DELETE FROM images WHERE published_at IS NOT NULL RETURNING 1"


async def measure() -> list[Result]:
    """Return claims per second, with a million images due divided by with a thousand."""
    with scratch() as folder:
        async with (
            embedded_postgres(folder / "data") as embedded,
            _backlog(embedded.dsn, "few", FEW) as few,
            _backlog(embedded.dsn, "many", MANY) as many,
        ):
            for database in (many, few):  # statements prepared, pages read
                await _claims_per_second(database, folder)
            rounds = [
                (await _claims_per_second(many, folder), await _claims_per_second(few, folder))
                for _ in range(ROUNDS)
            ]
    return [ratio("claims per second, 1,000,000 due ÷ 1,000 due", rounds, "claims", AtLeast(0.8))]


@asynccontextmanager
async def _backlog(dsn: str, name: str, count: int) -> AsyncIterator[Database]:
    admin = await asyncpg.connect(dsn)
    await admin.execute(f"CREATE DATABASE {name}")
    await admin.close()
    url = dsn.replace("/packshot?", f"/{name}?")
    async with Database.open(url) as database:
        connection = await asyncpg.connect(url)  # without the time limit that commands have
        await connection.execute(FILL, count)
        await connection.execute("VACUUM ANALYZE")
        await connection.close()
        yield database


async def _claims_per_second(database: Database, folder: Path) -> float:
    seconds = await _seconds_to_claim(CLAIMS, database, folder)
    claimed = await database.fetch(REMOVE_CLAIMED)
    await database.execute(FILL, len(claimed))
    return CLAIMS / seconds


async def _seconds_to_claim(count: int, database: Database, folder: Path) -> float:
    with Desk.open(folder, SLOTS) as desk:
        broker = open_broker("memory:", SLOTS, desk.count)
        images = Images(database, desk.worker.worker_id, lease_seconds=120, max_attempts=5)
        sweeper = Sweeper(Backlog(database), images, Workers(database), broker, broker, desk)
        hands = _Hands(count)
        consumer = Consumer([broker], images, desk, hands.take, sweeper.wake)
        await sweeper.rescue()
        started = perf_counter()
        async with asyncio.TaskGroup() as tasks:
            sweeping = tasks.create_task(sweeper.run(Lifeline(database.check, database.server)))
            tasks.create_task(consumer.run())
            await hands.full.wait()
            seconds = perf_counter() - started
            sweeping.cancel()
            await broker.close()
    return seconds


class _Hands:
    """Take claimed images and do nothing with them."""

    def __init__(self, count: int) -> None:
        self.full = asyncio.Event()
        self._missing = count

    async def take(self, _: Claim) -> None:
        """Count."""
        self._missing -= 1
        if self._missing == 0:
            self.full.set()
