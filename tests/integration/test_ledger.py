"""The ledger: what is counted is what is there, whoever writes and however long it takes."""

import asyncio
from typing import Final

import pytest
from tests.rows import (
    a_product,
    a_source,
    an_image,
    another_worker,
    claimed,
    finish,
    image_ids,
    renditions_of,
)

from packshot.database import Database
from packshot.images import Images
from packshot.ledger import Ledger
from packshot.lifecycle import GiveUp, Retry
from packshot.products import Products

COUNTED: Final = """
    SELECT subject, error_code, host, amount, source_bytes, rendition_bytes FROM tallies ORDER BY 1, 2, 3"""
GONE: Final = GiveUp("source_gone", "Not there.")


async def counted(ledger: Ledger, database: Database) -> list[tuple[object, ...]]:
    """The tallies as they are kept."""
    await ledger.add_up(older_than_seconds=0)
    return [tuple(row.values()) for row in await database.fetch(COUNTED)]


async def truth(ledger: Ledger, database: Database) -> list[tuple[object, ...]]:
    """The tallies as they are when everything is counted anew."""
    await database.execute("UPDATE tallied SET seen = NULL")
    await ledger.count_all()
    return [tuple(row.values()) for row in await database.fetch(COUNTED)]


@pytest.fixture
async def a_busy_day(products: Products, images: Images, user_id: int) -> list[int]:
    """Every move there is, adding, editing and deleting; returns the products that are left."""
    urls = [f"https://{host}.example/{n}.png" for host in ("a", "b") for n in range(3)]
    ids = [int((await products.add(a_product(user_id, *urls)))["product_id"]) for _ in range(3)]
    for product_id in ids:
        ready, failed, retried, requeued, *_ = await image_ids(products, product_id)
        await finish(images, await claimed(images, ready), data=b"%d" % product_id)
        await images.give_up(await claimed(images, failed), GONE)
        await images.retry(await claimed(images, retried), Retry(1, "source_timeout", "Slow."))
        await images.give_up(await claimed(images, requeued), GONE)
        await images.requeue(requeued)
    await finish(images, await claimed(images, await an_image(images)))
    await products.change(ids[0], {"product_images": [*urls[:2], "https://c.example/new.png"]})
    await products.remove(ids[1])
    return [ids[0], ids[2]]


@pytest.mark.usefixtures("a_busy_day")
async def test_what_is_kept_is_what_counting_anew_finds(ledger: Ledger, database: Database) -> None:
    kept = await counted(ledger, database)

    assert kept == await truth(ledger, database)
    assert {subject for subject, *_ in kept} == {"products", "pending", "ready", "failed"}


async def test_changes_are_added_to_what_was_there(
    a_busy_day: list[int], ledger: Ledger, database: Database, products: Products
) -> None:
    await counted(ledger, database)

    await products.remove(a_busy_day[0])

    assert await counted(ledger, database) == await truth(ledger, database)


async def test_a_change_is_counted_once_however_long_its_transaction_takes(
    products: Products, user_id: int, ledger: Ledger, database: Database
) -> None:
    product_id = (await products.add(a_product(user_id, "https://a.example/1.png")))["product_id"]
    async with database.transaction() as slow:
        await slow.execute("DELETE FROM products WHERE product_id = $1", product_id)
        for _ in range(3):
            await products.add(a_product(user_id, "https://a.example/2.png"))
            before = await counted(ledger, database)
    after = await counted(ledger, database)

    assert [row[3] for row in before] == [4, 4]
    assert [row[3] for row in after] == [3, 3]
    assert await counted(ledger, database) == after


async def test_processes_that_count_at_the_same_time_count_once(
    products: Products, user_id: int, ledger: Ledger, database: Database
) -> None:
    for _ in range(5):
        await products.add(a_product(user_id, "https://a.example/1.png"))

    await asyncio.gather(*(Ledger(database).add_up(older_than_seconds=0) for _ in range(8)))

    assert await counted(ledger, database) == await truth(ledger, database)


async def test_workers_that_move_images_while_they_are_counted_leave_no_difference(
    products: Products, user_id: int, ledger: Ledger, database: Database
) -> None:
    urls = [f"https://a.example/{n}.png" for n in range(40)]
    row = await products.add(a_product(user_id, *urls))

    async def work(ids: list[int], number: int) -> None:
        worker = another_worker(database)
        for image_id in ids:
            claim = await claimed(worker, image_id)
            if image_id % 3:
                await finish(worker, claim, data=b"%d" % number)
            else:
                await worker.give_up(claim, GONE)

    async def count() -> None:
        for _ in range(20):
            await ledger.add_up(older_than_seconds=0)

    ids = await image_ids(products, row["product_id"])
    await asyncio.gather(*(work(ids[n::4], n) for n in range(4)), count())

    kept = await counted(ledger, database)
    assert kept == await truth(ledger, database)


async def test_reprocessed_pictures_are_counted_with_their_new_bytes(
    images: Images, ledger: Ledger, database: Database
) -> None:
    claim = await claimed(images, await an_image(images))
    await finish(images, claim)
    other = renditions_of(a_source()).renditions[1]
    await database.execute("UPDATE renditions SET bytes = 1000 WHERE key = $1", other.key)

    await database.execute("UPDATE images SET rendition_keys = $1", [other.key])

    assert [row[-1] for row in await counted(ledger, database)] == [1000]
    assert await counted(ledger, database) == await truth(ledger, database)


async def test_reprocessing_makes_no_image_ready_twice(
    images: Images, ledger: Ledger, database: Database
) -> None:
    await finish(images, await claimed(images, await an_image(images)))
    await database.execute("UPDATE images SET rendition_keys = rendition_keys[2:]")

    await ledger.add_up(older_than_seconds=0)

    assert [row["images"] for row in await database.fetch("SELECT images FROM ready_minutes")] == [1]


async def test_the_minute_in_which_an_image_became_ready_is_kept(
    images: Images, ledger: Ledger, database: Database
) -> None:
    for _ in range(2):
        await finish(images, await claimed(images, await an_image(images)))
    await ledger.add_up(older_than_seconds=0)

    assert [row["images"] for row in await database.fetch("SELECT images FROM ready_minutes")] == [2]


async def test_tallies_that_are_young_enough_are_left_alone(
    images: Images, ledger: Ledger, database: Database
) -> None:
    await ledger.add_up()
    await an_image(images)

    await ledger.add_up()

    assert await database.fetch(COUNTED) == []


async def test_a_dump_that_was_put_into_another_server_is_counted_anew(
    images: Images, ledger: Ledger, database: Database
) -> None:
    await an_image(images)
    await database.execute("UPDATE tallied SET seen = '90000000:90000000:'")

    await ledger.keep()

    assert [row["amount"] for row in await database.fetch(COUNTED)] == [1]


@pytest.mark.parametrize("seen", ["'1000000001:1000000001:'", "seen"])
async def test_changes_in_a_dump_from_another_server_are_not_counted_each_time(
    images: Images, ledger: Ledger, database: Database, seen: str
) -> None:
    await an_image(images)
    await database.execute("UPDATE changes SET xid = '1000000000'")
    await database.execute(f"UPDATE tallied SET seen = {seen}")  # noqa: S608 - the test's own words

    for _ in range(3):
        await ledger.keep()
        await ledger.add_up(older_than_seconds=0)
        await an_image(images)

    assert await counted(ledger, database) == [("pending", "", "", 4, 0, 0)]
    assert await database.fetch("SELECT FROM changes WHERE xid = '1000000000'") == []


async def test_what_was_added_up_is_forgotten_after_a_while(
    images: Images, ledger: Ledger, database: Database
) -> None:
    await an_image(images)
    await ledger.add_up(older_than_seconds=0)
    await an_image(images)
    await database.execute("UPDATE changes SET at = at - interval '1 hour'")

    await ledger.prune()

    assert len(await database.fetch("SELECT FROM changes")) == 1
    assert [row[3] for row in await counted(ledger, database)] == [2]


async def test_minutes_of_long_ago_are_forgotten(images: Images, ledger: Ledger, database: Database) -> None:
    await database.execute("INSERT INTO ready_minutes VALUES (now() - interval '3 hours', 1)")
    await an_image(images)

    await ledger.add_up(older_than_seconds=0)

    assert await database.fetch("SELECT FROM ready_minutes") == []


async def test_counting_everything_takes_as_long_as_it_takes(
    ledger: Ledger, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "packshot.ledger.COUNT_ALL",
        "INSERT INTO tallies SELECT current_setting('statement_timeout'), '', '', 0, 0, 0",
    )
    await database.execute("UPDATE tallied SET seen = NULL")

    await ledger.count_all()

    assert [row["subject"] for row in await database.fetch("SELECT subject FROM tallies")] == ["0"]
