"""Products and their images: how they are stored, changed and removed."""

from decimal import Decimal

import pytest
from tests.rows import a_product, a_source, claimed, finish, image_ids, renditions_of

from packshot.database import ConstraintViolated, Database
from packshot.errors import InvalidInput, NotFound, StaleClaim
from packshot.images import Images
from packshot.models import Claim
from packshot.products import Products


async def submitted(products: Products, user_id: int, *urls: str) -> int:
    return int((await products.add(a_product(user_id, *urls)))["product_id"])


async def finished(products: Products, images: Images, product_id: int) -> list[str]:
    """Finish all images, each with bytes of its own; return their locations in order."""
    return [
        await finish(images, await claimed(images, image_id), data=str(image_id).encode())
        for image_id in await image_ids(products, product_id)
    ]


async def test_a_product_is_kept_as_submitted(products: Products, user_id: int) -> None:
    added = await products.add(a_product(user_id, "a", "b", name="Shoe", price="19.90"))

    kept = await products.get(added["product_id"])

    assert dict(added) == dict(kept)
    assert (kept["user_id"], kept["product_name"]) == (user_id, "Shoe")
    assert (kept["product_description"], kept["product_images"]) == ("Left and right.", ["a", "b"])


async def test_each_url_is_a_pending_image_at_its_position(products: Products, user_id: int) -> None:
    product = await products.add(a_product(user_id, "a", "b", "c"))

    assert product["state"] == "pending"
    assert product["compressed_product_images"] == [None, None, None]
    assert [
        (image["position"], image["source_url"], image["state"], image["attempt"], image["max_attempts"])
        for image in product["images"]
    ] == [(0, "a", "pending", 0, 5), (1, "b", "pending", 0, 5), (2, "c", "pending", 0, 5)]


async def test_a_url_that_stands_twice_is_two_images(products: Products, user_id: int) -> None:
    product = await products.add(a_product(user_id, "a", "a"))

    assert len({image["image_id"] for image in product["images"]}) == 2


async def test_a_product_without_images_has_nothing_left_to_do(products: Products, user_id: int) -> None:
    product = await products.add(a_product(user_id))

    assert (product["state"], product["images"], product["compressed_product_images"]) == ("ready", [], [])
    assert dict(await products.get(product["product_id"])) == dict(product)


async def test_two_hundred_images_are_the_most(products: Products, user_id: int) -> None:
    urls = [f"https://shop.example/{n}.png" for n in range(201)]

    product = await products.add(a_product(user_id, *urls[:200]))

    assert [image["source_url"] for image in product["images"]] == urls[:200]
    with pytest.raises(ConstraintViolated):
        await products.add(a_product(user_id, *urls))


@pytest.mark.parametrize("price", ["0", "19.90", "0.0001", "999999999999.9999"])
async def test_a_price_is_exact(products: Products, user_id: int, price: str) -> None:
    product = await products.add(a_product(user_id, price=price))

    assert str(product["product_price"]) == price


@pytest.mark.parametrize("price", ["-0.01", "1000000000000", "NaN", "Infinity"])
async def test_the_database_refuses_a_price_that_makes_no_sense(
    products: Products, user_id: int, price: str
) -> None:
    with pytest.raises(ConstraintViolated):
        await products.add(a_product(user_id, price=price))


async def test_a_product_of_nobody_is_refused_and_leaves_nothing(
    database: Database, products: Products
) -> None:
    with pytest.raises(InvalidInput, match="no user 7") as error:
        await products.add(a_product(7, "a"))

    assert error.value.field == "user_id"
    assert await database.fetch("SELECT FROM images") == []


async def test_a_product_that_is_not_there_is_named(products: Products) -> None:
    for attempt in (
        products.get(7),
        products.change(7, {"product_name": "Boot"}),
        products.remove(7),
        products.add_image(7, "a"),
    ):
        with pytest.raises(NotFound, match="no product 7"):
            await attempt


async def test_an_image_is_added_at_the_end(products: Products, images: Images, user_id: int) -> None:
    product_id = await submitted(products, user_id, "a")
    [location] = await finished(products, images, product_id)

    image_id = await products.add_image(product_id, "b")

    product = await products.get(product_id)
    assert product["product_images"] == ["a", "b"]
    assert product["compressed_product_images"] == [location, None]
    assert (product["images"][1]["image_id"], product["images"][1]["position"]) == (image_id, 1)


async def test_a_full_product_takes_no_other_image(products: Products, user_id: int) -> None:
    product_id = await submitted(products, user_id, *"a" * 200)

    with pytest.raises(InvalidInput, match="200 images already") as error:
        await products.add_image(product_id, "b")

    assert error.value.field == "product_id"


async def test_what_is_not_changed_stays(products: Products, images: Images, user_id: int) -> None:
    product_id = await submitted(products, user_id, "a", "b")
    await finished(products, images, product_id)
    before = dict(await products.get(product_id))

    sources = await products.change(product_id, {"product_price": Decimal("7.50")})

    after = dict(await products.get(product_id))
    assert sources == []
    assert after.pop("updated_at") > before.pop("updated_at")
    assert after == {**before, "product_price": Decimal("7.50")}


async def test_a_product_cannot_be_given_to_nobody(products: Products, user_id: int) -> None:
    product_id = await submitted(products, user_id, "a")

    with pytest.raises(InvalidInput, match="no user 7") as error:
        await products.change(product_id, {"user_id": 7, "product_images": []})

    assert error.value.field == "user_id"
    assert (await products.get(product_id))["product_images"] == ["a"]


async def test_an_image_whose_url_stays_keeps_its_result_wherever_it_moves(
    products: Products, images: Images, user_id: int
) -> None:
    product_id = await submitted(products, user_id, "a", "b", "a", "c")
    first_a, _, second_a, c = await finished(products, images, product_id)
    ids = await image_ids(products, product_id)

    await products.change(product_id, {"product_images": ["c", "a", "new", "a"]})

    product = await products.get(product_id)
    assert product["product_images"] == ["c", "a", "new", "a"]
    assert product["compressed_product_images"] == [c, first_a, None, second_a]
    assert [image["source_url"] for image in product["images"]] == product["product_images"]
    assert [image["state"] for image in product["images"]] == ["ready", "ready", "pending", "ready"]
    kept = [image["image_id"] for image in product["images"]]
    assert [kept[0], kept[1], kept[3]] == [ids[3], ids[0], ids[2]]


async def test_the_sources_that_lost_an_image_are_returned(
    products: Products, images: Images, user_id: int
) -> None:
    product_id = await submitted(products, user_id, "a", "b", "c")
    first, second, third = await image_ids(products, product_id)
    for image_id in (first, third):
        await finish(images, await claimed(images, image_id), b"same bytes")

    assert await products.change(product_id, {"product_images": ["a"]}) == [a_source(b"same bytes").sha256]
    assert await image_ids(products, product_id) == [first]
    assert await products.change(product_id, {"product_images": ["a", "b"]}) == []
    assert second not in await image_ids(products, product_id)


async def finish_late(images: Images, claim: Claim) -> None:
    await images.finish(claim, renditions_of(a_source()), "/store/late.avif", {})


async def test_a_result_for_a_url_that_was_removed_is_discarded(
    products: Products, images: Images, user_id: int
) -> None:
    product_id = await submitted(products, user_id, "a", "b")
    claim = await claimed(images, (await image_ids(products, product_id))[0])
    await images.note_source(claim, a_source())

    await products.change(product_id, {"product_images": ["b", "b"]})

    with pytest.raises(StaleClaim):
        await finish_late(images, claim)
    assert (await products.get(product_id))["compressed_product_images"] == [None, None]


async def test_a_result_follows_its_image_to_a_new_position(
    products: Products, images: Images, user_id: int
) -> None:
    product_id = await submitted(products, user_id, "a", "b")
    claim = await claimed(images, (await image_ids(products, product_id))[0])

    await products.change(product_id, {"product_images": ["new", "b", "a"]})

    location = await finish(images, claim)
    assert (await products.get(product_id))["compressed_product_images"] == [None, None, location]


async def test_a_product_is_removed_with_everything(
    database: Database, products: Products, images: Images, user_id: int
) -> None:
    product_id = await submitted(products, user_id, "a", "b")
    ready, late = await image_ids(products, product_id)
    await finish(images, await claimed(images, ready), b"shoe")
    claim = await claimed(images, late)

    assert await products.remove(product_id) == [a_source(b"shoe").sha256]

    assert await database.fetch("SELECT FROM images") == []
    with pytest.raises(StaleClaim):
        await finish_late(images, claim)
