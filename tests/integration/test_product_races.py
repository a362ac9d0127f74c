"""Moves and edits of one product that happen at the same moment."""

import asyncio
from collections.abc import Sequence

from tests.rows import a_product, another_worker, claimed, eventually, finish, image_ids, somebody_waits

from packshot.database import Database
from packshot.errors import StaleClaim
from packshot.images import Images
from packshot.models import Claim
from packshot.products import Products


async def claims_of(products: Products, images: Images, user_id: int, count: int) -> list[Claim]:
    """Submit a product of that many images and claim them all."""
    product = await products.add(a_product(user_id, *(f"url {n}" for n in range(count))))
    return [await claimed(images, image["image_id"]) for image in product["images"]]


async def finish_all(images: Sequence[Images], claims: Sequence[Claim]) -> list[str]:
    """Finish the claims at the same time; return their locations in order."""
    return await asyncio.gather(
        *(
            finish(worker, claim, data=str(claim.image_id).encode())
            for worker, claim in zip(images, claims, strict=True)
        )
    )


async def test_images_that_finish_together_all_find_their_way_into_the_product(
    database: Database, products: Products, user_id: int
) -> None:
    workers = [another_worker(database) for _ in range(20)]
    product = await products.add(a_product(user_id, *(f"url {n}" for n in range(20))))
    claims = [
        await claimed(worker, image["image_id"])
        for worker, image in zip(workers, product["images"], strict=True)
    ]

    locations = await finish_all(workers, claims)

    product = await products.get(product["product_id"])
    assert product["compressed_product_images"] == locations
    assert product["state"] == "ready"


async def test_a_result_that_waits_for_an_edit_lands_where_the_edit_put_its_image(
    database: Database, products: Products, images: Images, user_id: int
) -> None:
    first, _ = claims = await claims_of(products, images, user_id, 2)
    assert first.product_id
    async with database.transaction() as edit:
        await edit.execute("SELECT FROM products FOR UPDATE")
        finishing = asyncio.create_task(finish(images, first))
        await eventually(lambda: somebody_waits(database))
        await edit.execute("UPDATE images SET position = 1 - position")
        await edit.execute("UPDATE products SET product_images = '{url 1,url 0}'")

    location = await finishing

    product = await products.get(first.product_id)
    assert [image["image_id"] for image in product["images"]] == [claims[1].image_id, first.image_id]
    assert product["compressed_product_images"] == [None, location]


async def test_edits_and_results_in_any_order_leave_every_result_with_its_image(
    products: Products, images: Images, user_id: int
) -> None:
    claims = await claims_of(products, images, user_id, 12)
    product_id = claims[0].product_id
    assert product_id
    urls = [f"url {n}" for n in range(12)]
    orders = [urls[n:] + urls[:n] for n in range(10)]

    locations, *_ = await asyncio.gather(
        finish_all([images] * 12, claims),
        *(products.change(product_id, {"product_images": order}) for order in orders),
    )

    product = await products.get(product_id)
    location_of = {claim.image_id: location for claim, location in zip(claims, locations, strict=True)}
    assert product["compressed_product_images"] == [
        location_of[image["image_id"]] for image in product["images"]
    ]
    assert [image["source_url"] for image in product["images"]] == product["product_images"]


async def test_a_product_removed_among_its_results_is_gone(
    products: Products, images: Images, user_id: int
) -> None:
    claims = await claims_of(products, images, user_id, 10)
    product_id = claims[0].product_id
    assert product_id

    outcomes = await asyncio.gather(
        *(finish(images, claim) for claim in claims[:5]),
        products.remove(product_id),
        *(finish(images, claim) for claim in claims[5:]),
        return_exceptions=True,
    )

    assert {type(outcome) for outcome in outcomes if isinstance(outcome, Exception)} <= {StaleClaim}
    assert [await images.claim(claim.image_id) for claim in claims] == [None] * 10


async def test_images_added_at_once_all_have_a_place(products: Products, user_id: int) -> None:
    product = await products.add(a_product(user_id, "first"))
    product_id = product["product_id"]

    added = await asyncio.gather(*(products.add_image(product_id, f"url {n}") for n in range(10)))

    assert sorted(added) == sorted((await image_ids(products, product_id))[1:])
    assert len((await products.get(product_id))["product_images"]) == 11
