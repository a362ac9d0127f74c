"""
What do the console and its live events cost with 100,000 products and 500,000 images?

One process of `packshot api` serves the pages, asked one after the other; the clock runs until the whole page
is there. The first figure is the first page that a new process serves. The questions behind the pages are
timed by themselves, too. Then a hundred tabs listen to `GET /events`, first while nothing happens and then
while five products a second are edited: what the process and PostgreSQL together take of one core, more than
without tabs.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Final

import psutil

from benchmarks.catalogue import fill
from benchmarks.results import AtMost, Result
from benchmarks.system import HOST, System, running, scratch
from packshot.database import Database
from packshot.ledger import Ledger
from packshot.overview import Overview
from packshot.postgres import embedded_postgres
from packshot.products import Filters, Products
from packshot.settings import load_settings

ROUNDS: Final = 15
TABS: Final = 100
LISTEN_SECONDS: Final = 20
SETTLE_SECONDS: Final = 3  # PostgreSQL writes its own figures down that late
PAGES: Final = {
    "overview": "/",
    "grid": "/console/products",
    "grid by a name that is not there": "/console/products?product_name=xyzzy",
    "grid of what failed": "/console/products?state=failed",
    "failures": "/console/failures",
}
COMMITS: Final = "SELECT xact_commit AS n FROM pg_stat_database WHERE datname = current_database()"
EDIT: Final = "UPDATE products SET product_name = product_name WHERE product_id = $1"

Question = Callable[[], Awaitable[object]]


async def measure() -> list[Result]:
    """Return milliseconds per page and per question, and the share of a core that a hundred tabs take."""
    with scratch() as folder:
        async with embedded_postgres(folder / "data") as embedded, Database.open(embedded.dsn) as database:
            await fill(embedded.dsn)
            pages = await _pages(folder)
            questions = [await _time(name, ask) for name, ask in _questions(database).items()]
            async with running("api", folder) as system:
                return [*pages, *questions, *await _tabs(system, database)]


async def _pages(folder: Path) -> list[Result]:
    async with running("api", folder) as system:
        asks = {name: _page(system, path) for name, path in PAGES.items()}
        started = perf_counter()
        await asks["overview"]()
        first = 1000 * (perf_counter() - started)
        return [
            Result("page overview, the first of a process", first, "ms", AtMost(100), ""),
            *[await _time(f"page {name}", ask, AtMost(100)) for name, ask in asks.items()],
        ]


def _page(system: System, path: str) -> Question:
    async def ask() -> None:
        async with system.http.get(path, headers={"Accept": "text/html"}, raise_for_status=True) as response:
            await response.read()

    return ask


def _questions(database: Database) -> Mapping[str, Question]:
    overview = Overview(database, Ledger(database), load_settings())
    products = Products(database, max_attempts=5)
    return {
        "totals": overview.totals,
        "failures by code and host": overview.failures,
        "50 failed images of a group": lambda: overview.failed_images(
            "source_gone", "supplier-10.example", limit=50
        ),
        "25 products": lambda: products.page(Filters(), 25),
        "25 products by a name that is not there": lambda: products.page(Filters(product_name="xyzzy"), 25),
        "25 products that failed": lambda: products.page(Filters(state="failed"), 25),
        "25 products by error code": lambda: products.page(Filters(error_code="source_gone"), 25),
    }


async def _time(name: str, ask: Question, required: AtMost | None = None) -> Result:
    await ask()
    times = []
    for _ in range(ROUNDS):
        started = perf_counter()
        await ask()
        times.append(1000 * (perf_counter() - started))
    detail = f"{ROUNDS} rounds, {min(times):.1f} to {max(times):.1f} ms"
    return Result(name, median(times), "ms", required, detail)


async def _tabs(system: System, database: Database) -> list[Result]:
    await asyncio.sleep(SETTLE_SECONDS)
    alone = await _load(system, database)
    async with _listening(system.port):
        await asyncio.sleep(SETTLE_SECONDS)
        quiet = await _load(system, database)
        busy = await _load(system, database, edits_per_second=5)
    edits = await _load(system, database, edits_per_second=5)
    return [
        _share(f"{TABS} tabs, nothing happens", quiet, alone, AtMost(5)),
        _share(f"{TABS} tabs, five edits a second", busy, edits, None),
    ]


@asynccontextmanager
async def _listening(port: int) -> AsyncIterator[None]:
    async def read(reader: asyncio.StreamReader) -> None:
        while await reader.read(65_536):
            pass

    async with AsyncExitStack() as stack, asyncio.TaskGroup() as tasks:
        readers = []
        for _ in range(TABS):
            reader, writer = await asyncio.open_connection(HOST, port)
            stack.callback(writer.close)
            writer.write(b"GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n")
            readers.append(tasks.create_task(read(reader)))
        yield
        for task in readers:
            task.cancel()


async def _load(system: System, database: Database, edits_per_second: int = 0) -> tuple[float, float]:
    """Return the seconds of a processor that the API and PostgreSQL took per second, and their commits."""
    before = _seconds(system), await _commits(database)
    for _ in range(LISTEN_SECONDS):
        for product_id in range(1, edits_per_second + 1):
            await database.execute(EDIT, product_id)
        await asyncio.sleep(1)
    after = _seconds(system), await _commits(database)
    return (after[0] - before[0]) / LISTEN_SECONDS, (after[1] - before[1]) / LISTEN_SECONDS


def _seconds(system: System) -> float:
    note = (system.embedded.folder / "cluster" / "postmaster.pid").read_text()
    postgres = psutil.Process(int(note.splitlines()[0]))
    everybody = [psutil.Process(system.process.pid), postgres, *postgres.children()]
    times = [one.cpu_times() for one in everybody if one.is_running()]
    return float(sum(time.user + time.system for time in times))


async def _commits(database: Database) -> int:
    return int((await database.fetch(COMMITS))[0]["n"])


def _share(
    name: str, with_tabs: tuple[float, float], without: tuple[float, float], required: AtMost | None
) -> Result:
    share, commits = (max(0.0, ours - theirs) for ours, theirs in zip(with_tabs, without, strict=True))
    return Result(name, 100 * share, "% of a core", required, f"{commits:.1f} more transactions per second")
