"""Old images follow new presets: only what is missing is made, and nobody else is disturbed."""

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.kitchen import Kitchen, MakePipeline
from tests.reprocessing_room import (
    FACTS,
    LARGE,
    SMALL,
    TODAY,
    WANTED,
    MakeReprocessing,
    Watched,
    names_of,
    ready,
)
from tests.rows import a_product, a_source, an_image, claimed, eventually, image_ids, somebody_waits

from packshot.database import Database
from packshot.garbage import GarbageCollection
from packshot.images import Images
from packshot.making import name_of
from packshot.outdated import OutdatedImages
from packshot.products import Products
from packshot.stores import Store
from packshot.workers import Desk


async def test_an_image_and_its_product_follow_the_presets_of_today(
    make_pipeline: MakePipeline,
    make_reprocessing: MakeReprocessing,
    products: Products,
    images: Images,
    user_id: int,
    store: Store,
) -> None:
    product = await products.add(a_product(user_id, "https://a.example/boot", "https://a.example/shoe"))
    product_id = product["product_id"]
    _, image_id = await image_ids(products, product_id)
    await make_pipeline().process(await claimed(images, image_id))
    before, version = await images.get(image_id), await products.version(product_id)
    main = replace(TODAY[0], encodings=TODAY[0].encodings[::-1])

    await make_reprocessing(compress=Watched().compress, presets=(main, TODAY[1])).run(lambda _: None)

    after = await images.get(image_id)
    assert (after["state"], after["attempt"]) == ("ready", before["attempt"])
    assert [(one["preset"], one["format"]) for one in after["renditions"]] == [
        ("large", "jpeg"),
        ("large", "avif"),
        ("small", "avif"),
    ]
    assert after["facts"]["colour"] == FACTS.colour
    assert after["updated_at"] > before["updated_at"]
    assert [await store.get(key) for key in after["rendition_keys"]] == [
        b"shoelarge",
        b"shoelarge",
        b"shoesmall",
    ]
    assert (await products.get(product_id))["compressed_product_images"] == [
        None,
        store.location(after["rendition_keys"][0]),
    ]
    assert await products.version(product_id) != version


async def test_only_what_is_missing_is_made(
    make_pipeline: MakePipeline, make_reprocessing: MakeReprocessing, images: Images
) -> None:
    (image_id,) = await ready(make_pipeline, images)
    watched = Watched()

    await make_reprocessing(watched.download, watched.compress).run(lambda _: None)

    assert watched.wanted == [{"large": ["jpeg"], "small": ["avif"]}]
    assert await names_of(images, image_id) == WANTED


async def test_what_is_up_to_date_is_left_in_peace(
    make_pipeline: MakePipeline, make_reprocessing: MakeReprocessing, images: Images
) -> None:
    (image_id,) = await ready(make_pipeline, images)
    await make_reprocessing().run(lambda _: None)
    before, watched = await images.get(image_id), Watched()

    await make_reprocessing(watched.download).run(lambda _: None)

    assert watched.urls == []
    assert await images.get(image_id) == before


async def test_what_somebody_else_has_just_done_is_not_done_again(
    make_pipeline: MakePipeline,
    make_reprocessing: MakeReprocessing,
    images: Images,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (image_id,) = await ready(make_pipeline, images)
    find = OutdatedImages.find

    async def find_and_be_late(*arguments: Any) -> object:  # noqa: ANN401 - whatever it takes
        found = await find(*arguments)
        monkeypatch.setattr(OutdatedImages, "find", find)
        await make_reprocessing().run(lambda _: None)
        return found

    monkeypatch.setattr(OutdatedImages, "find", find_and_be_late)
    late = make_reprocessing(Watched().download)

    await late.run(lambda _: None)

    assert await names_of(images, image_id) == WANTED
    assert late.comparison.images == 0


async def test_one_preset_alone_is_followed_and_the_others_stay_as_they_are(
    make_pipeline: MakePipeline, make_reprocessing: MakeReprocessing, images: Images
) -> None:
    (image_id,) = await ready(make_pipeline, images)
    old = await names_of(images, image_id)

    await make_reprocessing(presets=TODAY[1:]).run(lambda _: None)

    assert await names_of(images, image_id) == [*old[:2], WANTED[2]]


async def test_renditions_of_a_preset_that_is_no_more_go_when_the_others_are_renewed(
    make_pipeline: MakePipeline, make_reprocessing: MakeReprocessing, images: Images
) -> None:
    (image_id,) = await ready(make_pipeline, images)
    tiny = replace(SMALL, name="tiny")

    await make_reprocessing(presets=(tiny,), today=(tiny,)).run(lambda _: None)

    assert await names_of(images, image_id) == [name_of(tiny, tiny.encodings[0])]


async def test_a_picture_stays_readable_all_the_time_and_what_is_old_becomes_garbage(
    make_pipeline: MakePipeline,
    make_reprocessing: MakeReprocessing,
    images: Images,
    database: Database,
    store: Store,
) -> None:
    (image_id,) = await ready(make_pipeline, images)
    old, kitchen = (await images.get(image_id))["renditions"], Kitchen()
    working = asyncio.create_task(make_reprocessing(compress=kitchen).run(lambda _: None))
    await kitchen.was_called(1)
    assert (await images.get(image_id))["renditions"] == old
    assert [await store.get(one["key"]) for one in old]

    kitchen.may_go_on.set()
    await working

    new = (await images.get(image_id))["rendition_keys"]
    assert [await store.get(key) for key in {*new, *(one["key"] for one in old)}]
    collection = GarbageCollection(database, store, grace_hours=0, delete=True)
    await collection.run(lambda _: None)
    assert (collection.findings.in_use, collection.findings.deleted) == (3, 2)
    assert [await store.get(key) for key in new]


async def test_a_garbage_collection_sees_new_files_and_who_refers_to_them_or_neither(
    make_pipeline: MakePipeline,
    make_reprocessing: MakeReprocessing,
    images: Images,
    database: Database,
    store: Store,
) -> None:
    (image_id,) = await ready(make_pipeline, images)
    slow = SlowStore(store)
    working = asyncio.create_task(make_reprocessing(store=slow).run(lambda _: None))
    await slow.has_put.wait()
    collection = GarbageCollection(database, store, grace_hours=0, delete=True)
    collecting = asyncio.create_task(collection.run(lambda _: None))
    await eventually(lambda: somebody_waits(database))

    slow.may_go_on.set()
    await working
    await collecting

    assert [await store.get(key) for key in (await images.get(image_id))["rendition_keys"]]


class SlowStore:
    """The store, but each file that was put keeps who put it waiting."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.get, self.delete, self.url, self.location = store.get, store.delete, store.url, store.location
        self.keys = store.keys
        self.has_put, self.may_go_on = asyncio.Event(), asyncio.Event()

    async def put(self, key: str, file: Path, content_type: str) -> None:
        await self._store.put(key, file, content_type)
        self.has_put.set()
        await self.may_go_on.wait()


async def test_twins_are_downloaded_and_made_once(
    make_pipeline: MakePipeline, make_reprocessing: MakeReprocessing, images: Images
) -> None:
    twins = await ready(make_pipeline, images, "shoe", "boot", "shoe")
    watched = Watched()

    await make_reprocessing(watched.download, watched.compress).run(lambda _: None)

    assert sorted(watched.urls) == ["https://shop.example/boot", "https://shop.example/shoe"]
    rows = [await images.get(image_id) for image_id in twins]
    assert rows[0]["rendition_keys"] == rows[2]["rendition_keys"]
    assert rows[0]["facts"] == rows[2]["facts"] != {}
    assert [await names_of(images, image_id) for image_id in twins] == [WANTED] * 3


async def test_what_was_lost_from_the_table_is_made_again(
    make_pipeline: MakePipeline, make_reprocessing: MakeReprocessing, images: Images, database: Database
) -> None:
    (image_id,) = await ready(make_pipeline, images)
    await database.execute("DELETE FROM renditions")

    await make_reprocessing(presets=(LARGE, SMALL)).run(lambda _: None)

    assert len(await names_of(images, image_id)) == 3


async def test_who_is_stopped_in_the_middle_is_continued(
    make_pipeline: MakePipeline, make_reprocessing: MakeReprocessing, images: Images, desk: Desk
) -> None:
    ids = await ready(make_pipeline, images, "shoe", "boot", "hat")
    reached = asyncio.Event()
    first, second = Watched(), Watched()
    working = asyncio.create_task(make_reprocessing(first.download, hands=1).run(lambda _: reached.set()))
    await reached.wait()
    working.cancel()
    await asyncio.wait([working])

    await make_reprocessing(second.download).run(lambda _: None)

    assert [await names_of(images, image_id) for image_id in ids] == [WANTED] * 3
    assert first.urls[0] not in second.urls
    assert not list((desk._root / str(desk.worker.worker_id)).glob("*-*"))  # noqa: SLF001 - its own folder


async def test_two_at_once_do_no_harm(
    make_pipeline: MakePipeline,
    make_reprocessing: MakeReprocessing,
    images: Images,
    database: Database,
    store: Store,
    tmp_path: Path,
) -> None:
    ids = await ready(make_pipeline, images, "shoe", "boot", "shoe")
    kitchens = Kitchen(), Kitchen()
    with Desk.open(tmp_path / "data", slots=0) as desk:
        one = make_reprocessing(compress=kitchens[0])
        other = make_reprocessing(compress=kitchens[1], desk=desk)
        async with asyncio.TaskGroup() as both:
            both.create_task(one.run(lambda _: None))
            both.create_task(other.run(lambda _: None))
            for kitchen in kitchens:
                await kitchen.was_called(2)
            for kitchen in kitchens:
                kitchen.may_go_on.set()

    assert [await names_of(images, image_id) for image_id in ids] == [WANTED] * 3
    for image_id in ids:
        assert [await store.get(key) for key in (await images.get(image_id))["rendition_keys"]]
    assert len(await database.fetch("SELECT FROM renditions")) == 6


async def test_what_another_twin_in_hand_may_refer_to_is_not_forgotten(
    make_pipeline: MakePipeline, make_reprocessing: MakeReprocessing, images: Images, database: Database
) -> None:
    await ready(make_pipeline, images)
    claim = await claimed(images, await an_image(images, "https://b.example/shoe"))
    assert await images.note_source(claim, a_source(b"shoe"))

    await make_reprocessing().run(lambda _: None)

    assert len(await database.fetch("SELECT FROM renditions")) == 5
