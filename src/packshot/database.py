"""
The door to PostgreSQL: the pool, transactions, migrations, and what its errors mean.

The queries live beside what they are about (`users`, `products`, `images`, `workers`), as plain
SQL. There is no ORM and no second dialect: the embedded default is PostgreSQL too.
"""

from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from importlib import resources
from typing import Any, Final, Self

import asyncpg
import orjson

from packshot.errors import ConfigError, ServiceUnavailable

Row = Mapping[str, Any]

COMMAND_SECONDS: Final = 10  # asyncpg would wait for ever on a half-open socket
MIGRATION_LOCK: Final = 0x7061636B  # "pack": any number, the same in every process

# Class 08 connection, 25006 read-only (a standby), 28 and 3D access and database were fine at the
# start, 40 deadlock and the like, 53 out of something, 55P03 lock not available, 57 shutdown or
# cancelled, 58 the system. PostgreSQL manual, appendix A.
UNAVAILABLE_STATES: Final = ("08", "25006", "28", "3D", "40", "53", "55P03", "57", "58")

WRONG_ADDRESS: Final = (
    ValueError,
    asyncpg.InvalidAuthorizationSpecificationError,
    asyncpg.InvalidCatalogNameError,
    asyncpg.InsufficientPrivilegeError,  # to make our tables
    asyncpg.DuplicateTableError,  # somebody else's database
)


class ConstraintViolated(Exception):
    """A write was refused by the constraint called `name`; who does not expect it has a bug."""

    def __init__(self, name: str, message: str) -> None:
        """Keep the constraint's name beside PostgreSQL's words."""
        super().__init__(message)
        self.name = name


class Connection:
    """One connection, usually inside a transaction; speaks our errors."""

    def __init__(self, connection: "asyncpg.pool.PoolConnectionProxy") -> None:
        self._connection = connection

    async def fetch(self, sql: str, *arguments: object) -> Sequence[Row]:
        """Return all rows."""
        with translated():
            rows: Sequence[Row] = await self._connection.fetch(sql, *arguments)
        return rows

    async def fetch_row(self, sql: str, *arguments: object) -> Row | None:
        """Return the first row, if there is one."""
        with translated():
            row: Row | None = await self._connection.fetchrow(sql, *arguments)
        return row

    async def execute(self, sql: str, *arguments: object) -> None:
        """Run a statement for its effect."""
        with translated():
            await self._connection.execute(sql, *arguments)


class Database:
    """A pool of connections. Every method raises ServiceUnavailable while PostgreSQL is away."""

    def __init__(self, pool: "asyncpg.Pool") -> None:
        self._pool = pool

    @classmethod
    @asynccontextmanager
    async def open(cls, url: str, *, connections: int = 10) -> AsyncIterator[Self]:
        """Connect to `postgresql://…` and bring the schema up to date; raise ConfigError for a wrong URL."""
        with translated(), _blaming_the_settings():
            pool = await asyncpg.create_pool(
                url,
                min_size=1,
                max_size=connections,
                timeout=COMMAND_SECONDS,
                command_timeout=COMMAND_SECONDS,
                init=_set_codecs,
                reset=_keep_as_it_is,
                server_settings={"application_name": "packshot"},
            )
        try:
            database = cls(pool)
            with _blaming_the_settings():
                await database.migrate()
            yield database
        finally:
            pool.terminate()

    async def fetch(self, sql: str, *arguments: object) -> Sequence[Row]:
        """Return all rows."""
        with translated():
            rows: Sequence[Row] = await self._pool.fetch(sql, *arguments)
        return rows

    async def fetch_row(self, sql: str, *arguments: object) -> Row | None:
        """Return the first row, if there is one."""
        with translated():
            row: Row | None = await self._pool.fetchrow(sql, *arguments)
        return row

    async def execute(self, sql: str, *arguments: object) -> None:
        """Run a statement for its effect."""
        with translated():
            await self._pool.execute(sql, *arguments)

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Connection]:
        """Commit when the block ends, roll back when it raises."""
        with translated():
            async with self._pool.acquire() as connection, connection.transaction():
                yield Connection(connection)

    @asynccontextmanager
    async def locked(self, name: str) -> AsyncIterator[Connection]:
        """Hold the advisory lock of `name` alone, across the commits of this block."""
        with translated():
            async with self._pool.acquire() as connection:
                try:
                    await connection.execute("SELECT pg_advisory_lock(hashtextextended($1, 0))", name)
                    yield Connection(connection)
                    await connection.execute("SELECT pg_advisory_unlock_all()")
                except BaseException:  # also when cancelled, while we cannot know whether we have the lock
                    connection.terminate()  # the end of the session frees it
                    raise

    async def check(self) -> None:
        """Prove that we can write: a standby or a full disk still answers reads."""
        await self.execute("UPDATE schema_migrations SET applied_at = applied_at WHERE version = 1")

    async def migrate(self) -> list[str]:
        """Apply the numbered files of `schema/` that are missing; return their names."""
        async with self.transaction() as connection:
            await connection.execute("SELECT pg_advisory_xact_lock($1)", MIGRATION_LOCK)
            await connection.execute(
                "CREATE TABLE IF NOT EXISTS schema_migrations (version int PRIMARY KEY,"
                " name text NOT NULL, applied_at timestamptz NOT NULL DEFAULT now())"
            )
            applied = {
                row["version"] for row in await connection.fetch("SELECT version FROM schema_migrations")
            }
            missing = [(name, sql) for name, sql in migrations() if version(name) not in applied]
            for name, sql in missing:
                await connection.execute(sql)
                await connection.execute(
                    "INSERT INTO schema_migrations (version, name) VALUES ($1, $2)", version(name), name
                )
        return [name for name, _ in missing]


def migrations() -> list[tuple[str, str]]:
    """Return (file name, SQL) of every migration, in order."""
    folder = resources.files("packshot") / "schema"
    return sorted((file.name, file.read_text()) for file in folder.iterdir() if file.name.endswith(".sql"))


def version(name: str) -> int:
    """Return the number at the start of a migration's file name."""
    return int(name.split("_", 1)[0])


@contextmanager
def translated() -> Iterator[None]:
    """Turn what asyncpg and the socket raise into our errors; a bug in our SQL stays what it is."""
    try:
        yield
    except asyncpg.IntegrityConstraintViolationError as error:
        raise ConstraintViolated(error.constraint_name or "", str(error)) from error
    except asyncpg.PostgresError as error:
        if not str(error.sqlstate or "").startswith(UNAVAILABLE_STATES):
            raise
        raise ServiceUnavailable(f"The database does not answer: {error}") from error
    except (asyncpg.InterfaceError, asyncpg.InternalClientError, OSError, TimeoutError) as error:
        raise ServiceUnavailable(f"The database does not answer: {str(error) or 'time is up'}") from error


@contextmanager
def _blaming_the_settings() -> Iterator[None]:
    try:
        yield
    except WRONG_ADDRESS as error:
        raise ConfigError(
            f"PACKSHOT_DATABASE_URL does not lead to a database that can be used: {error}"
        ) from error


async def _set_codecs(connection: "asyncpg.Connection") -> None:
    for name in ("json", "jsonb"):
        await connection.set_type_codec(
            name,
            schema="pg_catalog",
            encoder=lambda value: orjson.dumps(value).decode(),
            decoder=orjson.loads,
        )


async def _keep_as_it_is(_: "asyncpg.Connection") -> None:
    """Save the round trip that asyncpg makes after every use: `locked` alone leaves traces in a session."""
