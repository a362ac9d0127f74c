"""
The embedded PostgreSQL as its users meet it: real servers, several processes, kill -9.

The data folders lie where every user may enter, because as root the server is another user's.
"""

import asyncio
import fcntl
import os
import signal
import subprocess
import sys
import tempfile
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import asyncpg
import pytest
import uvloop

from packshot import postgres
from packshot.cluster import open_cluster
from packshot.errors import ServiceUnavailable
from packshot.postgres import embedded_postgres

OTHER_PROCESS = """
import asyncio, sys
from pathlib import Path
from packshot.postgres import embedded_postgres

async def main():
    async with embedded_postgres(Path(sys.argv[1])) as embedded:
        print(embedded.dsn, flush=True)
        await asyncio.to_thread(sys.stdin.read)

asyncio.run(main())
"""


async def use_once(data_dir: Path) -> None:
    async with embedded_postgres(data_dir):
        pass


@asynccontextmanager
async def other_process(data_dir: Path) -> AsyncIterator[Process]:
    """Run another process that uses the server until the block ends."""
    command = (sys.executable, "-c", OTHER_PROCESS, data_dir)
    process = await asyncio.create_subprocess_exec(*command, stdin=PIPE, stdout=PIPE)
    assert process.stdout
    assert (await process.stdout.readline()).startswith(b"postgresql://")
    yield process
    await process.communicate(b"")


def pid_file(data_dir: Path) -> Path:
    """The server makes this file when it starts and takes it away when it has stopped in order."""
    return data_dir / "postgres/cluster/postmaster.pid"


def server_pid(data_dir: Path) -> int:
    return int(pid_file(data_dir).read_text().split()[0])


async def query(dsn: str, sql: str) -> object:
    connection = await asyncpg.connect(dsn)
    try:
        return await connection.fetchval(sql)
    finally:
        await connection.close()


async def write_a_row(dsn: str) -> None:
    await query(dsn, "CREATE TABLE kept AS SELECT 'still here' AS words")


async def read_the_row(dsn: str) -> object:
    return await query(dsn, "SELECT words FROM kept")


async def test_data_survives_a_restart(data_dir: Path) -> None:
    async with embedded_postgres(data_dir) as first:
        await write_a_row(first.dsn)
    assert not pid_file(data_dir).exists()

    async with embedded_postgres(data_dir) as second:
        assert await read_the_row(second.dsn) == "still here"


async def test_whoever_leaves_before_the_last_leaves_the_server_running(data_dir: Path) -> None:
    async with other_process(data_dir):
        started_by_the_other = server_pid(data_dir)
        async with embedded_postgres(data_dir) as embedded:
            assert server_pid(data_dir) == started_by_the_other
        assert await query(embedded.dsn, "SELECT 1") == 1

    assert not pid_file(data_dir).exists()


async def test_the_last_to_leave_stops_a_server_that_another_process_started(data_dir: Path) -> None:
    async with other_process(data_dir) as first:
        started_by_the_other = server_pid(data_dir)
        async with embedded_postgres(data_dir) as embedded:
            await first.communicate(b"")
            assert await query(embedded.dsn, "SELECT 1") == 1
            assert server_pid(data_dir) == started_by_the_other

    assert not pid_file(data_dir).exists()


async def test_coming_and_going_at_once_nobody_meets_a_dead_server(data_dir: Path) -> None:
    async def visit(visitor: int) -> None:
        for _ in range(4):
            async with embedded_postgres(data_dir) as embedded:
                assert await query(embedded.dsn, f"SELECT {visitor}") == visitor

    await asyncio.gather(*(visit(visitor) for visitor in range(6)))
    assert not pid_file(data_dir).exists()


async def test_a_server_left_over_from_a_kill_is_found_and_used(data_dir: Path) -> None:
    async with other_process(data_dir) as process:
        left_over = server_pid(data_dir)
        process.kill()

    async with embedded_postgres(data_dir) as embedded:
        assert server_pid(data_dir) == left_over
        assert await query(embedded.dsn, "SELECT 1") == 1
    assert not pid_file(data_dir).exists()


async def test_a_server_that_was_killed_recovers_what_was_committed(data_dir: Path) -> None:
    async with embedded_postgres(data_dir) as first:
        await write_a_row(first.dsn)
        os.kill(server_pid(data_dir), signal.SIGKILL)

    async with embedded_postgres(data_dir) as second:
        assert await read_the_row(second.dsn) == "still here"


async def test_sessions_of_a_killed_server_that_are_still_at_work_are_waited_for(data_dir: Path) -> None:
    async with embedded_postgres(data_dir) as embedded:
        busy = await asyncpg.connect(embedded.dsn)
        work = asyncio.create_task(busy.execute("SELECT count(*) FROM generate_series(1, 5000000)"))
        while not await query(
            embedded.dsn, "SELECT 1 FROM pg_stat_activity WHERE query LIKE 'SELECT count%'"
        ):
            pass
        os.kill(server_pid(data_dir), signal.SIGKILL)

    async with embedded_postgres(data_dir) as second:
        assert await query(second.dsn, "SELECT 1") == 1
    await asyncio.gather(work, return_exceptions=True)


async def test_a_dead_servers_number_may_be_another_process_by_now(data_dir: Path) -> None:
    async with embedded_postgres(data_dir):
        dead = server_pid(data_dir)
        os.kill(dead, signal.SIGKILL)
    namesake = start_as_the_servers_user(data_dir, "sleep", "60")
    for file in (pid_file(data_dir), data_dir / "postgres/socket/.s.PGSQL.5432.lock"):
        file.write_text(file.read_text().replace(str(dead), str(namesake.pid), 1))

    async with embedded_postgres(data_dir) as embedded:
        assert await query(embedded.dsn, "SELECT 1") == 1
    assert namesake.poll() is None

    namesake.kill()
    namesake.wait()


def start_as_the_servers_user(data_dir: Path, *command: str) -> subprocess.Popen[bytes]:
    user = open_cluster(data_dir).account.pw_uid if os.geteuid() == 0 else None
    return subprocess.Popen(command, user=user)  # noqa: S603 - the test's own words


async def test_a_server_that_does_not_come_up_is_quoted(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (data_dir / "postgres/cluster/global/pg_control").unlink()
    monkeypatch.setattr(postgres, "START_TRIES", 1)

    with pytest.raises(ServiceUnavailable, match="could not find the database system"):
        await use_once(data_dir)


async def test_a_gate_that_stays_shut_is_named(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postgres, "START_SECONDS", 0)
    monkeypatch.setattr(postgres, "STOP_SECONDS", 0)

    with (data_dir / "postgres/gate.lock").open("ab") as gate:
        fcntl.flock(gate, fcntl.LOCK_EX)
        with pytest.raises(ServiceUnavailable, match=r"gate\.lock"):
            await use_once(data_dir)


async def test_a_start_that_is_called_off_leaves_no_server(data_dir: Path) -> None:
    new = data_dir / "new"
    start = asyncio.create_task(use_once(new))
    while not (new / "postgres/gate.lock").exists():  # noqa: ASYNC110 - the start sets no Event
        await asyncio.sleep(0)
    start.cancel()

    with pytest.raises(asyncio.CancelledError):
        await start
    assert (new / "postgres/log").read_text().endswith("database system is shut down\n")
    assert not pid_file(new).exists()


@pytest.mark.parametrize(
    "name",
    [
        "with space",
        """'single' "double" \\ $HOME %41+&?#""",
        "žluťoučký 猫",
        "a,b",
        "very long " * 20,
    ],
)
async def test_any_folder_name_will_do(data_dir: Path, name: str) -> None:
    data_dir = data_dir.rename(data_dir.with_name(name))

    async with embedded_postgres(data_dir) as first, embedded_postgres(data_dir) as second:
        assert await query(first.dsn, "SELECT 1") == 1
        assert second == first


async def test_a_socket_that_cannot_lie_in_the_data_folder_leaves_nothing_behind(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(data_dir.parent))

    async with embedded_postgres(data_dir.rename(data_dir.with_name("a,b"))):
        (socket_folder,) = data_dir.parent.glob("packshot-*")
        assert socket_folder.stat().st_mode & 0o777 == 0o700
    assert list(data_dir.parent.glob("packshot-*")) == []


async def test_ctrl_c_in_our_terminal_does_not_reach_the_server(data_dir: Path) -> None:
    async with embedded_postgres(data_dir):
        assert os.getsid(server_pid(data_dir)) != os.getsid(0)


async def test_the_server_has_neither_our_files_nor_our_environment(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PGPORT", "1")
    reader, writer = os.pipe()
    os.set_inheritable(reader, True)
    ours = Path(f"/proc/self/fd/{reader}").readlink()

    async with embedded_postgres(data_dir) as embedded:
        process = Path("/proc", str(server_pid(data_dir)))
        assert ours not in [file.readlink() for file in (process / "fd").iterdir()]
        assert b"PGPORT" not in (process / "environ").read_bytes()
        assert await query(embedded.dsn, "SELECT 1") == 1

    os.close(reader)
    os.close(writer)


def test_uvloop_will_do(data_dir: Path) -> None:
    async def use() -> object:
        async with embedded_postgres(data_dir) as embedded:
            return await query(embedded.dsn, "SELECT 1")

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        assert runner.run(use()) == 1
