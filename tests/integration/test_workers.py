"""Who works, and how a neighbour's end is noticed: with real processes and kill -9."""

import os
import signal
import sys
from asyncio.subprocess import PIPE, Process, create_subprocess_exec
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from uuid import UUID, uuid4

import pytest

from packshot.database import Database
from packshot.errors import ConfigError, ServiceUnavailable
from packshot.models import Worker
from packshot.workers import Desk, Workers

NEIGHBOUR = """
import subprocess, sys
from pathlib import Path
from packshot.workers import Desk

with Desk.open(Path(sys.argv[1]), slots=1) as desk:
    child = subprocess.Popen(["sleep", "60"], stdout=subprocess.DEVNULL)
    print(desk.worker.worker_id, child.pid, flush=True)
    sys.stdin.read()
    child.kill()
    child.wait()
"""


@asynccontextmanager
async def neighbour(data_dir: Path) -> AsyncIterator[tuple[Process, UUID]]:
    """Another process at its desk, with a child of its own, until the block ends."""
    process = await create_subprocess_exec(sys.executable, "-c", NEIGHBOUR, data_dir, stdin=PIPE, stdout=PIPE)
    assert process.stdout
    worker_id, child_pid = (await process.stdout.readline()).decode().split()
    yield process, UUID(worker_id)
    await process.communicate(b"")
    with suppress(ProcessLookupError):
        os.kill(int(child_pid), signal.SIGKILL)


def desks_in(data_dir: Path) -> set[str]:
    return {folder.name for folder in (data_dir / "work").iterdir()}


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    return tmp_path / "data"


async def test_a_living_neighbour_is_not_dead(desk: Desk, data_dir: Path) -> None:
    async with neighbour(data_dir) as (_, worker_id):
        assert desks_in(data_dir) == {str(desk.worker.worker_id), str(worker_id)}
        assert desk.dead_neighbours() == []


async def test_a_neighbour_who_leaves_in_order_leaves_nothing(desk: Desk, data_dir: Path) -> None:
    async with neighbour(data_dir):
        pass

    assert desks_in(data_dir) == {str(desk.worker.worker_id)}
    assert desk.dead_neighbours() == []


async def test_a_killed_neighbour_is_dead_at_once_even_if_its_children_live(
    desk: Desk, data_dir: Path
) -> None:
    async with neighbour(data_dir) as (process, worker_id):
        process.kill()
        await process.wait()

        assert desk.dead_neighbours() == [worker_id]


async def test_a_dead_neighbours_desk_is_cleared(desk: Desk, data_dir: Path) -> None:
    async with neighbour(data_dir) as (process, worker_id):
        process.kill()
        await process.wait()

    desk.clear([worker_id])

    assert desk.dead_neighbours() == []
    assert desks_in(data_dir) == {str(desk.worker.worker_id)}


def test_who_is_just_moving_in_or_out_is_not_mistaken(desk: Desk, data_dir: Path) -> None:
    (data_dir / "work" / f"new-{uuid4()}").mkdir()
    moving_out = uuid4()
    (data_dir / "work" / str(moving_out)).mkdir()

    assert desk.dead_neighbours() == [moving_out]


def test_other_files_between_the_desks_are_left_alone(desk: Desk, data_dir: Path) -> None:
    (data_dir / "work" / "notes.txt").write_text("mine")

    assert desk.dead_neighbours() == []


def test_every_process_is_another_worker(data_dir: Path) -> None:
    with Desk.open(data_dir, slots=1) as one, Desk.open(data_dir, slots=1) as other:
        assert one.worker.worker_id != other.worker.worker_id


def test_a_desk_is_removed_even_when_work_ends_in_an_error(data_dir: Path) -> None:
    with suppress(ZeroDivisionError), Desk.open(data_dir, slots=1) as desk:
        (data_dir / "work" / str(desk.worker.worker_id) / "left over").write_text("?")
        raise ZeroDivisionError

    assert desks_in(data_dir) == set()


def test_a_data_folder_that_cannot_be_used_is_the_settings_fault(data_dir: Path) -> None:
    data_dir.write_text("a file stands where the folder should be")

    with pytest.raises(ConfigError, match="PACKSHOT_DATA_DIR"), Desk.open(data_dir, slots=1):
        pass


def test_a_job_has_a_folder_of_its_own_until_it_ends(desk: Desk) -> None:
    with desk.job_folder(7, 1) as first, desk.job_folder(7, 2) as second:
        (first / "source").write_bytes(b"picture")
        assert not (second / "source").exists()

    assert not first.exists()
    assert not second.exists()


def test_a_job_folder_is_removed_even_when_the_job_fails(desk: Desk) -> None:
    with suppress(ZeroDivisionError), desk.job_folder(7, 1) as folder:
        (folder / "source").write_bytes(b"picture")
        raise ZeroDivisionError

    assert not folder.exists()


def test_a_desk_that_was_taken_away_is_our_own_trouble(desk: Desk) -> None:
    desk.clear([desk.worker.worker_id])

    with pytest.raises(ServiceUnavailable), desk.job_folder(7, 1):
        pass


async def test_a_heartbeat_tells_who_we_are_and_that_we_live(
    database: Database, workers: Workers, desk: Desk
) -> None:
    await workers.heartbeat(desk.worker, {})
    await database.execute("UPDATE workers SET last_seen = now() - interval '1 hour', started_at = last_seen")

    await workers.heartbeat(desk.worker, {})

    row = await database.fetch_row("SELECT *, now() - last_seen < interval '1 minute' AS alive FROM workers")
    assert row
    assert Worker(row["worker_id"], row["host"], row["pid"], row["slots"]) == desk.worker
    assert row["alive"]
    assert row["started_at"] < row["last_seen"]


async def test_a_heartbeat_tells_what_has_been_counted_so_far(
    database: Database, workers: Workers, desk: Desk
) -> None:
    for counted in ("late_results", "unreadable_messages", "late_results"):
        desk.count(counted)
        await workers.heartbeat(desk.worker, desk.counts)

    row = await database.fetch_row("SELECT counts FROM workers")
    assert row
    assert row["counts"] == {"late_results": 2, "unreadable_messages": 1}


def test_an_image_that_two_hints_have_put_on_the_desk_stays_until_both_let_go(desk: Desk) -> None:
    desk.take(7)
    desk.take(7)
    desk.take(8)

    desk.let_go(7)
    assert sorted(desk.in_hand) == [7, 8]

    desk.let_go(7)
    assert sorted(desk.in_hand) == [8]


async def test_dead_workers_are_forgotten_and_those_unseen_for_a_day(
    database: Database, workers: Workers
) -> None:
    dead, unseen, alive = (Worker(uuid4(), "host", pid, 4) for pid in (1, 2, 3))
    for worker in (dead, unseen, alive):
        await workers.heartbeat(worker, {})
    await database.execute(
        "UPDATE workers SET last_seen = now() - interval '25 hours' WHERE worker_id = $1", unseen.worker_id
    )

    await workers.forget([dead.worker_id])

    left = await database.fetch("SELECT worker_id FROM workers")
    assert [row["worker_id"] for row in left] == [alive.worker_id]
