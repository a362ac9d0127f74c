"""Images whose worker is gone come back, and nobody pays for it with an attempt."""

import asyncio
from uuid import UUID, uuid4

import pytest
from tests.rows import an_image, another_worker, claimed, finish, move_time, state_of

from packshot.backlog import Backlog
from packshot.database import Database
from packshot.errors import StaleClaim
from packshot.images import Images
from packshot.lifecycle import Release
from packshot.models import Worker
from packshot.workers import Workers

SILENT_SECONDS = 30


@pytest.fixture
async def worker_id(workers: Workers) -> UUID:
    """A worker that is alive."""
    worker_id = uuid4()
    await workers.heartbeat(Worker(worker_id, "host", 1, 4), {})
    return worker_id


@pytest.fixture
def images(database: Database, worker_id: UUID) -> Images:
    """The images in the hands of that worker."""
    return Images(database, worker_id, lease_seconds=60, max_attempts=5)


async def test_images_of_dead_workers_come_back_and_of_living_ones_do_not(
    database: Database, backlog: Backlog, workers: Workers, images: Images
) -> None:
    dead = Worker(uuid4(), "host", 2, 4)
    await workers.heartbeat(dead, {})
    lost = await claimed(
        Images(database, dead.worker_id, lease_seconds=60, max_attempts=5), await an_image(images)
    )
    safe = await claimed(images, await an_image(images))

    assert await backlog.rescue([], SILENT_SECONDS) == []
    assert await backlog.rescue([dead.worker_id], SILENT_SECONDS) == [lost.image_id]

    assert await state_of(images, lost.image_id) == "pending"
    assert await state_of(images, safe.image_id) == "processing"


async def test_images_of_a_silent_worker_come_back(
    database: Database, backlog: Backlog, images: Images
) -> None:
    claim = await claimed(images, await an_image(images))
    await database.execute("UPDATE workers SET last_seen = now() - interval '29 seconds'")
    assert await backlog.rescue([], SILENT_SECONDS) == []

    await database.execute("UPDATE workers SET last_seen = now() - interval '31 seconds'")
    assert await backlog.rescue([], SILENT_SECONDS) == [claim.image_id]


async def test_images_of_a_worker_that_never_said_who_it_is_come_back(
    database: Database, backlog: Backlog
) -> None:
    nobody = another_worker(database)
    claim = await claimed(nobody, await an_image(nobody))

    assert await backlog.rescue([], SILENT_SECONDS) == [claim.image_id]


async def test_a_lease_that_is_over_is_over_even_for_the_living(
    database: Database, backlog: Backlog, images: Images
) -> None:
    claim = await claimed(images, await an_image(images))

    await move_time(database, "lease_until", -61)

    assert await backlog.rescue([], SILENT_SECONDS) == [claim.image_id]


async def test_a_rescued_image_takes_no_result_from_the_worker_that_was_too_slow(
    database: Database, backlog: Backlog, images: Images
) -> None:
    claim = await claimed(images, await an_image(images))
    await move_time(database, "lease_until", -61)
    await backlog.rescue([], SILENT_SECONDS)

    with pytest.raises(StaleClaim):
        await finish(images, claim)


async def lose(database: Database, backlog: Backlog, images: Images, image_id: int) -> None:
    """Let a worker take the image and vanish."""
    await move_time(database, "due_at", -3600, image_id)
    await claimed(images, image_id)
    await move_time(database, "lease_until", -61, image_id)
    assert await backlog.rescue([], SILENT_SECONDS) == [image_id]


async def test_a_loss_costs_no_attempt_but_time(database: Database, backlog: Backlog, images: Images) -> None:
    image_id = await an_image(images)
    waits = []

    for losses in (1, 2):
        await lose(database, backlog, images, image_id)

        image = await images.get(image_id)
        assert (image["state"], image["losses"], image["error_code"]) == ("pending", losses, None)
        assert image["max_attempts"] - image["attempt"] == 5
        waits.append((image["due_at"] - image["updated_at"]).total_seconds())
    assert waits == [2, 4]


async def test_the_third_loss_is_the_last(database: Database, backlog: Backlog, images: Images) -> None:
    image_id = await an_image(images)
    for _ in range(3):
        await lose(database, backlog, images, image_id)

    image = await images.get(image_id)

    assert (image["state"], image["error_code"]) == ("failed", "worker_lost")
    assert image["error_message"]


async def test_who_retries_a_lost_image_by_hand_gives_it_three_new_lives(
    database: Database, backlog: Backlog, images: Images
) -> None:
    image_id = await an_image(images)
    for _ in range(3):
        await lose(database, backlog, images, image_id)

    await images.requeue(image_id)
    await lose(database, backlog, images, image_id)

    assert await state_of(images, image_id) == "pending"


async def test_a_lost_image_is_taken_back_once_however_many_look_for_it(
    database: Database, backlog: Backlog, images: Images
) -> None:
    for image_id in [await an_image(images) for _ in range(10)]:
        await claimed(images, image_id)
    await move_time(database, "lease_until", -61)

    taken = await asyncio.gather(*(backlog.rescue([], SILENT_SECONDS) for _ in range(10)))

    assert sorted(image_id for batch in taken for image_id in batch) == list(range(1, 11))
    assert {row["losses"] for row in await database.fetch("SELECT losses FROM images")} == {1}


async def test_an_image_that_is_just_being_finished_is_not_lost(
    database: Database, backlog: Backlog, images: Images
) -> None:
    claim = await claimed(images, await an_image(images))
    await move_time(database, "lease_until", -61)

    async with database.transaction() as connection:
        await connection.execute("SELECT FROM images FOR UPDATE")

        assert await asyncio.wait_for(backlog.rescue([], SILENT_SECONDS), 5) == []
    await images.release(claim, Release(0))
