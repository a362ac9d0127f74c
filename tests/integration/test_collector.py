"""Files go when the last image that refers to them goes, and never sooner."""

import asyncio
from pathlib import Path

import pytest
from tests.rows import a_source, an_image, claimed, eventually, finish, keys_of, somebody_waits

from packshot.collector import Collector
from packshot.database import Database
from packshot.errors import NotFound
from packshot.images import Images
from packshot.stores import Store, open_store

SHOE = a_source(b"shoe")
KEYS = keys_of(SHOE)


@pytest.fixture
async def image_id(images: Images, store: Store, tmp_path: Path) -> int:
    """A ready image whose files are in the store."""
    return await a_ready_image(images, store, tmp_path)


async def a_ready_image(images: Images, store: Store, folder: Path, data: bytes = b"shoe") -> int:
    claim = await claimed(images, await an_image(images))
    for key in keys_of(a_source(data)):
        await put(store, folder, key)
    await finish(images, claim, data)
    return claim.image_id


async def put(store: Store, folder: Path, key: str) -> None:
    (folder / "picture").write_bytes(b"picture")
    await store.put(key, folder / "picture", "image/avif")


async def remove(database: Database, image_id: int) -> None:
    await database.execute("DELETE FROM images WHERE image_id = $1", image_id)


async def is_kept(store: Store, key: str) -> bool:
    try:
        return await store.get(key) == b"picture"
    except NotFound:
        return False


async def renditions(database: Database) -> int:
    return len(await database.fetch("SELECT FROM renditions"))


async def test_the_last_image_takes_its_files_with_it(
    database: Database, collector: Collector, store: Store, image_id: int
) -> None:
    await remove(database, image_id)

    await collector.collect([SHOE.sha256])

    assert [await is_kept(store, key) for key in KEYS] == [False, False]
    assert await renditions(database) == 0


async def test_files_stay_while_an_image_refers_to_them(
    database: Database, collector: Collector, images: Images, store: Store, image_id: int
) -> None:
    await finish(images, await claimed(images, await an_image(images)), b"shoe")
    await remove(database, image_id)

    await collector.collect([SHOE.sha256], KEYS)

    assert [await is_kept(store, key) for key in KEYS] == [True, True]
    assert await renditions(database) == 2


async def test_files_of_other_sources_stay(
    database: Database, collector: Collector, images: Images, store: Store, tmp_path: Path, image_id: int
) -> None:
    await a_ready_image(images, store, tmp_path, b"boot")
    await remove(database, image_id)

    await collector.collect([SHOE.sha256])

    assert await is_kept(store, keys_of(a_source(b"boot"))[0])


async def test_files_that_were_never_recorded_go_too(
    collector: Collector, store: Store, tmp_path: Path, database: Database
) -> None:
    await put(store, tmp_path, KEYS[0])

    await collector.collect([SHOE.sha256], KEYS)

    assert not await is_kept(store, KEYS[0])
    assert await renditions(database) == 0


@pytest.mark.usefixtures("image_id")
async def test_a_store_that_is_away_keeps_nobody_from_removing_images(
    database: Database, images: Images, store: Store, tmp_path: Path
) -> None:
    await a_ready_image(images, store, tmp_path, b"boot")
    (tmp_path / "file").write_text("a file stands where the folder should be")
    away = Collector(database, open_store((tmp_path / "file").as_uri()))
    await database.execute("DELETE FROM images")

    await away.collect([SHOE.sha256, a_source(b"boot").sha256])

    assert await renditions(database) == 0
    assert await is_kept(store, KEYS[0])


async def test_a_worker_that_comes_during_a_collection_waits_and_finds_nothing(
    database: Database, collector: Collector, images: Images, store: Store, image_id: int
) -> None:
    await remove(database, image_id)
    claim = await claimed(images, await an_image(images))

    async with database.transaction() as connection:
        await connection.execute("SELECT FROM renditions FOR UPDATE")
        collecting = asyncio.create_task(collector.collect([SHOE.sha256]))
        await eventually(lambda: somebody_waits(database))
        noting = asyncio.create_task(images.note_source(claim, SHOE))
        await eventually(lambda: somebody_waits(database, 2))

    assert await noting is None
    assert not await is_kept(store, KEYS[0])
    await collecting


async def test_a_collection_that_comes_after_a_worker_waits_and_keeps_the_files(
    database: Database, collector: Collector, images: Images, store: Store, image_id: int
) -> None:
    claim = await claimed(images, await an_image(images))

    async with database.transaction() as connection:
        await connection.execute("SELECT FROM images WHERE image_id = $1 FOR UPDATE", claim.image_id)
        noting = asyncio.create_task(images.note_source(claim, SHOE))
        await eventually(lambda: somebody_waits(database))
        await remove(database, image_id)
        collecting = asyncio.create_task(collector.collect([SHOE.sha256]))
        await eventually(lambda: somebody_waits(database, 2))

    await collecting
    assert await is_kept(store, KEYS[0])
    await noting
