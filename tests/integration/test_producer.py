"""What people want done: the rows are changed, then the sweeper is woken, and files follow."""

from pathlib import Path

import pytest
from tests.kitchen import MakePipeline
from tests.rows import a_product, an_image, claimed, files_in

from packshot.batches import Batches
from packshot.collector import Collector
from packshot.database import Database
from packshot.errors import Conflict, InvalidInput, NotFound
from packshot.images import Images
from packshot.lifecycle import GiveUp
from packshot.producer import Producer
from packshot.products import Products


class Bell:
    """Counts how often it rings."""

    def __init__(self) -> None:
        self.rings = 0

    def __call__(self) -> None:
        self.rings += 1


@pytest.fixture
def bell() -> Bell:
    return Bell()


@pytest.fixture
def producer(
    database: Database, products: Products, images: Images, collector: Collector, bell: Bell
) -> Producer:
    return Producer(products, Batches(database, max_attempts=5), images, collector, bell)


async def in_the_store(make_pipeline: MakePipeline, images: Images, *image_ids: int) -> None:
    """Let a worker make these images ready."""
    for image_id in image_ids:
        await make_pipeline().process(await claimed(images, image_id))


async def failed(images: Images, code: str = "source_gone") -> int:
    claim = await claimed(images, await an_image(images))
    await images.give_up(claim, GiveUp(code, "Not there."))
    return claim.image_id


async def test_a_submitted_product_is_stored_and_announced(
    producer: Producer, products: Products, bell: Bell, user_id: int
) -> None:
    product = await producer.submit(a_product(user_id, "a", "b"))

    assert dict(product) == dict(await products.get(product["product_id"]))
    assert bell.rings == 1


async def test_many_products_are_stored_and_announced_together(
    producer: Producer, products: Products, bell: Bell, user_id: int
) -> None:
    wanted = [a_product(user_id, "a"), a_product(user_id, "b", "c")]

    first, second = await producer.submit_all(wanted, all_or_nothing=False)

    assert (await products.get(first.product_id or 0))["product_images"] == ["a"]
    assert (await products.get(second.product_id or 0))["product_images"] == ["b", "c"]
    assert bell.rings == 1


async def test_what_was_refused_is_not_announced(producer: Producer, bell: Bell) -> None:
    with pytest.raises(InvalidInput):
        await producer.submit(a_product(7, "a"))

    assert bell.rings == 0


async def test_an_image_alone_is_stored_and_announced(producer: Producer, images: Images, bell: Bell) -> None:
    image = await producer.submit_image("a")

    assert (image["source_url"], image["product_id"]) == ("a", None)
    assert dict(image) == dict(await images.get(image["image_id"]))
    assert bell.rings == 1


async def test_an_image_of_a_product_is_added_and_announced(
    producer: Producer, products: Products, bell: Bell, user_id: int
) -> None:
    product_id = (await producer.submit(a_product(user_id, "a")))["product_id"]

    image = await producer.submit_image("b", product_id)

    assert (image["product_id"], image["position"]) == (product_id, 1)
    assert (await products.get(product_id))["product_images"] == ["a", "b"]
    assert bell.rings == 2


async def test_a_change_is_announced_and_shown(producer: Producer, bell: Bell, user_id: int) -> None:
    product_id = (await producer.submit(a_product(user_id, "a")))["product_id"]

    product = await producer.change(product_id, {"product_images": ["a", "b"]})

    assert [image["source_url"] for image in product["images"]] == ["a", "b"]
    assert bell.rings == 2


async def test_a_removed_url_takes_its_files_with_it(
    producer: Producer, images: Images, make_pipeline: MakePipeline, tmp_path: Path, user_id: int
) -> None:
    product = await producer.submit(a_product(user_id, "https://shop.example/a", "https://shop.example/b"))
    await in_the_store(make_pipeline, images, *(image["image_id"] for image in product["images"]))
    assert len(files_in(tmp_path / "store")) == 6

    await producer.change(product["product_id"], {"product_images": ["https://shop.example/b"]})

    assert len(files_in(tmp_path / "store")) == 3


async def test_a_removed_product_takes_the_files_that_nobody_else_needs(
    producer: Producer, images: Images, make_pipeline: MakePipeline, tmp_path: Path, user_id: int
) -> None:
    product = await producer.submit(a_product(user_id, "https://shop.example/a", "https://shop.example/b"))
    twin = await an_image(images, "https://other.example/b")
    await in_the_store(make_pipeline, images, *(image["image_id"] for image in product["images"]), twin)

    await producer.remove(product["product_id"])

    assert len(files_in(tmp_path / "store")) == 3
    with pytest.raises(NotFound):
        await producer.remove(product["product_id"])


async def test_a_retry_is_announced(producer: Producer, images: Images, bell: Bell) -> None:
    image_id = await failed(images)

    image = await producer.retry(image_id)

    assert image["state"] == "pending"
    assert bell.rings == 1
    with pytest.raises(Conflict):
        await producer.retry(image_id)


async def test_failed_images_can_be_retried_by_their_code(
    producer: Producer, images: Images, database: Database, bell: Bell
) -> None:
    for code in ("source_gone", "source_gone", "not_an_image"):
        await failed(images, code)

    assert await producer.retry_failed("source_gone") == 2
    assert await producer.retry_failed() == 1
    assert bell.rings == 2
    assert await database.fetch("SELECT FROM images WHERE state = 'failed'") == []
