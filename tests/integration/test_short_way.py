"""Hints go the short way, into the local queue, whenever the long one over the broker does not do."""

from pathlib import Path
from uuid import uuid4

import pytest
from tests.post import ROOM, Post, a_sweeper
from tests.rows import an_image, claimed, move_time

from packshot.backlog import SMALLEST_WINDOW, Backlog
from packshot.database import Database
from packshot.errors import ServiceUnavailable
from packshot.images import Images
from packshot.models import Worker
from packshot.sweeper import LOST_MESSAGE_SECONDS
from packshot.workers import Desk, Workers


async def published(backlog: Backlog, images: Images, count: int) -> list[int]:
    """Images whose messages are out; their ids."""
    image_ids = [await an_image(images) for _ in range(count)]
    assert len(await backlog.publish_due(count)) == count
    return image_ids


async def test_what_is_due_goes_to_the_broker_while_it_is_there(
    database: Database, desk: Desk, images: Images
) -> None:
    broker, local = Post(), Post()
    image_id = await an_image(images)

    await a_sweeper(database, desk, broker, local).publish()

    assert (broker.arrived, local.arrived) == ([image_id], [])


async def test_what_is_due_goes_the_short_way_while_the_broker_is_away(
    database: Database, desk: Desk, images: Images
) -> None:
    broker, local = Post(is_away=True), Post()
    image_id = await an_image(images)

    await a_sweeper(database, desk, broker, local).publish()

    assert (broker.arrived, local.arrived) == ([], [image_id])


async def test_a_broker_that_comes_back_is_used_again(database: Database, desk: Desk, images: Images) -> None:
    broker, local = Post(is_away=True), Post()
    sweeper = a_sweeper(database, desk, broker, local)
    await sweeper.publish()

    broker.is_away = False
    image_id = await an_image(images)
    await sweeper.publish()

    assert (broker.arrived, local.arrived) == ([image_id], [])


async def test_what_was_on_its_way_when_the_broker_left_is_handed_out_at_once(
    database: Database, desk: Desk, images: Images
) -> None:
    broker, local = Post(), Post()
    sweeper = a_sweeper(database, desk, broker, local)
    image_id = await an_image(images)
    await sweeper.publish()

    broker.is_away = True
    await sweeper.publish()
    await sweeper.rescue()

    assert local.arrived == [image_id]


async def test_what_went_the_short_way_is_not_handed_out_twice(
    database: Database, desk: Desk, images: Images
) -> None:
    broker, local = Post(), Post()
    sweeper = a_sweeper(database, desk, broker, local)
    await sweeper.publish()
    broker.is_away = True
    await sweeper.publish()
    image_id = await an_image(images)

    await sweeper.publish()
    await sweeper.rescue()

    assert local.arrived == [image_id]


async def test_a_broker_that_was_never_there_has_swallowed_nothing_of_late(
    database: Database, desk: Desk, images: Images, backlog: Backlog
) -> None:
    local = Post()
    sweeper = a_sweeper(database, desk, Post(is_away=True), local)
    await published(backlog, images, 1)

    await sweeper.publish()
    await sweeper.rescue()

    assert local.arrived == []


async def test_a_message_that_takes_too_long_goes_the_short_way_and_the_broker_is_doubted(
    database: Database, desk: Desk, images: Images, backlog: Backlog
) -> None:
    broker, local = Post(), Post()
    old, _ = await published(backlog, images, 2)
    await move_time(database, "published_at", -LOST_MESSAGE_SECONDS, old)

    await a_sweeper(database, desk, broker, local).rescue()

    assert (broker.arrived, broker.doubts) == ([], 1)
    assert local.arrived == [old]


async def test_a_broker_that_delivers_in_time_is_not_doubted(
    database: Database, desk: Desk, images: Images, backlog: Backlog
) -> None:
    broker, local = Post(), Post()
    await published(backlog, images, 1)
    await move_time(database, "published_at", 5 - LOST_MESSAGE_SECONDS)

    await a_sweeper(database, desk, broker, local).rescue()

    assert (broker.doubts, local.arrived) == (0, [])


async def test_no_more_goes_the_short_way_than_there_is_room_for(
    database: Database, desk: Desk, images: Images, backlog: Backlog
) -> None:
    local = Post()
    await published(backlog, images, ROOM + 1)
    await move_time(database, "published_at", -LOST_MESSAGE_SECONDS)

    await a_sweeper(database, desk, Post(), local).rescue()

    assert len(local.arrived) == ROOM


async def test_nothing_is_published_beyond_the_window(
    database: Database, desk: Desk, images: Images, backlog: Backlog
) -> None:
    broker = Post()
    for _ in range(SMALLEST_WINDOW + 5):
        await an_image(images)

    await a_sweeper(database, desk, broker).publish()

    assert len(broker.arrived) == SMALLEST_WINDOW
    assert len(await backlog.publish_due(100)) == 5


async def test_an_image_that_is_claimed_makes_room_in_the_window(
    database: Database, desk: Desk, images: Images
) -> None:
    broker = Post()
    sweeper = a_sweeper(database, desk, broker)
    for _ in range(SMALLEST_WINDOW + 5):
        await an_image(images)
    await sweeper.publish()

    for image_id in broker.arrived[:3]:
        await claimed(images, image_id)
    await sweeper.publish()

    assert len(broker.arrived) == SMALLEST_WINDOW + 3


async def test_the_window_is_not_for_the_short_way(database: Database, desk: Desk, images: Images) -> None:
    local = Post()
    for _ in range(SMALLEST_WINDOW + 5):
        await an_image(images)

    await a_sweeper(database, desk, Post(is_away=True), local).publish()

    assert len(local.arrived) == SMALLEST_WINDOW + 5


async def test_what_an_earlier_process_had_queued_in_itself_is_taken_over_at_once(
    database: Database, desk: Desk, images: Images, backlog: Backlog
) -> None:
    local = Post()
    earlier = await published(backlog, images, 3)

    await a_sweeper(database, desk, local, local).rescue()

    assert sorted(local.arrived) == earlier


async def test_what_a_process_has_queued_in_itself_is_not_queued_again(
    database: Database, desk: Desk, images: Images
) -> None:
    local = Post()
    sweeper = a_sweeper(database, desk, local, local)
    image_id = await an_image(images)
    await sweeper.publish()

    await sweeper.rescue()

    assert local.arrived == [image_id]


async def test_what_a_neighbour_had_queued_in_itself_when_it_died_is_taken_over_at_once(
    database: Database, desk: Desk, images: Images, backlog: Backlog, tmp_path: Path
) -> None:
    local = Post()
    sweeper = a_sweeper(database, desk, local, local)
    its_own = await published(backlog, images, 1)
    folder = tmp_path / "data" / "work" / str(uuid4())
    folder.mkdir(parents=True)
    (folder / "lock").touch()

    await sweeper.rescue()

    assert local.arrived == its_own


async def test_an_image_that_the_short_way_refuses_is_due_again_at_once(
    database: Database, desk: Desk, images: Images, backlog: Backlog
) -> None:
    local = Post(refusals=1)
    sweeper = a_sweeper(database, desk, Post(), local)
    old = await published(backlog, images, 1)
    await move_time(database, "published_at", -LOST_MESSAGE_SECONDS)

    with pytest.raises(ServiceUnavailable):
        await sweeper.rescue()

    assert [hint.image_id for hint in await backlog.publish_due(1)] == old


async def test_the_window_grows_with_the_workers(
    database: Database, desk: Desk, images: Images, workers: Workers
) -> None:
    broker = Post()
    await workers.heartbeat(Worker(uuid4(), "host", 1, SMALLEST_WINDOW), {})
    for _ in range(SMALLEST_WINDOW + 5):
        await an_image(images)

    await a_sweeper(database, desk, broker).publish()

    assert len(broker.arrived) == SMALLEST_WINDOW + 5
