"""An image is not alone on its way: it has twins, late workers, people who remove it, and a shutdown."""

import asyncio
from pathlib import Path

import pytest
from tests.kitchen import Kitchen, MakePipeline, download, failing
from tests.rows import an_image, claimed, files_in, state_of

from packshot.database import Database
from packshot.errors import SourceGone
from packshot.images import Images
from packshot.politeness import Download
from packshot.workers import Desk


async def test_an_image_in_hand_at_the_end_is_given_back_at_once(
    make_pipeline: MakePipeline, images: Images
) -> None:
    kitchen = Kitchen()
    claim = await claimed(images, await an_image(images))
    working = asyncio.create_task(make_pipeline(compress=kitchen).process(claim))
    await kitchen.was_called(1)

    working.cancel()

    with pytest.raises(asyncio.CancelledError):
        await working
    image = await images.get(claim.image_id)
    assert (image["state"], image["max_attempts"] - image["attempt"]) == ("pending", 5)
    assert image["due_at"] == image["updated_at"]


async def test_who_is_told_to_stop_stops_even_if_the_image_is_gone(
    make_pipeline: MakePipeline, images: Images, database: Database
) -> None:
    kitchen = Kitchen()
    working = asyncio.create_task(
        make_pipeline(compress=kitchen).process(await claimed(images, await an_image(images)))
    )
    await kitchen.was_called(1)
    await database.execute("DELETE FROM images")

    working.cancel()

    with pytest.raises(asyncio.CancelledError):
        await working


async def test_the_files_of_an_image_that_was_removed_meanwhile_are_removed_too(
    make_pipeline: MakePipeline, images: Images, database: Database, tmp_path: Path
) -> None:
    kitchen = Kitchen()
    working = asyncio.create_task(
        make_pipeline(compress=kitchen).process(await claimed(images, await an_image(images)))
    )
    await kitchen.was_called(1)
    await database.execute("DELETE FROM images")

    kitchen.may_go_on.set()
    await working

    assert files_in(tmp_path / "store") == []


async def test_the_files_of_a_late_worker_stay_if_somebody_needs_them(
    make_pipeline: MakePipeline, images: Images, database: Database, tmp_path: Path
) -> None:
    kitchen = Kitchen()
    late = await claimed(images, await an_image(images))
    working = asyncio.create_task(make_pipeline(compress=kitchen).process(late))
    await kitchen.was_called(1)
    await make_pipeline().process(await claimed(images, await an_image(images)))
    await database.execute("DELETE FROM images WHERE image_id = $1", late.image_id)

    kitchen.may_go_on.set()
    await working

    assert len(files_in(tmp_path / "store")) == 3


async def test_the_failure_of_an_image_that_was_removed_is_nobodys_business(
    make_pipeline: MakePipeline, images: Images, database: Database
) -> None:
    claim = await claimed(images, await an_image(images))
    await database.execute("DELETE FROM images")

    await make_pipeline(failing(SourceGone("Not there."))).process(claim)


@pytest.mark.parametrize("way", [download, failing(SourceGone("Not there."))])
async def test_a_result_that_comes_too_late_is_counted(
    make_pipeline: MakePipeline, images: Images, database: Database, desk: Desk, way: Download
) -> None:
    in_time, late = [await claimed(images, await an_image(images)) for _ in range(2)]
    await database.execute("DELETE FROM images WHERE image_id = $1", late.image_id)

    for claim in (in_time, late):
        await make_pipeline(way).process(claim)

    assert desk.counts == {"late_results": 1}


async def test_twins_that_come_together_are_compressed_once(
    make_pipeline: MakePipeline, images: Images
) -> None:
    kitchen = Kitchen()
    pipeline = make_pipeline(compress=kitchen)
    claims = [await claimed(images, await an_image(images, f"https://{n}.example/shoe")) for n in range(5)]
    working = [asyncio.create_task(pipeline.process(claim)) for claim in claims]
    await kitchen.was_called(1)

    kitchen.may_go_on.set()
    await asyncio.gather(*working)

    assert kitchen.calls == 1
    rows = [await images.get(claim.image_id) for claim in claims]
    assert {row["state"] for row in rows} == {"ready"}
    assert len({tuple(row["rendition_keys"]) for row in rows}) == 1


async def test_a_twin_that_comes_later_is_not_compressed(make_pipeline: MakePipeline, images: Images) -> None:
    await make_pipeline().process(await claimed(images, await an_image(images)))
    kitchen = Kitchen()
    twin = await claimed(images, await an_image(images))

    await make_pipeline(compress=kitchen).process(twin)

    assert kitchen.calls == 0
    assert await state_of(images, twin.image_id) == "ready"


async def test_different_pictures_do_not_wait_for_each_other(
    make_pipeline: MakePipeline, images: Images
) -> None:
    kitchen = Kitchen()
    pipeline = make_pipeline(compress=kitchen)
    claims = [await claimed(images, await an_image(images, f"https://shop.example/{n}")) for n in range(3)]
    working = [asyncio.create_task(pipeline.process(claim)) for claim in claims]

    await kitchen.was_called(3)

    kitchen.may_go_on.set()
    await asyncio.gather(*working)
