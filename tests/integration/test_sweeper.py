"""The sweeper keeps the rows moving, whatever happens to the broker or the database."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final
from uuid import UUID, uuid4

import asyncpg
import pytest
from tests.rows import an_image, another_worker, claimed, eventually, move_time, state_of

from packshot import sweeper
from packshot.backlog import Backlog
from packshot.brokers import Broker
from packshot.brokers.memory import MemoryBroker, MemoryDelivery
from packshot.database import Database
from packshot.errors import ServiceUnavailable
from packshot.images import Images
from packshot.models import Hint, Worker
from packshot.sweeper import Sweeper
from packshot.workers import Desk, Workers

AN_HOUR: Final = 3600


class Post:
    """A broker with room for ten that keeps what it gets; it refuses as often as it is told to."""

    def __init__(self, *, refusals: int = 0, error: type[Exception] = ServiceUnavailable) -> None:
        self.arrived: list[int] = []
        self._refusals = refusals
        self._error = error

    def room(self) -> int:
        return 10

    async def publish(self, hints: Sequence[Hint]) -> None:
        if self._refusals:
            self._refusals -= 1
            raise self._error("refused")
        self.arrived += [hint.image_id for hint in hints]

    def deliveries(self) -> AsyncIterator[MemoryDelivery]:
        raise NotImplementedError

    async def close(self) -> None:
        """Nothing to close."""

    async def got(self, *image_ids: int) -> None:
        """Return once exactly these have arrived."""

        async def arrived() -> bool:
            return sorted(self.arrived) == list(image_ids)

        await eventually(arrived)


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sweep all the time."""
    monkeypatch.setattr(sweeper, "PUBLISH_SECONDS", 0.01)
    monkeypatch.setattr(sweeper, "RESCUE_SECONDS", 0.01)


@pytest.fixture
def only_when_woken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sweeper, "PUBLISH_SECONDS", AN_HOUR)
    monkeypatch.setattr(sweeper, "RESCUE_SECONDS", AN_HOUR)


def a_sweeper(database: Database, broker: Broker, desk: Desk) -> Sweeper:
    return Sweeper(Backlog(database), Workers(database), broker, desk)


@asynccontextmanager
async def running(sweeper: Sweeper) -> AsyncIterator[None]:
    """Sweep for the length of the block."""
    task = asyncio.create_task(sweeper.run())
    yield
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_everything_due_is_published(database: Database, desk: Desk, images: Images) -> None:
    post = Post()
    due = [await an_image(images) for _ in range(25)]

    await a_sweeper(database, post, desk).publish()

    assert sorted(post.arrived) == due


async def test_no_more_is_published_than_the_broker_has_room_for(
    database: Database, desk: Desk, images: Images, backlog: Backlog
) -> None:
    broker = MemoryBroker(capacity=16)
    taking = asyncio.ensure_future(anext(broker.deliveries()))
    await asyncio.sleep(0)
    for _ in range(20):
        await an_image(images)

    await a_sweeper(database, broker, desk).publish()

    assert (await taking).image_id
    assert len(await backlog.publish_due(100)) == 4


async def test_nothing_is_published_to_a_process_that_takes_nothing(
    database: Database, desk: Desk, images: Images, backlog: Backlog
) -> None:
    await an_image(images)

    await a_sweeper(database, MemoryBroker(capacity=16), desk).publish()

    assert len(await backlog.publish_due(100)) == 1


async def test_what_the_broker_refuses_is_due_again_at_once(
    database: Database, desk: Desk, images: Images, backlog: Backlog
) -> None:
    image_id = await an_image(images)

    with pytest.raises(ServiceUnavailable):
        await a_sweeper(database, Post(refusals=1), desk).publish()

    assert [hint.image_id for hint in await backlog.publish_due(100)] == [image_id]


@pytest.mark.usefixtures("only_when_woken")
async def test_who_wakes_the_sweeper_is_served_at_once(
    database: Database, desk: Desk, images: Images
) -> None:
    post = Post()
    sweeper = a_sweeper(database, post, desk)

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

    async with running(a_sweeper(database, post, desk)):
        await post.got(image_id)


@pytest.mark.usefixtures("quick")
async def test_what_becomes_due_is_published_without_a_call(
    database: Database, desk: Desk, images: Images
) -> None:
    post = Post()
    image_id = await an_image(images)
    await move_time(database, "due_at", AN_HOUR)

    async with running(a_sweeper(database, post, desk)):
        await move_time(database, "due_at", -AN_HOUR)
        await post.got(image_id)


@pytest.mark.usefixtures("quick")
async def test_a_broker_that_is_away_is_worth_a_line_and_does_not_end_the_sweeping(
    database: Database, desk: Desk, images: Images, caplog: pytest.LogCaptureFixture
) -> None:
    post = Post(refusals=3)
    image_id = await an_image(images)

    async with running(a_sweeper(database, post, desk)):
        await post.got(image_id)

    assert [(line.message, line.exc_info) for line in caplog.records] == [("sweep postponed", None)] * 3


@pytest.mark.usefixtures("quick")
async def test_a_bug_is_worth_a_traceback_and_does_not_end_the_sweeping(
    database: Database, desk: Desk, images: Images, caplog: pytest.LogCaptureFixture
) -> None:
    post = Post(refusals=1, error=ZeroDivisionError)
    swallowed = await an_image(images)

    async with running(a_sweeper(database, post, desk)):
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

    async with running(a_sweeper(database, post, desk)):
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
    clock = iter((1000.0, 1014.0, 1028.0, 1042.0, 1100.0, 1114.0, 1129.0, 1130.0))  # an outage after 1042
    monkeypatch.setattr("packshot.sweeper.monotonic", lambda: next(clock))
    silent = Worker(uuid4(), "elsewhere", 1, 4)
    images = Images(database, silent.worker_id, lease_seconds=600, max_attempts=5)
    one = a_sweeper(database, Post(), desk)
    states = []

    for _ in range(8):
        await workers.heartbeat(silent)
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
    await workers.heartbeat(Worker(dead, "host", 1, 4))
    its_images = Images(database, dead, lease_seconds=60, max_attempts=5)
    claim = await claimed(its_images, await an_image(its_images))

    await a_sweeper(database, Post(), desk).rescue()

    assert await state_of(its_images, claim.image_id) == "pending"
    left = await database.fetch("SELECT worker_id FROM workers")
    assert [row["worker_id"] for row in left] == [desk.worker.worker_id]
    assert [folder.name for folder in (tmp_path / "data/work").iterdir()] == [str(desk.worker.worker_id)]


async def test_a_worker_that_lives_keeps_what_it_has_in_hand(database: Database, desk: Desk) -> None:
    ours = Images(database, desk.worker.worker_id, lease_seconds=60, max_attempts=5)
    claim = await claimed(ours, await an_image(ours))

    await a_sweeper(database, Post(), desk).rescue()

    assert await state_of(ours, claim.image_id) == "processing"


@pytest.mark.usefixtures("quick")
async def test_a_lost_image_comes_back_without_a_call(database: Database, desk: Desk) -> None:
    lost = another_worker(database)
    claim = await claimed(lost, await an_image(lost))

    async def is_pending() -> bool:
        return await state_of(lost, claim.image_id) == "pending"

    async with running(a_sweeper(database, Post(), desk)):
        await eventually(is_pending)


async def test_a_message_without_an_answer_is_sent_again_after_a_minute(
    database: Database, desk: Desk, images: Images, backlog: Backlog
) -> None:
    old, _ = await an_image(images), await an_image(images)
    await backlog.publish_due(2)
    await move_time(database, "published_at", -61, old)

    await a_sweeper(database, Post(), desk).rescue()

    assert [hint.image_id for hint in await backlog.publish_due(2)] == [old]
