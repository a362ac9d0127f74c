"""
A whole Packshot on one machine as if on many: two APIs, three workers, real servers, a supplier.

PostgreSQL stands behind a cable that can freeze. All of it is gone when the block ends.
"""

import asyncio
import sys
from collections.abc import AsyncIterator, Coroutine, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from time import time
from typing import Any, Final

import aiohttp
from benchmarks.system import HOST, environment, free_port, scratch
from servers.cable import Cable
from servers.kafka import Kafka
from servers.postgresql import PostgreSQL
from servers.rabbitmq import RabbitMQ

from chaos.books import Books, Incident
from chaos.load import Load
from chaos.members import API, WORKER, Member
from chaos.supplier import Supplier, supplying

APIS: Final = 2
WORKERS: Final = 3
LEASE_SECONDS: Final = 20
START_SECONDS: Final = 60
SETTINGS: Final = {
    "PACKSHOT_LEASE_SECONDS": str(LEASE_SECONDS),
    "PACKSHOT_WORKERS": "4",
    "PACKSHOT_RETRY_SECONDS": "1",
}
ROOT: Final = Path(__file__).parents[1]


@dataclass(frozen=True, slots=True)
class System:
    """What there is to break, and what is needed to see how it gets on."""

    postgresql: PostgreSQL
    cable: Cable
    broker: RabbitMQ | Kafka
    workers: Sequence[Member]
    supplier: Supplier
    store: Path
    books: Books
    load: Load
    chance: Random

    async def suffer(self, breaking: Coroutine[Any, Any, str]) -> Incident:
        """Break what everybody needs: all that is unfinished is concerned, and what comes right after.

        `breaking` breaks and mends, and returns a remark.
        """
        began, images = time(), await self.books.unfinished()
        async with asyncio.TaskGroup() as together:
            broken = together.create_task(breaking)
            probe = together.create_task(self.load.submit(1))
        return Incident(began, images | probe.result(), broken.result())


@asynccontextmanager
async def running(act: str, chance: Random, logs: Path | None) -> AsyncIterator[System]:
    """Run everything for the block; raise ServerMissing if a server is not on this machine."""
    async with (
        _servers(act) as (folder, postgresql, cable, broker),
        supplying(folder, chance) as supplier,
        aiohttp.ClientSession() as http,
    ):
        (logs or folder).mkdir(parents=True, exist_ok=True)
        books, hall = Books(postgresql.url), Hall(folder, logs or folder, cable.url, broker.url)
        await hall.migrate()
        await books.open()
        ports = [free_port() for _ in range(APIS)]
        apis = [hall.member(f"api-{number}", API, port) for number, port in enumerate(ports)]
        workers = [hall.member(f"worker-{number}", WORKER, 0) for number in range(WORKERS)]
        async with _kept_running((*apis, *workers)):
            await _all_there(http, ports)
            load = Load(http, ports, supplier.urls(), chance)
            yield System(postgresql, cable, broker, workers, supplier, folder / "store", books, load, chance)


def require_broker(act: str) -> None:
    """Raise ServerMissing if an act could not be played: better now than in half an hour."""
    with TemporaryDirectory() as folder:
        _broker_of(act)(Path(folder, "broker")).prepare()


def _broker_of(act: str) -> type[RabbitMQ | Kafka]:
    return RabbitMQ if act == "rabbitmq" else Kafka


@asynccontextmanager
async def _servers(act: str) -> AsyncIterator[tuple[Path, PostgreSQL, Cable, RabbitMQ | Kafka]]:
    async with AsyncExitStack() as stack:
        folder = stack.enter_context(scratch())
        postgresql = await stack.enter_async_context(PostgreSQL.start(folder / "postgresql"))
        cable = await stack.enter_async_context(Cable(postgresql.url))
        starting: AbstractAsyncContextManager[RabbitMQ | Kafka] = _broker_of(act).start(folder / "broker")
        yield folder, postgresql, cable, await stack.enter_async_context(starting)


@asynccontextmanager
async def _kept_running(members: Sequence[Member]) -> AsyncIterator[None]:
    async with asyncio.TaskGroup() as keepers:
        tasks = [keepers.create_task(member.keep_running()) for member in members]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()


@dataclass(frozen=True, slots=True)
class Hall:
    """Where the members stand: what all of them are told."""

    folder: Path
    logs: Path
    database_url: str
    broker_url: str

    def member(self, name: str, module: tuple[str, ...], port: int) -> Member:
        """Make a member with a data folder of its own."""
        return Member(module, self._environment(name, port), self.logs / f"{name}.log")

    async def migrate(self) -> None:
        """Make the tables, before anybody uses them."""
        child = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "packshot", "migrate", env=self._environment("migrate", 0), cwd=self.folder
        )
        assert await child.wait() == 0, "the tables could not be made"

    def _environment(self, name: str, port: int) -> Mapping[str, str]:
        told = environment(self.folder / name, port)
        return {
            **told,
            **SETTINGS,
            "PYTHONPATH": f"{told['PYTHONPATH']}:{ROOT}",
            "PACKSHOT_DATABASE_URL": self.database_url,
            "PACKSHOT_BROKER_URL": self.broker_url,
            "PACKSHOT_STORE_URL": (self.folder / "store").as_uri(),
        }


async def _all_there(http: aiohttp.ClientSession, ports: Sequence[int]) -> None:
    async with asyncio.timeout(START_SECONDS):
        for port in ports:
            while not await _is_ready(http, port):
                await asyncio.sleep(0.1)


async def _is_ready(http: aiohttp.ClientSession, port: int) -> bool:
    try:
        async with http.get(f"http://{HOST}:{port}/readyz") as answer:
            return answer.ok
    except aiohttp.ClientError:
        return False
