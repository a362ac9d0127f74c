"""What becomes of requests when the database hangs, restarts, fails over, or has no more connections."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, suppress
from functools import partial
from pathlib import Path
from typing import Final

import asyncpg
import httpx
import pytest
from servers.cable import Cable
from tests.rows import eventually
from tests.shop import a_product, create, problem_in

from packshot.app import App, open_app
from packshot.database import Database
from packshot.errors import ServiceUnavailable
from packshot.postgres import embedded_postgres
from packshot.settings import load_settings

CONNECTIONS: Final = 3
LIMIT_SECONDS: Final = 0.5
TWO_LIMITS: Final = 2 * LIMIT_SECONDS + 0.5  # for a connection and for a command, and a slow machine


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    hurried = partial(Database.open, connections=CONNECTIONS, seconds=LIMIT_SECONDS)
    monkeypatch.setattr(Database, "open", hurried)


@pytest.fixture
async def cable(database_url: str) -> AsyncIterator[Cable]:
    async with Cable(database_url) as cable:
        yield cable


@pytest.fixture
async def app(impatient: None, cable: Cable, tmp_path: Path) -> AsyncIterator[App]:  # noqa: ARG001 - for its effect
    """All rooms, at the end of a cable, with a database that is not waited for."""
    async with open_app(load_settings(database_url=cable.url, data_dir=tmp_path)) as app:
        await app.users.add_first()
        yield app


@pytest.fixture
async def admin(database_url: str) -> AsyncIterator[asyncpg.Connection]:
    """A connection beside the cable."""
    connection = await asyncpg.connect(database_url)
    yield connection
    await connection.close()


async def use_all_connections(database: Database) -> set[int]:
    """Return the server's processes behind them."""
    async with AsyncExitStack() as stack:
        used = [await stack.enter_async_context(database.transaction()) for _ in range(CONNECTIONS)]
        rows = [await connection.fetch_row("SELECT pg_backend_pid() AS pid") for connection in used]
    return {row["pid"] for row in rows if row}


async def test_while_the_database_hangs_every_request_is_refused_in_time(
    api: httpx.AsyncClient, cable: Cable
) -> None:
    cable.freeze()

    async with asyncio.timeout(TWO_LIMITS):
        answers = await asyncio.gather(*(api.get("/users/1") for _ in range(10 * CONNECTIONS)))

    for answer in answers:
        problem_in(answer, 503)
        assert int(answer.headers["retry-after"]) > 0


async def test_a_database_that_hung_is_found_again(api: httpx.AsyncClient, cable: Cable) -> None:
    cable.freeze()
    assert (await api.get("/users/1")).status_code == 503

    cable.thaw()

    assert (await api.get("/users/1")).status_code == 200


async def test_a_database_behind_lost_connections_is_found_again(
    api: httpx.AsyncClient, cable: Cable
) -> None:
    cable.freeze()
    assert (await api.get("/users/1")).status_code == 503

    await cable.cut()
    cable.thaw()

    assert (await api.get("/users/1")).status_code == 200


async def test_one_connection_that_hangs_speaks_for_all(app: App, cable: Cable) -> None:
    before = await use_all_connections(app.database)
    cable.freeze()
    with pytest.raises(ServiceUnavailable):
        await app.database.check()
    cable.thaw()

    after = await use_all_connections(app.database)

    assert not before & after


async def test_a_transaction_that_hangs_is_refused_in_time_and_leaves_nothing(
    app: App, cable: Cable, admin: asyncpg.Connection
) -> None:
    async def hang_halfway() -> None:
        async with app.database.transaction() as connection:
            await connection.execute("INSERT INTO users (name) VALUES ('Grace')")
            cable.freeze()
            await connection.execute("INSERT INTO users (name) VALUES ('Barbara')")

    async with asyncio.timeout(TWO_LIMITS):
        with pytest.raises(ServiceUnavailable, match="time is up"):
            await hang_halfway()

    await cable.cut()
    cable.thaw()
    assert await admin.fetchval("SELECT count(*) FROM users") == 1


async def test_who_is_cancelled_while_the_database_hangs_ends_at_once(app: App, cable: Cable) -> None:
    async def hang() -> None:
        async with app.database.transaction() as connection:
            inside.set()
            await connection.execute("SELECT pg_sleep(60)")

    inside = asyncio.Event()
    task = asyncio.create_task(hang())
    await inside.wait()
    cable.freeze()

    task.cancel()

    await asyncio.wait([task], timeout=LIMIT_SECONDS / 2)
    assert task.cancelled()


async def test_a_slow_answer_costs_no_connection(app: App) -> None:
    before = await use_all_connections(app.database)

    with pytest.raises(ServiceUnavailable, match="statement timeout"):
        await app.database.fetch("SELECT pg_sleep(60)")

    assert await use_all_connections(app.database) == before


async def test_without_a_free_connection_requests_are_refused_in_time_and_served_when_there_is_one(
    api: httpx.AsyncClient, app: App
) -> None:
    async with AsyncExitStack() as stack:
        for _ in range(CONNECTIONS):
            await stack.enter_async_context(app.database.transaction())
        async with asyncio.timeout(TWO_LIMITS):
            refused = await api.get("/users/1")

    problem_in(refused, 503)
    assert int(refused.headers["retry-after"]) > 0
    assert (await api.get("/users/1")).status_code == 200


async def test_connections_that_the_server_ends_cost_one_request_at_most(
    api: httpx.AsyncClient, app: App, admin: asyncpg.Connection
) -> None:
    await use_all_connections(app.database)

    await admin.execute(
        "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
        " WHERE datname = current_database() AND pid <> pg_backend_pid()"
    )

    assert (await api.get("/users/1")).status_code in {200, 503}
    assert (await api.get("/users/1")).status_code == 200


async def test_a_server_that_crashes_is_found_again(impatient: None, data_dir: Path) -> None:  # noqa: ARG001 - for its effect
    async with embedded_postgres(data_dir) as embedded, Database.open(embedded.dsn) as database:
        before = await use_all_connections(database)

        os.kill(min(before), signal.SIGKILL)  # PostgreSQL then ends all sessions, and recovers

        await eventually(lambda: has_only_others(database, before))


async def has_only_others(database: Database, sessions: set[int]) -> bool:
    with suppress(ServiceUnavailable):
        return not sessions & await use_all_connections(database)
    return False


async def test_a_server_that_is_starting_may_come_back() -> None:
    async def refuse(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        fields = b"SFATAL\0C57P03\0Mthe database system is starting up\0\0"
        writer.write(b"E" + (len(fields) + 4).to_bytes(4, "big") + fields)
        writer.close()

    async with await asyncio.start_server(refuse, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        with pytest.raises(ServiceUnavailable, match="starting up"):
            async with Database.open(f"postgresql://packshot@127.0.0.1:{port}/packshot?sslmode=disable"):
                pass


@pytest.fixture
async def read_only(admin: asyncpg.Connection, api: httpx.AsyncClient) -> AsyncIterator[None]:
    """A server that takes no writes, as a standby does, until the end of the test."""
    await admin.execute("ALTER SYSTEM SET default_transaction_read_only = on")
    await admin.execute("SELECT pg_reload_conf()")
    await eventually(lambda: is_ready(api, 503))
    yield
    await take_writes(admin)


async def take_writes(admin: asyncpg.Connection) -> None:
    await admin.execute("ALTER SYSTEM RESET default_transaction_read_only")
    await admin.execute("SELECT pg_reload_conf()")
    await eventually(lambda: _takes_writes(admin))


@pytest.mark.usefixtures("read_only")
async def test_a_server_that_only_reads_serves_what_can_be_served(api: httpx.AsyncClient) -> None:
    refused = await api.post("/products", json=a_product())

    problem_in(refused, 503)
    assert int(refused.headers["retry-after"]) > 0
    assert (await api.get("/users/1")).status_code == 200


@pytest.mark.usefixtures("read_only")
async def test_no_connection_to_a_server_that_only_reads_is_kept(app: App) -> None:
    before = await use_all_connections(app.database)

    with pytest.raises(ServiceUnavailable, match="read-only"):
        await app.database.check()

    assert not before & await use_all_connections(app.database)


@pytest.mark.usefixtures("read_only")
async def test_a_server_that_takes_writes_again_is_used_again(
    api: httpx.AsyncClient, admin: asyncpg.Connection
) -> None:
    await take_writes(admin)

    await eventually(lambda: is_ready(api, 200))
    await create(api)


@pytest.mark.parametrize("trouble", ["pull", "freeze"])
async def test_when_the_first_host_is_gone_the_second_is_found(database_url: str, trouble: str) -> None:
    async with Cable(database_url) as old, Cable(database_url) as new:
        both = old.url.replace(f":{old.port}/", f":{old.port},127.0.0.1:{new.port}/")
        async with Database.open(
            f"{both}&target_session_attrs=read-write", seconds=LIMIT_SECONDS
        ) as database:
            if trouble == "pull":
                await old.pull()
            else:
                old.freeze()
            with suppress(ServiceUnavailable):
                await database.check()

            await database.check()


async def is_ready(api: httpx.AsyncClient, status: int) -> bool:
    return (await api.get("/readyz")).status_code == status


async def _takes_writes(admin: asyncpg.Connection) -> bool:
    return str(await admin.fetchval("SHOW default_transaction_read_only")) == "off"
