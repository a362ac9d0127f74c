"""Files that nobody refers to go, and what somebody has, makes or keeps beside ours stays."""

import asyncio
import os
from collections.abc import AsyncIterator
from hashlib import sha256
from pathlib import Path
from time import time
from typing import Final

import pytest
from tests.rows import a_source, an_image, claimed, eventually, finish, keys_of, somebody_waits

from packshot.database import Database
from packshot.errors import NotFound
from packshot.garbage import Findings, GarbageCollection
from packshot.images import Images
from packshot.models import StoredFile
from packshot.stores import Store

DAY_SECONDS: Final = 86_400
LOST: Final = keys_of(a_source(b"lost"))[0]


@pytest.fixture
async def lost(store: Store, tmp_path: Path) -> str:
    """An old file that nobody refers to."""
    await put(store, tmp_path, LOST)
    return LOST


async def put(store: Store, folder: Path, key: str, age_seconds: float = 2 * DAY_SECONDS) -> None:
    (folder / "picture").write_bytes(b"picture")
    then = time() - age_seconds
    os.utime(folder / "picture", (then, then))
    await store.put(key, folder / "picture", "image/avif")


async def collect(database: Database, store: Store, *, delete: bool = True) -> Findings:
    collection = GarbageCollection(database, store, grace_hours=24, delete=delete)
    await collection.run(lambda _: None)
    return collection.findings


async def is_kept(store: Store, key: str) -> bool:
    try:
        return await store.get(key) == b"picture"
    except NotFound:
        return False


async def test_a_file_that_nobody_refers_to_is_deleted(database: Database, store: Store, lost: str) -> None:
    found = await collect(database, store)

    assert not await is_kept(store, lost)
    assert (found.garbage, found.garbage_bytes, found.deleted) == (1, len(b"picture"), 1)


async def test_nothing_is_deleted_that_nobody_asked_to(database: Database, store: Store, lost: str) -> None:
    found = await collect(database, store, delete=False)

    assert await is_kept(store, lost)
    assert (found.garbage, found.deleted) == (1, 0)


async def test_files_of_a_ready_image_stay(
    database: Database, images: Images, store: Store, tmp_path: Path
) -> None:
    for key in keys_of(a_source()):
        await put(store, tmp_path, key)
    await finish(images, await claimed(images, await an_image(images)))

    found = await collect(database, store)

    assert [await is_kept(store, key) for key in keys_of(a_source())] == [True, True]
    assert found.in_use == 2


async def test_an_old_file_of_a_source_in_use_goes(
    database: Database, images: Images, store: Store, tmp_path: Path
) -> None:
    old = keys_of(a_source())[0].replace("large", "huge")
    await put(store, tmp_path, old)
    await finish(images, await claimed(images, await an_image(images)))

    await collect(database, store)

    assert not await is_kept(store, old)


async def test_a_young_file_stays(database: Database, store: Store, tmp_path: Path) -> None:
    await put(store, tmp_path, LOST, age_seconds=DAY_SECONDS - 60)

    found = await collect(database, store)

    assert await is_kept(store, LOST)
    assert found.young == 1


async def test_files_that_a_worker_is_making_stay_however_old_they_look(
    database: Database, images: Images, store: Store, tmp_path: Path
) -> None:
    source = a_source(b"lost")
    await images.note_source(await claimed(images, await an_image(images)), source)
    await put(store, tmp_path, LOST)

    found = await collect(database, store)

    assert await is_kept(store, LOST)
    assert (found.garbage, found.in_use) == (0, 1)


async def test_a_file_that_is_recorded_after_the_listing_stays(
    database: Database, images: Images, store: Store, lost: str
) -> None:
    """A worker that was slow finishes between our two looks; the first one is late on purpose."""
    claim = await claimed(images, await an_image(images))
    async with database.transaction() as connection:
        await connection.execute("SELECT pg_advisory_xact_lock(hashtextextended($1, 0))", sha_of(lost))
        collecting = asyncio.create_task(collect(database, store))
        await eventually(lambda: somebody_waits(database))
        await connection.execute(
            "INSERT INTO renditions VALUES ($1, '0123456789abcdef', 'large', 'avif', $2, 8, 6, 7)",
            sha_of(lost),
            lost,
        )

    assert (await collecting).deleted == 0
    assert await is_kept(store, lost)
    assert claim


async def test_a_worker_that_comes_during_a_collection_waits_until_its_files_are_gone(
    database: Database, images: Images, store: Store, lost: str
) -> None:
    claim = await claimed(images, await an_image(images))
    slow = SlowStore(store)
    collecting = asyncio.create_task(collect(database, slow))
    await slow.is_asked.wait()

    noting = asyncio.create_task(images.note_source(claim, a_source(b"lost")))
    await eventually(lambda: somebody_waits(database))
    slow.may_go_on.set()

    assert (await collecting).deleted == 1
    assert await noting is None
    assert not await is_kept(store, lost)


@pytest.mark.parametrize(
    "name",
    ["notes.txt", "ab/readme.md", "backup/2026/large.avif", "ff/" + LOST.partition("/")[2], LOST + ".txt"],
)
async def test_what_is_not_ours_is_counted_and_never_touched(
    database: Database, store: Store, name: str
) -> None:
    foreign = Path(store.location("00/0")).parents[1] / name
    foreign.parent.mkdir(parents=True, exist_ok=True)
    foreign.write_bytes(b"picture")
    os.utime(foreign, (0, 0))

    found = await collect(database, store)

    assert foreign.exists()
    assert (found.foreign, found.garbage) == (1, 0)


async def test_every_file_is_found_in_many(
    database: Database, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("packshot.garbage.BATCH", 5)
    for number in range(12):
        await put(store, tmp_path, keys_of(a_source(str(number).encode()))[0])

    found = await collect(database, store)

    assert (found.files, found.deleted) == (12, 12)


def sha_of(key: str) -> str:
    assert key.split("/")[1] == sha256(b"lost").hexdigest()
    return key.split("/")[1]


class SlowStore:
    """The store, and a deletion in it that can be held back."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.put, self.get, self.url, self.location = store.put, store.get, store.url, store.location
        self.is_asked, self.may_go_on = asyncio.Event(), asyncio.Event()

    def keys(self) -> AsyncIterator[StoredFile]:
        return self._store.keys()

    async def delete(self, key: str) -> None:
        self.is_asked.set()
        await self.may_go_on.wait()
        await self._store.delete(key)
