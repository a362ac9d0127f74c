"""What is due is published once, and again when its message is lost."""

import asyncio
from collections.abc import Sequence
from decimal import Decimal
from uuid import uuid4

import pytest
from tests.rows import (
    a_product,
    an_image,
    claimed,
    eventually,
    finish,
    image_ids,
    move_time,
    somebody_waits,
    state_of,
)

from packshot.backlog import Backlog
from packshot.database import Database
from packshot.images import Images
from packshot.lifecycle import GiveUp, Retry
from packshot.models import Hint, Worker
from packshot.products import Products
from packshot.workers import Workers


async def some_images(images: Images, count: int) -> list[int]:
    return [await an_image(images) for _ in range(count)]


def ids(hints: Sequence[Hint]) -> list[int]:
    return sorted(hint.image_id for hint in hints)


async def test_a_hint_names_the_product_and_the_image(
    backlog: Backlog, products: Products, images: Images, user_id: int
) -> None:
    product = await products.add(a_product(user_id, "a"))
    alone = await an_image(images)
    of_product = product["images"][0]["image_id"]

    hints = await backlog.publish_due(10)

    assert set(hints) == {Hint(product["product_id"], of_product), Hint(None, alone)}


async def test_what_is_published_is_not_published_again(backlog: Backlog, images: Images) -> None:
    await an_image(images)

    assert len(await backlog.publish_due(10)) == 1
    assert await backlog.publish_due(10) == []


async def test_only_what_is_pending_and_due_is_published(
    database: Database, backlog: Backlog, images: Images
) -> None:
    later, ready, failed, in_hand = [await claimed(images, n) for n in await some_images(images, 4)]
    await images.retry(later, Retry(3600, "source_timeout", "Too slow."))
    await finish(images, ready)
    await images.give_up(failed, GiveUp("source_gone", "Not there."))

    assert await backlog.publish_due(10) == []

    await move_time(database, "due_at", -3601)
    assert ids(await backlog.publish_due(10)) == [later.image_id]
    assert await state_of(images, in_hand.image_id) == "processing"


async def test_the_longest_due_go_first_and_no_more_than_asked_for(
    database: Database, backlog: Backlog, images: Images
) -> None:
    new, oldest, old = await some_images(images, 3)
    await move_time(database, "due_at", -20, oldest)
    await move_time(database, "due_at", -10, old)

    assert ids(await backlog.publish_due(2)) == [oldest, old]
    assert ids(await backlog.publish_due(2)) == [new]


async def test_publishers_never_get_the_same_image(backlog: Backlog, images: Images) -> None:
    await asyncio.gather(*(an_image(images) for _ in range(100)))

    batches = await asyncio.gather(*(backlog.publish_due(7) for _ in range(20)))

    published = [hint.image_id for batch in batches for hint in batch]
    published += ids(await backlog.publish_due(100))
    assert sorted(published) == list(range(1, 101))
    assert max(len(batch) for batch in batches) <= 7


async def test_an_image_that_somebody_moves_is_left_to_them(
    database: Database, backlog: Backlog, images: Images
) -> None:
    moving, other = await some_images(images, 2)

    async with database.transaction() as connection:
        await connection.execute("SELECT FROM images WHERE image_id = $1 FOR UPDATE", moving)

        assert ids(await backlog.publish_due(2)) == [other]


async def test_what_the_broker_refused_is_due_again(backlog: Backlog, images: Images) -> None:
    await some_images(images, 3)
    hints = await backlog.publish_due(3)

    await backlog.unpublish(hints[:2])

    assert ids(await backlog.publish_due(3)) == ids(hints[:2])


async def test_messages_that_are_overdue_are_given_out_the_oldest_first_and_no_more_than_asked_for(
    database: Database, backlog: Backlog, images: Images
) -> None:
    young, oldest, old = await some_images(images, 3)
    await backlog.publish_due(3)
    for seconds, image_id in ((-29, young), (-50, oldest), (-40, old)):
        await move_time(database, "published_at", seconds, image_id)

    assert ids(await backlog.publish_overdue(1, 30)) == [oldest]
    assert ids(await backlog.publish_overdue(10, 30)) == [old]


async def test_a_message_that_is_overdue_is_given_out_once(
    database: Database, backlog: Backlog, images: Images
) -> None:
    await some_images(images, 10)
    await backlog.publish_due(10)
    await move_time(database, "published_at", -60)

    batches = await asyncio.gather(*(backlog.publish_overdue(10, 30) for _ in range(5)))

    assert sorted(image_id for batch in batches for image_id in ids(batch)) == list(range(1, 11))
    assert await backlog.publish_overdue(10, 30) == []


async def test_an_overdue_image_that_somebody_moves_is_left_to_them(
    database: Database, backlog: Backlog, images: Images
) -> None:
    moving, other = await some_images(images, 2)
    await backlog.publish_due(2)

    async with database.transaction() as connection:
        await connection.execute("SELECT FROM images WHERE image_id = $1 FOR UPDATE", moving)

        assert ids(await backlog.publish_overdue(2, 0)) == [other]


async def test_only_what_is_pending_is_overdue(backlog: Backlog, images: Images) -> None:
    (in_hand,) = await some_images(images, 1)
    await backlog.publish_due(1)
    await claimed(images, in_hand)
    await some_images(images, 1)

    assert await backlog.publish_overdue(10, 0) == []


@pytest.mark.parametrize(
    ("slots", "window"), [((), 32), ((1, 2), 32), ((8,), 32), ((9,), 36), ((100, 50), 600)]
)
async def test_the_window_is_four_times_what_the_workers_can_hold(
    backlog: Backlog, workers: Workers, slots: Sequence[int], window: int
) -> None:
    for count in slots:
        await workers.heartbeat(Worker(uuid4(), "host", 1, count), {})

    assert await backlog.window_left() == window


async def test_the_window_does_not_count_on_silent_workers(
    database: Database, backlog: Backlog, workers: Workers
) -> None:
    await workers.heartbeat(Worker(uuid4(), "host", 1, 100), {})
    await database.execute("UPDATE workers SET last_seen = now() - interval '31 seconds'")

    assert await backlog.window_left() == 32


async def test_the_window_is_smaller_by_what_is_out(backlog: Backlog, images: Images) -> None:
    await some_images(images, 50)
    await backlog.publish_due(20)
    await claimed(images, 1)

    assert await backlog.window_left() == 32 - 19

    await backlog.publish_due(30)
    assert await backlog.window_left() == 0


async def test_taking_marks_back_does_not_wait_for_an_edit(
    database: Database, backlog: Backlog, images: Images
) -> None:
    edited, other = await some_images(images, 2)
    hints = await backlog.publish_due(2)

    async with database.transaction() as edit:
        await edit.execute("SELECT FROM images WHERE image_id = $1 FOR UPDATE", edited)
        await asyncio.wait_for(backlog.unpublish(hints), 5)
        assert ids(await backlog.publish_due(2)) == [other]


@pytest.mark.parametrize("busy", [0, 1])
async def test_retrying_everything_during_an_edit_ends_well(
    database: Database, products: Products, images: Images, user_id: int, busy: int
) -> None:
    product_id = (await products.add(a_product(user_id, "a", "b")))["product_id"]
    both = await image_ids(products, product_id)
    for image_id in both:
        await images.give_up(await claimed(images, image_id), GiveUp("source_gone", "Not there."))
    await products.change(product_id, {"product_images": ["b", "a"]})

    async with database.transaction() as connection:
        await connection.execute("SELECT FROM images WHERE image_id = $1 FOR UPDATE", both[busy])
        retrying = asyncio.create_task(images.requeue_failed())
        await eventually(lambda: somebody_waits(database))
        editing = asyncio.create_task(products.change(product_id, {"product_price": Decimal(1)}))
        await eventually(lambda: somebody_waits(database, 2))

    assert await retrying == 2
    await editing


async def test_the_summary_counts_everything(
    database: Database, backlog: Backlog, workers: Workers, products: Products, images: Images, user_id: int
) -> None:
    await workers.heartbeat(Worker(uuid4(), "host", 1, 4), {})
    await products.add(a_product(user_id, *"abcde"))
    for image_id, code in ((1, "source_gone"), (2, "source_gone"), (3, "not_an_image")):
        await images.give_up(await claimed(images, image_id), GiveUp(code, "No."))
    await claimed(images, 4)
    await move_time(database, "due_at", -10, 5)

    summary = await backlog.summary()

    assert summary["products"] == 1
    assert summary["images"] == {"failed": 3, "processing": 1, "pending": 1}
    assert summary["failures"] == {"source_gone": 2, "not_an_image": 1}
    assert 10 <= summary["oldest_due_seconds"] < 60
    assert [worker["slots"] for worker in summary["workers"]] == [4]


async def test_a_silent_worker_does_not_count(database: Database, backlog: Backlog, workers: Workers) -> None:
    await workers.heartbeat(Worker(uuid4(), "host", 1, 4), {})
    await database.execute("UPDATE workers SET last_seen = now() - interval '31 seconds'")

    assert (await backlog.summary())["workers"] == []


async def test_the_summary_of_nothing_is_zero(backlog: Backlog) -> None:
    summary = await backlog.summary()

    assert dict(summary) == {
        "products": 0,
        "images": {},
        "failures": {},
        "oldest_due_seconds": 0,
        "workers": [],
    }
