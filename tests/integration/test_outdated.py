"""Which images are looked at, and when: a sample is stable, no page is skipped, and new work goes first."""

import asyncio

import pytest
from tests.kitchen import MakePipeline
from tests.reprocessing_room import LARGE, SMALL, WANTED, MakeReprocessing, Watched, names_of, ready
from tests.rows import a_product, an_image, claimed, finish

from packshot.database import Database
from packshot.images import Images
from packshot.models import Worker
from packshot.outdated import SILENT_SECONDS, OutdatedImages
from packshot.products import Products
from packshot.stores import Store
from packshot.workers import Desk, Workers


class Looks:
    """Stands behind each look for new work, and lets a test wait for it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._looked = asyncio.Condition()
        look = OutdatedImages.is_new_work_waiting

        async def look_and_tell(outdated: OutdatedImages) -> bool:
            answer = await look(outdated)
            async with self._looked:
                self._looked.notify_all()
            return answer

        monkeypatch.setattr(OutdatedImages, "is_new_work_waiting", look_and_tell)
        monkeypatch.setattr("packshot.reprocessing.QUIET_SECONDS", 0.01)

    async def go_on(self) -> None:
        """Return after another two looks, of which the second was begun after this call."""
        async with asyncio.timeout(10), self._looked:
            await self._looked.wait()
            await self._looked.wait()


async def test_new_work_goes_first(
    make_pipeline: MakePipeline,
    make_reprocessing: MakeReprocessing,
    images: Images,
    workers: Workers,
    desk: Desk,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    await ready(make_pipeline, images)
    new = await an_image(images, "https://shop.example/new")
    await workers.heartbeat(desk.worker, {})
    watched, looks = Watched(), Looks(monkeypatch)
    working = asyncio.create_task(make_reprocessing(watched.download).run(lambda _: None))

    await looks.go_on()
    assert watched.urls == []  # while it is due
    claim = await claimed(images, new)
    await looks.go_on()
    assert watched.urls == []  # while it is in hand

    await finish(images, claim)
    await working
    assert "https://shop.example/shoe" in watched.urls


@pytest.mark.parametrize("slots", [0, None])
async def test_what_no_worker_is_there_to_do_does_not_hold_it_back(
    make_pipeline: MakePipeline,
    make_reprocessing: MakeReprocessing,
    images: Images,
    workers: Workers,
    desk: Desk,
    slots: int | None,
) -> None:
    (image_id,) = await ready(make_pipeline, images)
    await an_image(images, "https://shop.example/new")
    if slots is not None:
        await workers.heartbeat(Worker(desk.worker.worker_id, "a", 1, slots), {})

    async with asyncio.timeout(SILENT_SECONDS / 2):
        await make_reprocessing().run(lambda _: None)

    assert await names_of(images, image_id) == WANTED


async def test_a_sample_takes_its_part_and_the_same_one_every_time(
    database: Database, images: Images
) -> None:
    await finish(images, await claimed(images, await an_image(images)))
    await database.execute(
        "INSERT INTO images (source_url, state, max_attempts, source_sha256, rendition_keys)"
        " SELECT source_url, 'ready', 5, source_sha256, rendition_keys FROM images, generate_series(1, 9999)"
    )
    outdated = OutdatedImages(database)

    first, again, more = [await outdated.find(0, 20_000, share, WANTED) for share in (0.01, 0.01, 0.1)]

    assert first == again
    assert {*first} < {*more}
    assert (75 < len(first) < 125, 900 < len(more) < 1100) == (True, True)
    assert len(await outdated.find(0, 20_000, 1, WANTED)) == 10_000


async def test_no_page_of_images_is_left_out(
    make_pipeline: MakePipeline,
    make_reprocessing: MakeReprocessing,
    images: Images,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("packshot.outdated.PAGE", 2)
    ids = await ready(make_pipeline, images, "a", "b", "c", "d", "e")
    reported: list[int] = []

    reprocessing = make_reprocessing()
    await reprocessing.run(reported.append)

    assert [await names_of(images, image_id) for image_id in ids] == [WANTED] * 5
    assert max(reported) == await reprocessing.last_id() == ids[-1]
    assert reprocessing.comparison.images == 5


async def test_a_main_rendition_that_is_another_by_the_order_of_presets_alone_is_followed_and_nothing_made(
    make_pipeline: MakePipeline, make_reprocessing: MakeReprocessing, images: Images
) -> None:
    (image_id,) = await ready(make_pipeline, images)
    large, jpeg, small = await names_of(images, image_id)
    turned, watched = (SMALL, LARGE), Watched()

    for _ in range(2):
        reprocessing = make_reprocessing(watched.download, watched.compress, presets=turned, today=turned)
        await reprocessing.run(lambda _: None)

    assert await names_of(images, image_id) == [small, large, jpeg]
    assert (watched.urls, watched.wanted) == ([], [])
    assert reprocessing.comparison.images == 0  # the second time


async def test_a_preset_that_is_no_more_goes_and_nothing_is_made(
    make_pipeline: MakePipeline,
    make_reprocessing: MakeReprocessing,
    products: Products,
    images: Images,
    user_id: int,
    store: Store,
) -> None:
    product = await products.add(a_product(user_id, "https://a.example/shoe"))
    await make_pipeline().process(await claimed(images, product["images"][0]["image_id"]))
    watched = Watched()

    await make_reprocessing(watched.download, presets=(SMALL,), today=(SMALL,)).run(lambda _: None)

    after = await products.get(product["product_id"])
    (key,) = [one["key"] for one in after["images"][0]["renditions"]]
    assert after["compressed_product_images"] == [store.location(key)]
    assert watched.urls == []
