"""The schema comes up to date once, in order, and in nobody's way."""

import asyncio
from pathlib import Path
from typing import Final

import asyncpg
import pytest
from tests.rows import eventually, somebody_waits

from packshot import migrations as room
from packshot.database import Database
from packshot.errors import ServiceUnavailable
from packshot.migrations import LOCK, migrate, migrations, version

LATEST_RELEASE: Final = 3
DEPLOYMENT: Final = Path(__file__).parents[2] / "docs/deployment.md"
INDEXES: Final = """
    SELECT indexdef FROM pg_indexes JOIN pg_index ON indexrelid = indexname::regclass
     WHERE tablename IN ('images', 'products') AND indisvalid ORDER BY indexdef"""
FORGET_THE_SECOND = """
    ALTER TABLE workers DROP COLUMN counts;
    DELETE FROM schema_migrations WHERE version = 2"""


@pytest.fixture
async def behind(doomed: Database) -> Database:
    """A database that misses the change of a table, and is in use."""
    await doomed.execute(FORGET_THE_SECOND)
    return doomed


def test_migrations_are_numbered_from_one_without_a_gap() -> None:
    assert [version(name) for name, _ in migrations()] == list(range(1, len(migrations()) + 1))


async def test_processes_that_start_together_migrate_once(empty_url: str) -> None:
    async def start() -> None:
        async with Database.open(empty_url, connections=1):
            pass

    await asyncio.gather(*(start() for _ in range(5)))

    async with Database.open(empty_url, connections=1) as database:
        applied = await database.fetch("SELECT name FROM schema_migrations ORDER BY version")
    assert [row["name"] for row in applied] == [name for name, _ in migrations()]


async def test_a_migration_may_take_longer_than_a_query(database: Database, database_url: str) -> None:
    async def start() -> None:
        async with Database.open(database_url, seconds=0.5):
            pass

    async with database.transaction() as somebody_migrates:
        await somebody_migrates.execute("SELECT pg_advisory_xact_lock($1)", LOCK)
        starting = asyncio.create_task(start())
        await eventually(lambda: somebody_waits(database))
        await somebody_migrates.execute("SELECT pg_sleep(0.6)")
    await starting


async def test_what_is_applied_is_not_applied_again(database: Database) -> None:
    assert await migrate(database.transaction) == []


async def test_a_missing_migration_is_applied_and_named(doomed: Database) -> None:
    await doomed.execute("DROP SCHEMA public CASCADE")
    await doomed.execute("CREATE SCHEMA public")

    assert await migrate(doomed.transaction) == [name for name, _ in migrations()]


async def test_what_the_document_builds_beforehand_is_what_the_migrations_would_build(
    database: Database, empty_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = [name for name, _ in migrations()]
    released = migrations()[:LATEST_RELEASE]
    recipe = DEPLOYMENT.read_text().split("```sql\n")[1].split("```")[0]
    with monkeypatch.context() as patch:
        patch.setattr(room, "migrations", lambda: released)
        async with Database.open(empty_url):
            pass

    async with Database.open(empty_url, migrating=False) as old:
        for statement in recipe.rstrip().removesuffix(";").split(";\n"):
            await old.execute(statement)

        assert await old.fetch(INDEXES) == await database.fetch(INDEXES)
        assert await migrate(old.transaction) == names[LATEST_RELEASE:]


async def test_who_only_looks_migrates_nothing(behind: Database, empty_url: str) -> None:
    async with Database.open(empty_url, migrating=False):
        pass

    assert await behind.fetch("SELECT FROM schema_migrations WHERE version = 2") == []


async def test_a_migration_steps_aside_for_who_works_and_comes_back(
    behind: Database, empty_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(room, "LOCK_MILLISECONDS", 50)
    monkeypatch.setattr(room, "PAUSE_SECONDS", 0.05)
    somebody = await asyncpg.connect(empty_url)
    await somebody.execute("BEGIN; SELECT FROM workers")
    migrating = asyncio.create_task(migrate(behind.transaction))
    await eventually(lambda: somebody_waits(behind))

    await behind.fetch("SELECT FROM workers")  # behind the migration in the queue, which gives way

    assert not migrating.done()
    await somebody.close()
    assert await migrating == ["0002_worker_counts.sql"]


async def test_a_table_that_is_never_free_ends_the_migration_with_a_reason(
    behind: Database, empty_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(room, "LOCK_MILLISECONDS", 1)
    monkeypatch.setattr(room, "TRIES", 1)
    somebody = await asyncpg.connect(empty_url)
    await somebody.execute("BEGIN; SELECT FROM workers")

    with pytest.raises(ServiceUnavailable, match="lock timeout"):
        await migrate(behind.transaction)

    await somebody.close()
