"""The sweeper keeps the rows moving, whatever happens to the broker or the database."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final
from uuid import UUID, uuid4

import asyncpg
import pytest
from tests.lifelines import a_lifeline
from tests.post import Post, a_sweeper, images_of
from tests.rows import an_image, another_worker, claimed, eventually, move_time, state_of

from packshot import lifeline, sweeper
from packshot.backlog import Backlog
from packshot.brokers.memory import MemoryBroker
from packshot.database import Database
from packshot.errors import ServiceUnavailable
from packshot.images import Images
from packshot.models import Worker
from packshot.sweeper import Sweeper
from packshot.workers import Desk, Workers

AN_HOUR: Final = 3600


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sweep all the time."""
    monkeypatch.setattr(sweeper, "PUBLISH_SECONDS", 0.01)
    monkeypatch.setattr(sweeper, "RESCUE_SECONDS", 0.01)
    monkeypatch.setattr(lifeline, "TROUBLE_SECONDS", 0.01)


@pytest.fixture
def only_when_woken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sweeper, "PUBLISH_SECONDS", AN_HOUR)
    monkeypatch.setattr(sweeper, "RESCUE_SECONDS", AN_HOUR)


@asynccontextmanager
async def running(sweeper: Sweeper) -> AsyncIterator[None]:
    """Sweep for the length of the block."""
    task = asyncio.create_task(sweeper.run(a_lifeline()))
    yield
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_everything_due_is_published(database: Database, desk: Desk, images: Images) -> None:
    post = Post()
    due = [await an_image(images) for _ in range(25)]

    await a_sweeper(database, desk, post).publish()

    assert sorted(post.arrived) == due


async def test_no_more_is_published_than_the_broker_has_room_for(
    database: Database, desk: Desk, images: Images, backlog: Backlog
) -> None:
    broker = MemoryBroker(capacity=16)
    taking = asyncio.ensure_future(anext(broker.deliveries()))
    await asyncio.sleep(0)
    for _ in range(20):
        await an_image(images)

    await a_sweeper(database, desk, broker, broker).publish()

    assert (await taking).image_id
    assert len(await backlog.publish_due(100)) == 4


async def test_nothing_is_published_to_a_process_that_takes_nothing(
    database: Database, desk: Desk, images: Images, backlog: Backlog
) -> None:
    broker = MemoryBroker(capacity=16)
    await an_image(images)

    await a_sweeper(database, desk, broker, broker).publish()

    assert len(await backlog.publish_due(100)) == 1


async def test_what_the_broker_refuses_is_due_again_at_once(
    database: Database, desk: Desk, images: Images, backlog: Backlog
) -> None:
    image_id = await an_image(images)

    with pytest.raises(ServiceUnavailable):
        await a_sweeper(database, desk, Post(refusals=1)).publish()

    assert [hint.image_id for hint in await backlog.publish_due(100)] == [image_id]


@pytest.mark.usefixtures("only_when_woken")
async def test_who_wakes_the_sweeper_is_served_at_once(
    database: Database, desk: Desk, images: Images
) -> None:
    post = Post()
    sweeper = a_sweeper(database, desk, post)

    async with running(sweeper):
        first = await an_image(images)
        sweeper.wake()
        await post.got(first)
        second = await an_image(images)
        sweeper.wake()
        await post.got(first, second)


@pytest.mark.usefixtures("only_when_woken")
async def test_what_is_due_at_the_start_is_published_without_a_call(
    database: Database, desk: Desk, images: Images
) -> None:
    post = Post()
    image_id = await an_image(images)

    async with running(a_sweeper(database, desk, post)):
        await post.got(image_id)


@pytest.mark.usefixtures("quick")
async def test_what_becomes_due_is_published_without_a_call(
    database: Database, desk: Desk, images: Images
) -> None:
    post = Post()
    image_id = await an_image(images)
    await move_time(database, "due_at", AN_HOUR)

    async with running(a_sweeper(database, desk, post)):
        await move_time(database, "due_at", -AN_HOUR)
        await post.got(image_id)


@pytest.mark.usefixtures("quick")
async def test_a_broker_that_is_away_is_worth_a_line_and_does_not_end_the_sweeping(
    database: Database, desk: Desk, images: Images, caplog: pytest.LogCaptureFixture
) -> None:
    post = Post(refusals=3)
    image_id = await an_image(images)

    async with running(a_sweeper(database, desk, post)):
        await post.got(image_id)

    assert [(line.message, line.exc_info) for line in caplog.records] == [("sweep postponed", None)] * 3


@pytest.mark.usefixtures("quick")
async def test_a_bug_is_worth_a_traceback_and_does_not_end_the_sweeping(
    database: Database, desk: Desk, images: Images, caplog: pytest.LogCaptureFixture
) -> None:
    post = Post(refusals=1, error=ZeroDivisionError)
    swallowed = await an_image(images)

    async with running(a_sweeper(database, desk, post)):
        await eventually(lambda: is_published(images, swallowed))
        other = await an_image(images)
        await post.got(other)

    assert [(line.message, bool(line.exc_info)) for line in caplog.records] == [("sweep failed", True)]


async def is_published(images: Images, image_id: int) -> bool:
    return (await images.get(image_id))["published_at"] is not None


@pytest.mark.usefixtures("quick")
async def test_a_database_that_restarts_does_not_end_the_sweeping(
    database: Database, database_url: str, desk: Desk
) -> None:
    post = Post()
    admin = await asyncpg.connect(database_url)

    async with running(a_sweeper(database, desk, post)):
        for image_id in range(1, 4):
            await admin.execute("INSERT INTO images (source_url, max_attempts) VALUES ('a', 5)")
            await post.got(*range(1, image_id + 1))
            await admin.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
    await admin.close()


def a_dead_neighbour(tmp_path: Path) -> UUID:
    """What a killed process leaves: a desk with a lock that nobody holds."""
    worker_id = uuid4()
    desk = tmp_path / "data" / "work" / str(worker_id)
    desk.mkdir(parents=True)
    (desk / "lock").touch()
    (desk / "source").write_text("half a picture")
    return worker_id


async def test_after_an_outage_the_others_are_given_time_to_be_heard(
    database: Database, desk: Desk, workers: Workers, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 0.0
    monkeypatch.setattr(sweeper, "monotonic", lambda: now)
    silent = Worker(uuid4(), "elsewhere", 1, 4)
    images = Images(database, silent.worker_id, lease_seconds=600, max_attempts=5)
    one = a_sweeper(database, desk, Post())
    states = []  # the outage is between 1042 and 1100

    for now in (1000.0, 1014.0, 1028.0, 1042.0, 1100.0, 1114.0, 1129.0, 1130.0):  # noqa: B007 - the clock reads it
        await workers.heartbeat(silent, {})
        await database.execute("UPDATE workers SET last_seen = now() - interval '1 hour'")
        claim = await images.claim(await an_image(images))
        assert claim
        await one.rescue()
        states.append(await state_of(images, claim.image_id))

    assert states == [*["processing"] * 3, "pending", *["processing"] * 3, "pending"]


async def test_what_a_dead_neighbour_had_in_hand_is_taken_back(
    database: Database, desk: Desk, workers: Workers, tmp_path: Path
) -> None:
    dead = a_dead_neighbour(tmp_path)
    await workers.heartbeat(Worker(dead, "host", 1, 4), {})
    its_images = Images(database, dead, lease_seconds=60, max_attempts=5)
    claim = await claimed(its_images, await an_image(its_images))

    await a_sweeper(database, desk, Post()).rescue()

    assert await state_of(its_images, claim.image_id) == "pending"
    left = await database.fetch("SELECT worker_id FROM workers")
    assert [row["worker_id"] for row in left] == [desk.worker.worker_id]
    assert [folder.name for folder in (tmp_path / "data/work").iterdir()] == [str(desk.worker.worker_id)]


async def test_a_worker_that_lives_keeps_what_it_has_in_hand(database: Database, desk: Desk) -> None:
    ours = images_of(database, desk)
    claim = await claimed(ours, await an_image(ours))
    await move_time(database, "updated_at", -AN_HOUR)
    desk.take(claim.image_id)

    await a_sweeper(database, desk, Post()).rescue()

    assert await state_of(ours, claim.image_id) == "processing"


@pytest.mark.usefixtures("quick")
async def test_a_lost_image_comes_back_without_a_call(database: Database, desk: Desk) -> None:
    lost = another_worker(database)
    claim = await claimed(lost, await an_image(lost))

    async def is_pending() -> bool:
        return await state_of(lost, claim.image_id) == "pending"

    async with running(a_sweeper(database, desk, Post())):
        await eventually(is_pending)
