"""The door to PostgreSQL: the schema, transactions, and what is said when the server is away."""

import asyncio
import re
from contextlib import suppress

import asyncpg
import pytest
from tests.rows import eventually, somebody_waits

from packshot.database import ConstraintViolated, Database
from packshot.errors import ConfigError, ServiceUnavailable
from packshot.lifecycle import ImageState


async def terminate_all(admin: asyncpg.Connection) -> None:
    await admin.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname IN ('packshot', 'doomed')"
    )


async def test_the_schema_knows_the_same_states_as_the_code(database: Database) -> None:
    row = await database.fetch_row(
        "SELECT pg_get_constraintdef(oid) AS text FROM pg_constraint WHERE conname = 'known_state'"
    )

    assert row is not None
    assert set(re.findall(r"'(\w+)'", row["text"])) == set(ImageState)


async def test_a_transaction_that_fails_leaves_nothing(database: Database) -> None:
    async def fail_halfway() -> None:
        async with database.transaction() as connection:
            await connection.execute("INSERT INTO users (name) VALUES ('Ada')")
            await connection.execute("SELECT 1 / 0")

    with pytest.raises(asyncpg.DivisionByZeroError):
        await fail_halfway()

    assert await database.fetch("SELECT FROM users") == []


async def test_one_at_a_time_holds_the_lock_of_a_name(database: Database) -> None:
    inside: list[str] = []

    async def enter(who: str) -> None:
        async with database.locked("shoe"):
            inside.append(who)

    async with database.locked("shoe"):
        second = asyncio.create_task(enter("second"))
        await eventually(lambda: somebody_waits(database))
        assert inside == []
    await second

    assert inside == ["second"]


async def test_different_names_do_not_wait_for_each_other(database: Database) -> None:
    async with database.locked("left shoe"), database.locked("right shoe"):
        pass


async def test_a_lock_is_freed_by_an_error(database: Database) -> None:
    async with database.transaction() as another_session:
        with pytest.raises(ZeroDivisionError):
            async with database.locked("shoe"):
                raise ZeroDivisionError

        await another_session.execute("SELECT pg_advisory_xact_lock(hashtextextended('shoe', 0))")


async def test_a_lock_is_held_across_commits(database: Database) -> None:
    async with database.locked("shoe") as connection:
        await connection.execute("INSERT INTO users (name) VALUES ('Ada')")
        seen = await database.fetch_row(
            "SELECT name, pg_try_advisory_lock(hashtextextended('shoe', 0)) AS is_free FROM users"
        )

    assert seen
    assert dict(seen) == {"name": "Ada", "is_free": False}


async def test_json_goes_in_and_comes_back(database: Database) -> None:
    value = {"download": 1.5, "names": ["ž", None]}

    row = await database.fetch_row("SELECT $1::jsonb AS b, $1::jsonb::json AS j", value)

    assert row
    assert (row["b"], row["j"]) == (value, value)


@pytest.mark.parametrize(
    "url",
    [
        "mysql://shop.example/packshot",
        "shop.example",
        "postgresql://shop.example:port/packshot",
        "postgresql://shop.example/packshot?sslmode=perhaps",
    ],
)
async def test_an_address_that_is_none_is_the_settings_fault(url: str) -> None:
    with pytest.raises(ConfigError, match="PACKSHOT_DATABASE_URL"):
        async with Database.open(url):
            pass


@pytest.mark.parametrize(("good", "bad"), [("packshot@", "nobody@"), ("/packshot?", "/nothing?")])
async def test_a_user_or_database_that_is_not_there_is_the_settings_fault(
    server: str, good: str, bad: str
) -> None:
    with pytest.raises(ConfigError, match="PACKSHOT_DATABASE_URL"):
        async with Database.open(server.replace(good, bad)):
            pass


async def test_a_server_that_is_not_there_may_come_back() -> None:
    with pytest.raises(ServiceUnavailable):
        async with Database.open("postgresql://packshot@127.0.0.1:1/packshot"):
            pass


async def test_a_socket_that_is_not_there_may_come_back(server: str) -> None:
    with pytest.raises(ServiceUnavailable):
        async with Database.open(re.sub(r"port=\d+", "port=1", server)):
            pass


async def test_a_query_cut_off_says_so_and_the_next_one_finds_a_way(
    database: Database, admin: asyncpg.Connection
) -> None:
    query = asyncio.create_task(database.fetch("SELECT pg_sleep(60)"))
    await eventually(lambda: _sleeps(admin))

    await terminate_all(admin)

    with pytest.raises(ServiceUnavailable):
        await query
    assert len(await database.fetch("SELECT 1")) == 1


async def test_however_a_connection_breaks_the_same_is_said(
    database: Database, admin: asyncpg.Connection
) -> None:
    for _ in range(20):  # the moment decides what asyncpg notices first
        await terminate_all(admin)
        with suppress(ServiceUnavailable):
            await database.fetch("SELECT 1")


async def test_a_transaction_cut_off_says_so(database: Database, admin: asyncpg.Connection) -> None:
    async def write_two() -> None:
        async with database.transaction() as connection:
            await connection.execute("INSERT INTO users (name) VALUES ('Ada')")
            await terminate_all(admin)
            await connection.execute("INSERT INTO users (name) VALUES ('Grace')")

    with pytest.raises(ServiceUnavailable):
        await write_two()

    assert await database.fetch("SELECT FROM users") == []


async def test_a_database_that_is_taken_away_may_come_back(
    doomed: Database, admin: asyncpg.Connection
) -> None:
    await admin.execute("DROP DATABASE doomed WITH (FORCE)")

    for _ in ("the old connection", "a new one"):
        with pytest.raises(ServiceUnavailable):
            await doomed.check()


async def test_a_server_that_only_reads_does_not_pass_the_check(
    doomed: Database, admin: asyncpg.Connection
) -> None:
    await doomed.check()

    await admin.execute("ALTER DATABASE doomed SET default_transaction_read_only = on")
    await terminate_all(admin)
    await eventually(lambda: _reads(doomed))

    with pytest.raises(ServiceUnavailable, match="read-only"):
        await doomed.check()


async def test_a_deadlock_is_worth_another_try(database: Database) -> None:
    both_hold_one = asyncio.Barrier(2)

    async def lock(first: int, second: int) -> None:
        async with database.transaction() as connection:
            await connection.execute("SET LOCAL deadlock_timeout = '10ms'")
            await connection.execute("SELECT pg_advisory_xact_lock($1)", first)
            await both_hold_one.wait()
            await connection.execute("SELECT pg_advisory_xact_lock($1)", second)

    outcomes = await asyncio.gather(lock(1, 2), lock(2, 1), return_exceptions=True)

    assert [type(outcome) for outcome in outcomes if outcome] == [ServiceUnavailable]


async def test_a_broken_constraint_is_called_by_its_name(database: Database) -> None:
    with pytest.raises(ConstraintViolated) as error:
        await database.execute("INSERT INTO users (name, latitude) VALUES ('Ada', 91)")

    assert error.value.name == "users_latitude_check"


async def test_a_mistake_in_our_sql_is_not_called_an_outage(database: Database) -> None:
    with pytest.raises(asyncpg.UndefinedColumnError):
        await database.fetch("SELECT nothing FROM users")


async def test_a_value_of_the_wrong_kind_is_not_called_an_outage(database: Database) -> None:
    with pytest.raises(asyncpg.DataError):
        await database.fetch("SELECT FROM users WHERE id = $1", 2**31)


async def _reads(database: Database) -> bool:
    with suppress(ServiceUnavailable):
        return bool(await database.fetch("SELECT 1"))
    return False


async def _sleeps(admin: asyncpg.Connection) -> bool:
    return bool(await admin.fetchval("SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'"))
