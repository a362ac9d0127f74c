"""
The door to PostgreSQL: the pool, transactions, and what its errors mean.

The queries live beside what they are about (`users`, `products`, `images`, `workers`), as plain
SQL. There is no ORM and no second dialect: the embedded default is PostgreSQL too.

Nobody waits long: each wait for a connection and each command has a limit. What fails is not tried
again here, because nobody could tell whether it was done; but the next one finds a connection that works.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from math import inf
from typing import Any, Final, Self
from urllib.parse import urlsplit

import asyncpg
import orjson

from packshot.errors import ConfigError, ServiceUnavailable
from packshot.migrations import migrate
from packshot.redaction import place_of

Row = Mapping[str, Any]

SECONDS: Final = 5  # to get a connection, and again for each command
SERVER_SHARE: Final = 0.8  # of them: a server that is only slow speaks first, and is not taken for dead
UNLOCK: Final = "SELECT pg_advisory_unlock_all()"

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

# After these a session is of no use: nothing came back, or it leads to what has become a standby.
SPENT: Final = (
    OSError,  # TimeoutError is one, too
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    asyncpg.ReadOnlySQLTransactionError,
)


class ConstraintViolated(Exception):
    """A write was refused by the constraint called `name`; who does not expect it has a bug."""

    def __init__(self, name: str, message: str) -> None:
        super().__init__(message)
        self.name = name


class Connection:
    """One connection, usually inside a transaction; speaks our errors."""

    def __init__(self, session: "asyncpg.pool.PoolConnectionProxy", seconds: float) -> None:
        self._session = session
        self._seconds = seconds

    async def fetch(self, sql: str, *arguments: object) -> Sequence[Row]:
        """Return all rows."""
        with translated():
            rows: Sequence[Row] = await self._session.fetch(sql, *arguments, timeout=self._seconds)
        return rows

    async def fetch_row(self, sql: str, *arguments: object) -> Row | None:
        """Return the first row, if there is one."""
        with translated():
            row: Row | None = await self._session.fetchrow(sql, *arguments, timeout=self._seconds)
        return row

    async def execute(self, sql: str, *arguments: object) -> None:
        """Run a statement for its effect."""
        with translated():
            await self._session.execute(sql, *arguments, timeout=self._seconds)

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Self]:
        """Join the transaction that is open."""
        yield self


class Database:
    """A pool of connections. Every method raises ServiceUnavailable while PostgreSQL is away."""

    def __init__(self, pool: "asyncpg.Pool", seconds: float, server: str) -> None:
        self._pool = pool
        self._seconds = seconds
        self.server = server

    @classmethod
    @asynccontextmanager
    async def open(
        cls, url: str, *, connections: int = 10, seconds: float = SECONDS, migrating: bool = True
    ) -> AsyncIterator[Self]:
        """Connect to `postgresql://…` and bring the schema up to date; raise ConfigError for a wrong URL.

        `seconds` is the limit for getting a connection, and for each command.
        """
        with translated(), _blaming_the_settings():
            pool = await asyncpg.create_pool(
                url,
                init_size=1,
                min_size=0,  # else a task of the pool tries and logs on its own while the server is away
                max_size=connections,
                max_queries=inf,  # to replace a connection is to wait for its end after a commit
                timeout=seconds,
                command_timeout=seconds,
                connect=_connect,
                init=_set_codecs,
                reset=_keep_as_it_is,
                server_settings=_session_settings(seconds),
            )
        try:
            database = cls(pool, seconds, place_of(url))
            if migrating:
                with _blaming_the_settings():
                    await migrate(database.transaction)
            yield database
        finally:
            pool.terminate()

    async def fetch(self, sql: str, *arguments: object) -> Sequence[Row]:
        """Return all rows."""
        async with self._connection() as connection:
            return await connection.fetch(sql, *arguments)

    async def fetch_row(self, sql: str, *arguments: object) -> Row | None:
        """Return the first row, if there is one."""
        async with self._connection() as connection:
            return await connection.fetch_row(sql, *arguments)

    async def execute(self, sql: str, *arguments: object) -> None:
        """Run a statement for its effect."""
        async with self._connection() as connection:
            await connection.execute(sql, *arguments)

    @asynccontextmanager
    async def transaction(self, seconds: float | None = None) -> AsyncIterator[Connection]:
        """Commit when the block ends, roll back when it raises. `seconds` limits each command."""
        async with self._connection(seconds) as connection:
            await connection.execute("BEGIN")
            yield connection
            await connection.execute("COMMIT")

    @asynccontextmanager
    async def locked(self, name: str) -> AsyncIterator[Connection]:
        """Hold the advisory lock of `name` alone, across the commits of this block."""
        async with self._connection() as connection:
            await connection.execute("SELECT pg_advisory_lock(hashtextextended($1, 0))", name)
            yield connection
            await connection.execute(UNLOCK)

    async def check(self) -> None:
        """Prove that we can write: a standby or a full disk still answers reads."""
        await self.execute("UPDATE schema_migrations SET applied_at = applied_at WHERE version = 1")

    @asynccontextmanager
    async def _connection(self, seconds: float | None = None) -> AsyncIterator[Connection]:
        """Lend a session, and take it back as new or not at all."""
        session = await self._acquire()
        try:
            yield Connection(session, seconds or self._seconds)
        except BaseException as error:
            await self._recover(session, error)
            raise
        finally:
            await self._pool.release(session)  # finds nothing to undo: asyncpg would do it in a lost task

    async def _acquire(self) -> "asyncpg.pool.PoolConnectionProxy":
        with translated():
            try:
                async with asyncio.timeout(self._seconds):
                    return await self._pool.acquire()
            except TimeoutError as error:
                raise ServiceUnavailable(f"The database had no connection for {self._seconds} s") from error

    async def _recover(self, session: "asyncpg.pool.PoolConnectionProxy", error: BaseException) -> None:
        """Make the session as new, or end it. If the server is in trouble, the idle ones share its fate."""
        if isinstance(error, Exception) and not isinstance(error.__cause__, SPENT):
            with suppress(Exception):  # the error that led here says more
                await _wipe(session)
                return
        _end(session)
        if isinstance(error, ServiceUnavailable):
            await self._end_idle_sessions()

    async def _end_idle_sessions(self) -> None:
        """Spare others to find out about each of them by a time limit of its own."""
        while self._pool.get_idle_size():  # so the next line gets one of them, without waiting
            (await self._pool.acquire()).terminate()


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
        reason = f"PACKSHOT_DATABASE_URL does not lead to a database that can be used: {error}"
        raise ConfigError(reason) from error


def _session_settings(seconds: float) -> dict[str, str]:
    return {
        "application_name": "packshot",
        "statement_timeout": str(int(1000 * seconds * SERVER_SHARE)),
        "idle_in_transaction_session_timeout": "60s",  # a client that vanishes shall not leave its locks
        "tcp_keepalives_idle": "30",  # for the two hours that TCP takes to notice
        "tcp_keepalives_interval": "10",
        "tcp_keepalives_count": "3",
    }


async def _connect(url: str, *, timeout: float, **options: object) -> "asyncpg.Connection":  # noqa: ASYNC109 - its name
    """Give each host of the URL a share of the time: asyncpg would give all of it to a dead first one."""
    netloc = urlsplit(url).netloc
    login, at, hosts = netloc.rpartition("@")
    *others, last = (url.replace(netloc, f"{login}{at}{host}", 1) for host in hosts.split(","))
    share = timeout / (len(others) + 1)
    for other in others:
        with suppress(OSError, asyncpg.InternalClientError, asyncpg.PostgresError):
            return await asyncpg.connect(other, timeout=share, **options)
    return await asyncpg.connect(last, timeout=share, **options)


async def _set_codecs(connection: "asyncpg.Connection") -> None:
    for name in ("json", "jsonb"):
        await connection.set_type_codec(
            name,
            schema="pg_catalog",
            encoder=lambda value: orjson.dumps(value).decode(),
            decoder=orjson.loads,
        )


async def _wipe(session: "asyncpg.pool.PoolConnectionProxy") -> None:
    try:
        await session.execute("ROLLBACK" if session.is_in_transaction() else UNLOCK)
    except BaseException:
        _end(session)
        raise


def _end(session: "asyncpg.pool.PoolConnectionProxy") -> None:
    with suppress(asyncpg.InterfaceError):  # the pool has it back already: the server ended it
        session.terminate()


async def _keep_as_it_is(_: "asyncpg.Connection") -> None:
    """Save the round trip that asyncpg makes after every use: sessions come back without traces."""
