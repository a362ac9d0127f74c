"""What webhooks are told of: written by the transaction that changes something, once, and by nobody else."""

import asyncio
from typing import Any

import pytest
from tests.mail import told, types_told, webhooks_of
from tests.rows import (
    a_product,
    an_image,
    another_worker,
    claimed,
    eventually,
    finish,
    move_time,
    somebody_waits,
)

from packshot.backlog import Backlog
from packshot.database import Database
from packshot.images import Images
from packshot.lifecycle import GiveUp
from packshot.models import Claim
from packshot.products import Products

GONE = GiveUp("source_gone", "shop.example answers 404.")
URL = "https://shop.example/hook"
FAIL = """
    UPDATE images SET state = 'failed', error_code = 'x', worker_id = NULL, lease_until = NULL
     WHERE image_id = $1"""


@pytest.fixture(autouse=True)
async def webhook_id(database: Database) -> int:
    """Somebody who wants to know everything."""
    return int((await webhooks_of(database).add(URL))["webhook_id"])


async def claims_of(products: Products, images: Images, user_id: int, count: int = 2) -> list[Claim]:
    product = await products.add(a_product(user_id, *(f"https://shop.example/{n}" for n in range(count))))
    return [await claimed(images, image["image_id"]) for image in product["images"]]


async def completions(database: Database) -> list[dict[str, Any]]:
    return [row["data"] for row in await told(database) if row["type"] == "product.completed"]


async def test_an_image_that_is_ready_is_told_with_its_renditions(database: Database, images: Images) -> None:
    image_id = await an_image(images, "https://shop.example/shoe.png")
    await finish(images, await claimed(images, image_id))

    (row,) = await told(database)

    assert (row["type"], row["state"], row["data"]["image_id"]) == ("image.ready", "pending", image_id)
    assert [one["format"] for one in row["data"]["renditions"]] == ["avif", "jpeg"]


async def test_an_image_that_is_given_up_is_told_with_its_error(database: Database, images: Images) -> None:
    await images.give_up(await claimed(images, await an_image(images)), GONE)

    (row,) = await told(database)

    assert row["type"] == "image.failed"
    assert row["data"]["error_code"] == "source_gone"
    assert row["data"]["error_message"] == "shop.example answers 404."


async def test_an_image_that_killed_its_workers_is_told_by_whoever_finds_out(
    database: Database, images: Images, backlog: Backlog
) -> None:
    image_id = await an_image(images)
    await database.execute("UPDATE images SET losses = 2")
    await claimed(images, image_id)
    await move_time(database, "lease_until", -120)

    await backlog.rescue((), 0)

    assert await types_told(database) == ["image.failed"]


async def test_what_is_tried_again_is_not_told(database: Database, images: Images) -> None:
    image_id = await an_image(images)
    await images.give_up(await claimed(images, image_id), GONE)

    await images.requeue(image_id)
    await images.release_held()

    assert await types_told(database) == ["image.failed"]


async def test_a_change_that_is_rolled_back_was_never_told(database: Database, images: Images) -> None:
    claim = await claimed(images, await an_image(images))

    async with database.transaction() as connection:
        await connection.execute(FAIL, claim.image_id)
        await connection.execute("ROLLBACK")

    assert await told(database) == []


async def test_each_webhook_is_told_of_what_it_asked_for(database: Database, images: Images) -> None:
    other = await webhooks_of(database).add(URL, ["image.ready"])
    await finish(images, await claimed(images, await an_image(images)))
    await images.give_up(await claimed(images, await an_image(images)), GONE)

    rows = await told(database)

    assert [row["type"] for row in rows if row["webhook_id"] == other["webhook_id"]] == ["image.ready"]
    assert len({row["event_id"] for row in rows}) == 2  # the same for both who are told


async def test_a_product_is_completed_when_its_last_image_ends(
    database: Database, products: Products, images: Images, user_id: int
) -> None:
    first, last = await claims_of(products, images, user_id)
    await finish(images, first)
    assert await completions(database) == []

    await images.give_up(last, GONE)

    assert await completions(database) == [{"product_id": first.product_id, "ready": 1, "failed": 1}]


@pytest.mark.parametrize("ends", ["finish", "give_up"])
async def test_two_last_images_that_end_together_complete_the_product_once(
    database: Database, products: Products, images: Images, user_id: int, ends: str
) -> None:
    first, last = await claims_of(products, images, user_id)
    async with database.transaction() as connection:
        await connection.execute(FAIL, first.image_id)
        end = finish(images, last) if ends == "finish" else images.give_up(last, GONE)
        ending = asyncio.create_task(end)
        await eventually(lambda: somebody_waits(database))
    await ending

    assert len(await completions(database)) == 1


async def test_twenty_images_that_end_at_once_complete_the_product_once(
    database: Database, products: Products, images: Images, user_id: int
) -> None:
    claims = await claims_of(products, images, user_id, 20)

    await asyncio.gather(
        *(finish(images, claim, str(claim.image_id).encode()) for claim in claims[::2]),
        *(images.give_up(claim, GONE) for claim in claims[1::2]),
    )

    assert await completions(database) == [{"product_id": claims[0].product_id, "ready": 10, "failed": 10}]


async def test_images_that_one_sweep_fails_complete_their_products_once_in_the_products_order(
    database: Database, products: Products, images: Images, user_id: int, backlog: Backlog
) -> None:
    ids = [(await products.add(a_product(user_id)))["product_id"] for _ in range(3)]
    for product_id in (ids[1], ids[2], ids[0]):
        for url in ("https://shop.example/1", "https://shop.example/2"):
            await claimed(images, await products.add_image(product_id, url))
    await database.execute("UPDATE images SET losses = 2")
    await move_time(database, "lease_until", -120)

    await backlog.rescue((), 0)

    assert await completions(database) == [
        {"product_id": product_id, "ready": 0, "failed": 2} for product_id in ids
    ]


async def test_each_change_that_gives_a_product_work_is_completed_once_more(
    database: Database, products: Products, images: Images, user_id: int
) -> None:
    (claim,) = await claims_of(products, images, user_id, 1)
    await images.give_up(claim, GONE)
    assert claim.product_id

    await images.requeue(claim.image_id)
    await finish(images, await claimed(images, claim.image_id))
    added = await products.add_image(claim.product_id, "https://shop.example/more")
    await finish(images, await claimed(images, added), b"more")
    await products.change(claim.product_id, {"product_images": ["https://shop.example/other"]})
    (other,) = (await products.get(claim.product_id))["images"]
    await finish(images, await claimed(images, other["image_id"]), b"other")

    assert [(one["ready"], one["failed"]) for one in await completions(database)] == [
        (0, 1),
        (1, 0),
        (2, 0),
        (1, 0),
    ]


async def test_a_change_that_gives_no_work_is_not_told(
    database: Database, products: Products, images: Images, user_id: int
) -> None:
    (claim,) = await claims_of(products, images, user_id, 1)
    await finish(images, claim)
    assert claim.product_id

    await products.change(claim.product_id, {"product_price": 3})
    await products.change(claim.product_id, {"product_images": []})
    await products.add(a_product(user_id))

    assert len(await completions(database)) == 1


async def test_whoever_removes_the_last_image_to_be_done_completes_the_product(
    database: Database, products: Products, images: Images, user_id: int
) -> None:
    done, _, _ = await claims_of(products, images, user_id, 3)
    await finish(images, done)
    assert done.product_id

    await products.change(done.product_id, {"product_images": ["https://shop.example/0"]})

    assert await completions(database) == [{"product_id": done.product_id, "ready": 1, "failed": 0}]


async def test_a_product_that_is_deleted_is_not_completed(
    database: Database, products: Products, images: Images, user_id: int
) -> None:
    claim, _ = await claims_of(products, images, user_id)
    assert claim.product_id

    await products.remove(claim.product_id)

    assert await completions(database) == []


async def test_who_ends_an_image_while_a_webhook_is_removed_tells_the_others(
    database: Database, images: Images, webhook_id: int
) -> None:
    claim = await claimed(images, await an_image(images))
    other = await webhooks_of(database).add(URL)
    async with database.transaction() as connection:
        await connection.execute("DELETE FROM webhooks WHERE webhook_id = $1", webhook_id)
        ending = asyncio.create_task(finish(images, claim))
        await eventually(lambda: somebody_waits(database))
    await ending

    assert [row["webhook_id"] for row in await told(database)] == [other["webhook_id"]]


async def test_without_webhooks_nothing_is_written(
    database: Database, products: Products, user_id: int, webhook_id: int
) -> None:
    await webhooks_of(database).remove(webhook_id)
    images = another_worker(database)
    for claim in await claims_of(products, images, user_id):
        await finish(images, claim)

    assert await told(database) == []
