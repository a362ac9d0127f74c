"""Whatever goes wrong with new renditions: an image keeps those it has, and no files are left behind."""

import asyncio
from collections.abc import Sequence
from dataclasses import asdict, replace
from hashlib import sha256
from pathlib import Path

import pytest
from tests.kitchen import Kitchen, MakePipeline, failing
from tests.reprocessing_room import FACTS, MakeReprocessing, Watched, ready
from tests.rows import a_product, an_image, claimed, files_in, image_ids

from packshot.database import Database
from packshot.errors import (
    ImageDamaged,
    ServiceUnavailable,
    SourceBusy,
    SourceGone,
    SourceTimeout,
)
from packshot.images import Images
from packshot.models import Compressed, Preset, Source
from packshot.outdated import OutdatedImages
from packshot.politeness import Download
from packshot.products import Products
from packshot.stores import Store, open_store
from packshot.workers import Desk


@pytest.fixture(autouse=True)
def hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("packshot.reprocessing.FIRST_PAUSE_SECONDS", 0)


@pytest.fixture
async def old(make_pipeline: MakePipeline, images: Images, products: Products, user_id: int) -> int:
    """The product of an image that was made with the presets of yesterday."""
    product = await products.add(a_product(user_id, "https://a.example/shoe"))
    await make_pipeline().process(await claimed(images, product["images"][0]["image_id"]))
    return int(product["product_id"])


async def changed(_: str, to: Path) -> Source:
    to.write_bytes(b"another")
    return Source(sha256(b"another").hexdigest(), 7, "png")


async def damaged(_: Path, __: Path, ___: Sequence[Preset], /) -> Compressed:
    raise ImageDamaged("Only its upper half is there.")


def failing_once(error: Exception) -> tuple[Watched, Download]:
    """A download that works when it is tried again."""
    watched = Watched()

    async def download(url: str, to: Path) -> Source:
        source = await watched.download(url, to)
        if len(watched.urls) == 1:
            raise error
        return source

    return watched, download


@pytest.mark.parametrize(
    ("download", "code"),
    [
        (failing(SourceGone("Not there.")), "source_gone"),
        (failing(SourceTimeout("Too slow.")), "source_timeout"),
        (failing(SourceBusy("It asked for an hour.", 3600)), "source_throttled"),
        (failing(RuntimeError("a bug")), "unforeseen"),
        (changed, "source_changed"),
        (None, "image_damaged"),
    ],
)
async def test_what_cannot_be_had_again_stays_as_it_was_and_is_counted(  # noqa: PLR0913, PLR0917 - rooms
    make_reprocessing: MakeReprocessing,
    products: Products,
    store: Store,
    old: int,
    tmp_path: Path,
    download: Download | None,
    code: str,
) -> None:
    before = await products.get_versioned(old)
    reprocessing = (
        make_reprocessing(download, Watched().compress) if download else make_reprocessing(compress=damaged)
    )

    await reprocessing.run(lambda _: None)

    assert await products.get_versioned(old) == before
    assert [await store.get(one["key"]) for one in before[1]["images"][0]["renditions"]]
    assert reprocessing.comparison.left == {code: 1}
    assert reprocessing.comparison.images == 0
    assert files_in(tmp_path / "data") == []


async def test_one_that_is_left_holds_up_nobody(
    make_pipeline: MakePipeline, make_reprocessing: MakeReprocessing, images: Images
) -> None:
    for name in ("gone", "shoe", "boot"):
        await make_pipeline().process(
            await claimed(images, await an_image(images, f"https://a.example/{name}"))
        )
    watched = Watched()

    async def download(url: str, to: Path) -> Source:
        if url.endswith("gone"):
            raise SourceGone("Not there.")
        return await watched.download(url, to)

    reprocessing = make_reprocessing(download, hands=1)
    await reprocessing.run(lambda _: None)

    assert (reprocessing.comparison.images, reprocessing.comparison.left) == (2, {"source_gone": 1})


@pytest.mark.parametrize("error", [ServiceUnavailable("Disk full."), SourceBusy("Full.", 0)])
async def test_a_full_server_and_a_full_disk_are_waited_for(
    make_reprocessing: MakeReprocessing, old: int, error: Exception
) -> None:
    watched, download = failing_once(error)
    reprocessing = make_reprocessing(download)

    await reprocessing.run(lambda _: None)

    assert len(watched.urls) == 2
    assert (reprocessing.comparison.images, reprocessing.comparison.left) == (1, {})
    assert old


async def test_a_store_that_is_away_is_waited_for_and_the_source_not_downloaded_again(
    make_reprocessing: MakeReprocessing,
    products: Products,
    old: int,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    before = await products.get_versioned(old)
    (tmp_path / "away").write_text("a file stands where the folder should be")
    watched, waits = Watched(), asyncio.Event()
    store = open_store((tmp_path / "away/store").as_uri())
    monkeypatch.setattr("packshot.reprocessing.log.warning", lambda *_, **__: waits.set())
    working = asyncio.create_task(make_reprocessing(watched.download, store=store).run(lambda _: None))
    await waits.wait()
    assert await products.get_versioned(old) == before

    (tmp_path / "away").unlink()
    await working

    image = (await products.get(old))["images"][0]
    assert len(watched.urls) == 1
    assert [await store.get(one["key"]) for one in image["renditions"][1:]]


async def test_a_database_that_is_away_is_waited_for(
    make_reprocessing: MakeReprocessing, old: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = iter([ServiceUnavailable("It restarts."), None])
    find = OutdatedImages.find

    async def sometimes(self: OutdatedImages, *arguments: object) -> object:
        if error := next(answers, None):
            raise error
        return await find(self, *arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(OutdatedImages, "find", sometimes)
    reprocessing = make_reprocessing()

    await reprocessing.run(lambda _: None)

    assert reprocessing.comparison.images == 1
    assert old


async def test_of_an_image_that_is_removed_meanwhile_nothing_is_left(
    make_reprocessing: MakeReprocessing, database: Database, old: int, tmp_path: Path
) -> None:
    kitchen = Kitchen()
    reprocessing = make_reprocessing(compress=kitchen)
    working = asyncio.create_task(reprocessing.run(lambda _: None))
    await kitchen.was_called(1)
    await database.execute("DELETE FROM products WHERE product_id = $1", old)

    kitchen.may_go_on.set()
    await working

    assert files_in(tmp_path / "store") == []
    assert await database.fetch("SELECT FROM renditions") == []
    assert (reprocessing.comparison.images, reprocessing.comparison.left) == (0, {})


async def test_the_product_learns_it_at_the_place_to_which_the_image_was_moved_meanwhile(
    make_reprocessing: MakeReprocessing, products: Products, images: Images, store: Store, old: int
) -> None:
    kitchen = Kitchen()
    (image_id,) = await image_ids(products, old)
    today = make_reprocessing(compress=kitchen).run
    working = asyncio.create_task(today(lambda _: None))
    await kitchen.was_called(1)
    await products.change(old, {"product_images": ["https://a.example/new", "https://a.example/shoe"]})

    kitchen.may_go_on.set()
    await working

    main = (await images.get(image_id))["rendition_keys"][0]
    assert (await products.get(old))["compressed_product_images"] == [None, store.location(main)]


@pytest.mark.parametrize(
    "meanwhile", ["UPDATE images SET attempt = attempt + 1", "DELETE FROM renditions"], ids=["image", "files"]
)
async def test_what_has_changed_meanwhile_is_left_to_the_next_run(
    make_reprocessing: MakeReprocessing,
    images: Images,
    products: Products,
    database: Database,
    old: int,
    meanwhile: str,
) -> None:
    kitchen = Kitchen()
    (image_id,) = await image_ids(products, old)
    before = await images.get(image_id)
    reprocessing = make_reprocessing(compress=kitchen)
    working = asyncio.create_task(reprocessing.run(lambda _: None))
    await kitchen.was_called(1)
    await database.execute(meanwhile)

    kitchen.may_go_on.set()
    await working

    assert (await images.get(image_id))["rendition_keys"] == before["rendition_keys"]
    assert (reprocessing.comparison.images, reprocessing.comparison.left) == (0, {"moved_meanwhile": 1})


async def test_facts_of_the_whole_picture_are_not_replaced_by_those_of_a_part_of_the_work(
    make_pipeline: MakePipeline, make_reprocessing: MakeReprocessing, images: Images, database: Database
) -> None:
    (image_id,) = await ready(make_pipeline, images)
    whole = asdict(replace(FACTS, colour="#ffffff"))
    await database.execute("UPDATE images SET facts = $1", whole)

    await make_reprocessing(compress=Watched().compress).run(lambda _: None)

    assert (await images.get(image_id))["facts"] == whole


async def test_of_two_that_made_the_same_the_row_describes_the_later_file(
    make_pipeline: MakePipeline,
    make_reprocessing: MakeReprocessing,
    images: Images,
    store: Store,
    tmp_path: Path,
) -> None:
    (image_id,) = await ready(make_pipeline, images)
    kitchen = Kitchen()

    async def longer(source: Path, folder: Path, presets: Sequence[Preset], /) -> Compressed:
        source.write_bytes(b"a longer one")
        return await kitchen(source, folder, presets)

    late = asyncio.create_task(make_reprocessing(compress=longer).run(lambda _: None))
    await kitchen.was_called(1)
    with Desk.open(tmp_path / "data", slots=0) as desk:
        await make_reprocessing(desk=desk).run(lambda _: None)

    kitchen.may_go_on.set()
    await late

    for one in (await images.get(image_id))["renditions"]:
        assert len(await store.get(one["key"])) == one["bytes"]
