"""What all tests share: a real PostgreSQL with a fresh database for each test that asks for one."""

import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import asyncpg
import pytest

from packshot.database import Database
from packshot.postgres import embedded_postgres


@pytest.fixture(scope="session", autouse=True)
def no_settings_from_outside() -> None:
    """A developer's environment must not change what the tests see."""
    for name in [name for name in os.environ if name.startswith("PACKSHOT_")]:
        del os.environ[name]


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="session")
async def server(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[str]:
    """A PostgreSQL server of this test run; yields the URL of a database with our schema."""
    async with embedded_postgres(tmp_path_factory.mktemp("server")) as embedded:
        async with Database.open(embedded.dsn):
            pass
        yield embedded.dsn


@pytest.fixture
async def database_url(server: str, request: pytest.FixtureRequest) -> AsyncIterator[str]:
    """A fresh copy of the migrated database."""
    admin = await asyncpg.connect(server.replace("/packshot?", "/template1?"))
    await admin.execute("DROP DATABASE IF EXISTS test WITH (FORCE)")
    await admin.execute("CREATE DATABASE test TEMPLATE packshot")
    yield server.replace("/packshot?", "/test?")
    await admin.close()


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    async with Database.open(database_url) as database:
        yield database
