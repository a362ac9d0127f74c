"""
Brings the schema up to date while everybody goes on working, the processes of the release before included.

The numbered files of `schema/` are applied in order, each in a transaction of its own, by one process at
a time. A change of a table waits for its lock only for a moment, because all others queue behind who waits:
it gives way and tries again. What a file may do so that the release before goes on with it stands in
CONTRIBUTING.md. There is no way back: a schema only grows.
"""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from importlib import resources
from typing import Any, Final, Protocol

from packshot.errors import ServiceUnavailable

SECONDS: Final = 3600  # an index on a large table takes its time, and others wait for it
LOCK: Final = 0x7061636B  # "pack": any number, the same in every process
LOCK_MILLISECONDS: Final = 400  # less than PostgreSQL takes to see a deadlock: we step back, not who works
LOCK_NOT_AVAILABLE: Final = "55P03"
PAUSE_SECONDS: Final = 1
TRIES: Final = 300

HISTORY: Final = """
    CREATE TABLE IF NOT EXISTS schema_migrations
        (version int PRIMARY KEY, name text NOT NULL, applied_at timestamptz NOT NULL DEFAULT now())"""


class Session(Protocol):
    """A connection inside a transaction."""

    async def fetch(self, sql: str, *arguments: object) -> Sequence[Any]:
        """Return all rows."""

    async def execute(self, sql: str, *arguments: object) -> None:
        """Run a statement for its effect."""


Transaction = Callable[[float], AbstractAsyncContextManager[Session]]


async def migrate(transaction: Transaction) -> list[str]:
    """Apply what is missing; return the names. Raises ServiceUnavailable if a table is never free."""
    applied = []
    for number in range(1, TRIES + 1):
        try:
            while name := await _apply_next(transaction):
                applied.append(name)
        except ServiceUnavailable as error:
            if number == TRIES or getattr(error.__cause__, "sqlstate", "") != LOCK_NOT_AVAILABLE:
                raise
            await asyncio.sleep(PAUSE_SECONDS)
        else:
            break
    return applied


async def _apply_next(transaction: Transaction) -> str | None:
    """Apply the first file that is missing; return its name."""
    async with transaction(SECONDS) as session:
        await session.execute("SET LOCAL statement_timeout = 0")
        await session.execute("SELECT pg_advisory_xact_lock($1)", LOCK)
        await session.execute(HISTORY)
        applied = {row["version"] for row in await session.fetch("SELECT version FROM schema_migrations")}
        for name, sql in migrations():
            if version(name) not in applied:
                await session.execute(f"SET LOCAL lock_timeout = {LOCK_MILLISECONDS}")
                await session.execute(sql)
                await session.execute(
                    "INSERT INTO schema_migrations (version, name) VALUES ($1, $2)", version(name), name
                )
                return name
    return None


def migrations() -> list[tuple[str, str]]:
    """Return (file name, SQL) of every migration, in order."""
    folder = resources.files("packshot") / "schema"
    return sorted((file.name, file.read_text()) for file in folder.iterdir() if file.name.endswith(".sql"))


def version(name: str) -> int:
    """Return the number at the start of a migration's file name."""
    return int(name.split("_", 1)[0])
