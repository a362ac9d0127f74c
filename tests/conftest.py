"""What all tests share: a real PostgreSQL, empty for each test that asks for it, and the rooms."""

import os
import subprocess
from collections.abc import AsyncIterator, Iterator, Sequence
from pathlib import Path
from uuid import uuid4

import asyncpg
import pytest
import structlog
from tests.folders import open_folder
from tests.kitchen import PRESETS, MakePipeline, compress, download
from tests.reprocessing_room import TODAY, MakeReprocessing

from packshot.backlog import Backlog
from packshot.collector import Collector
from packshot.database import Database
from packshot.images import Images
from packshot.keys import Keys
from packshot.ledger import Ledger
from packshot.lifecycle import RetryPolicy
from packshot.making import Compress
from packshot.metrics import Metrics
from packshot.models import Preset
from packshot.outdated import OutdatedImages
from packshot.overview import Overview
from packshot.pipeline import Pipeline
from packshot.politeness import Download
from packshot.postgres import embedded_postgres
from packshot.products import Products
from packshot.pulse import Pulse
from packshot.reprocessing import Reprocessing
from packshot.settings import load_settings
from packshot.stores import Store, open_store
from packshot.users import Users
from packshot.workers import Desk, Workers

pytest_plugins = ["tests.real_servers"]

END_OTHER_SESSIONS = """
    SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity
     WHERE datname = current_database() AND pid <> pg_backend_pid()"""

TABLES = """
    users, products, images, renditions, workers,
    access_keys,
    idempotent_answers,
    changes, tallies, ready_minutes,
    webhooks, webhook_deliveries"""


@pytest.fixture(scope="session", autouse=True)
def no_settings_from_outside() -> None:
    """A developer's environment must not change what the tests see."""
    os.umask(0o022)
    for name in [name for name in os.environ if name.startswith("PACKSHOT_")]:
        del os.environ[name]


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def tmp_path() -> Iterator[Path]:
    """A folder of this test, open to the user as whom root's PostgreSQL runs; pytest's own is not."""
    with open_folder() as folder:
        yield folder


@pytest.fixture(scope="session")
def session_folder() -> Iterator[Path]:
    """A folder like that, of this test run."""
    with open_folder() as folder:
        yield folder


@pytest.fixture(scope="session")
async def made_once(session_folder: Path) -> Path:
    """A data folder whose server was used and stopped; to make one takes longer than to test it."""
    async with embedded_postgres(session_folder / "made_once"):
        return session_folder / "made_once"


@pytest.fixture
def data_dir(made_once: Path, tmp_path: Path) -> Path:
    """A data folder like that, for one test."""
    subprocess.run(["/bin/cp", "-a", made_once, tmp_path / "data"], check=True)  # noqa: S603 - the test's own words
    return tmp_path / "data"


@pytest.fixture(scope="session")
async def server(session_folder: Path) -> AsyncIterator[str]:
    """A PostgreSQL server of this test run; yields the URL of a database with our schema."""
    async with embedded_postgres(session_folder / "server") as embedded:
        async with Database.open(embedded.dsn) as database:
            await database.execute("ALTER SYSTEM SET fsync = off")  # no test is about a power cut
            await database.execute("SELECT pg_reload_conf()")
        yield embedded.dsn


@pytest.fixture
async def database_url(server: str) -> str:
    """The test run's database, emptied: a new one for each test would take ten times as long."""
    structlog.contextvars.clear_contextvars()  # all tests run in one task, and requests of others left theirs
    connection = await asyncpg.connect(server)
    await connection.execute(END_OTHER_SESSIONS)
    await connection.execute(f"TRUNCATE {TABLES} RESTART IDENTITY")
    await connection.execute(
        "UPDATE tallied SET seen = pg_current_snapshot(), counted_at = now() - interval '1 minute'"
    )
    await connection.close()
    return server


@pytest.fixture
async def admin(server: str) -> AsyncIterator[asyncpg.Connection]:
    """A connection beside the test's database, which it may break."""
    connection = await asyncpg.connect(server.replace("/packshot?", "/template1?"))
    yield connection
    await connection.execute("DROP DATABASE IF EXISTS doomed WITH (FORCE)")
    await connection.close()


@pytest.fixture
async def empty_url(server: str, admin: asyncpg.Connection) -> str:
    """A database without our schema."""
    await admin.execute("CREATE DATABASE doomed STRATEGY file_copy")
    return server.replace("/packshot?", "/doomed?")


@pytest.fixture
async def doomed(empty_url: str) -> AsyncIterator[Database]:
    """A database of its own for a test that breaks it."""
    async with Database.open(empty_url) as database:
        yield database


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    async with Database.open(database_url) as database:
        yield database


@pytest.fixture
def keys(database: Database) -> Keys:
    return Keys(database)


@pytest.fixture
def users(database: Database) -> Users:
    return Users(database)


@pytest.fixture
async def user_id(users: Users) -> int:
    return int((await users.add("Ada"))["id"])


@pytest.fixture
def products(database: Database) -> Products:
    return Products(database, max_attempts=5)


@pytest.fixture
def images(database: Database) -> Images:
    return Images(database, uuid4(), lease_seconds=60, max_attempts=5)


@pytest.fixture
def backlog(database: Database) -> Backlog:
    return Backlog(database)


@pytest.fixture
def ledger(database: Database) -> Ledger:
    return Ledger(database)


@pytest.fixture
def overview(database: Database, ledger: Ledger) -> Overview:
    return Overview(database, ledger, load_settings())


@pytest.fixture
def workers(database: Database) -> Workers:
    return Workers(database)


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    with Desk.open(tmp_path / "data", slots=4) as desk:
        yield desk


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return open_store((tmp_path / "store").as_uri())


@pytest.fixture
def collector(database: Database, store: Store) -> Collector:
    return Collector(database, store)


@pytest.fixture
def metrics(desk: Desk) -> Metrics:
    return Metrics(desk.counts)


@pytest.fixture
def make_pipeline(
    images: Images, desk: Desk, store: Store, collector: Collector, metrics: Metrics
) -> MakePipeline:
    usual_store = store

    def make(
        download: Download = download, compress: Compress = compress, store: Store | None = None
    ) -> Pipeline:
        return Pipeline(
            images=images,
            desk=desk,
            pulse=Pulse(),
            download=download,
            compress=compress,
            store=store or usual_store,
            collector=collector,
            presets=PRESETS,
            policy=RetryPolicy(base_seconds=10, max_seconds=1000),
            count=metrics.attempt,
        )

    return make


@pytest.fixture
def make_reprocessing(database: Database, desk: Desk, store: Store, collector: Collector) -> MakeReprocessing:
    usual_store, usual_desk = store, desk

    def make(  # noqa: PLR0913 - the rooms
        download: Download = download,
        compress: Compress = compress,
        *,
        presets: Sequence[Preset] = TODAY,
        today: Sequence[Preset] = TODAY,
        store: Store | None = None,
        desk: Desk | None = None,
        hands: int = 4,
        share: float = 1,
    ) -> Reprocessing:
        return Reprocessing(
            outdated=OutdatedImages(database),
            desk=desk or usual_desk,
            download=download,
            compress=compress,
            store=store or usual_store,
            collector=collector,
            presets=presets,
            today=today,
            hands=hands,
            share=share,
        )

    return make
