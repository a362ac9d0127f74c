"""Moving house: all files arrive as they were, twice is as good as once, and products learn the address."""

import tempfile
from pathlib import Path
from typing import Final
from uuid import uuid4

import pytest
from servers.faulty_http import Fault, FaultyHttp
from servers.s3 import ENVIRONMENT, S3
from tests.rows import a_product, a_source, claimed, finish, image_ids, keys_of

from packshot.database import Database
from packshot.errors import ServiceUnavailable
from packshot.images import Images
from packshot.moving import Load, Move, switch
from packshot.products import Products
from packshot.stores import Store, open_store
from packshot.stores.s3 import S3Store

pytestmark = pytest.mark.usefixtures("aws_keys")

KEYS: Final = [f"{n:02x}/{n:02x}ab/large-0123.avif" for n in range(20)]


@pytest.fixture
async def origin(store: Store, tmp_path: Path) -> Store:
    """A store with files in it."""
    for key in KEYS:
        (tmp_path / "picture").write_bytes(key.encode())
        await store.put(key, tmp_path / "picture", "image/avif")
    return store


@pytest.fixture
def target(s3: S3) -> Store:
    return open_store(s3.url.replace("/pictures", f"/{uuid4().hex}"), ENVIRONMENT)


async def move(origin: Store, target: Store) -> Load:
    with tempfile.TemporaryDirectory() as folder:
        moving = Move(origin, target, folder)
        await moving.run(lambda _: None)
        assert list(Path(folder).iterdir()) == []
    return moving.load


async def test_every_file_arrives_as_it_was(origin: Store, target: Store) -> None:
    load = await move(origin, target)

    assert [await target.get(key) for key in KEYS] == [key.encode() for key in KEYS]
    assert (load.copied, load.copied_bytes) == (20, sum(map(len, KEYS)))


async def test_the_old_store_keeps_its_files(origin: Store, target: Store) -> None:
    await move(origin, target)

    assert [await origin.get(key) for key in KEYS] == [key.encode() for key in KEYS]


async def test_the_way_back_is_the_same(origin: Store, target: Store, tmp_path: Path) -> None:
    await move(origin, target)
    back = open_store((tmp_path / "back").as_uri())

    await move(target, back)

    assert [await back.get(key) for key in KEYS] == [key.encode() for key in KEYS]


async def test_what_is_there_already_is_left_alone(origin: Store, target: Store) -> None:
    await move(origin, target)

    load = await move(origin, target)

    assert (load.copied, load.same) == (0, 20)


async def test_what_is_there_with_other_bytes_is_left_alone_and_counted(
    origin: Store, target: Store, tmp_path: Path
) -> None:
    (tmp_path / "torn").write_bytes(KEYS[0].encode()[:-1] + b"?")
    await target.put(KEYS[0], tmp_path / "torn", "image/avif")

    load = await move(origin, target)

    assert (load.copied, load.different) == (19, 1)
    assert await target.get(KEYS[0]) == KEYS[0].encode()[:-1] + b"?"


async def test_what_is_not_ours_stays_where_it_is(origin: Store, target: Store, tmp_path: Path) -> None:
    (tmp_path / "store/00/notes.txt").write_text("not a picture")
    (tmp_path / "store/large.avif").write_text("not in a folder")

    load = await move(origin, target)

    assert load.foreign == 2
    assert len([file async for file in target.keys()]) == 20  # noqa: SIM118 - not a dict


async def test_a_store_that_gives_up_ends_the_move_and_the_next_one_goes_on(origin: Store, s3: S3) -> None:
    async with FaultyHttp(s3.port) as proxy:
        target = S3Store(
            s3.url_at(proxy.port).replace("/pictures", f"/{uuid4().hex}"), ENVIRONMENT, seconds=1
        )
        proxy.fail(Fault.FORBIDDEN)
        with pytest.raises(ServiceUnavailable, match="403"):
            await move(origin, target)
        proxy.recover()

        load = await move(origin, target)

    assert load.copied + load.same == 20


class Forgetful(S3Store):
    """A store that says yes and loses the last byte."""

    async def put(self, key: str, file: Path, content_type: str) -> None:
        file.write_bytes(file.read_bytes()[:-1])
        await super().put(key, file, content_type)


async def test_a_file_that_arrived_otherwise_is_noticed(origin: Store, s3: S3) -> None:
    target = Forgetful(s3.url.replace("/pictures", f"/{uuid4().hex}"), ENVIRONMENT)

    with pytest.raises(ServiceUnavailable, match="not what was written"):
        await move(origin, target)


async def test_products_lead_to_the_new_store(
    database: Database, products: Products, images: Images, user_id: int, origin: Store, target: Store
) -> None:
    product_id = await ready_product(database, products, images, user_id, origin)

    switched = await switch(database, origin, target)

    row = await products.get(product_id)
    assert switched == 1
    assert row["compressed_product_images"] == [target.location(keys_of(a_source())[0]), None]


async def test_a_product_that_leads_elsewhere_is_left_alone(
    database: Database, products: Products, images: Images, user_id: int, origin: Store, target: Store
) -> None:
    await ready_product(database, products, images, user_id, origin)
    await switch(database, origin, target)

    assert await switch(database, origin, target) == 0


async def test_no_page_of_products_is_left_out(
    database: Database,
    products: Products,
    user_id: int,
    origin: Store,
    target: Store,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("packshot.moving.PRODUCTS_AT_ONCE", 2)
    for _ in range(5):
        await products.add(a_product(user_id, "https://shop.example/shoe.png"))
    await database.execute("UPDATE products SET compressed_product_images[1] = $1", origin.location(KEYS[0]))

    assert await switch(database, origin, target) == 5


async def ready_product(
    database: Database, products: Products, images: Images, user_id: int, store: Store
) -> int:
    """A product of two images, of which the first is ready and in the store."""
    row = await products.add(a_product(user_id, "https://a.example/1.png", "https://a.example/2.png"))
    product_id = int(row["product_id"])
    await finish(images, await claimed(images, (await image_ids(products, product_id))[0]))
    await database.execute(
        "UPDATE products SET compressed_product_images[1] = $1", store.location(keys_of(a_source())[0])
    )
    return product_id
