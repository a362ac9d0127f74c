"""What hangs keeps nobody else waiting: a consumer and a pipeline with a few slots, and many bad sources."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from tests import kitchen
from tests.kitchen import Kitchen, MakePipeline
from tests.rows import an_image, eventually, files_in, state_of

from packshot.brokers.memory import MemoryBroker
from packshot.consumer import Consumer
from packshot.errors import ImageDamaged
from packshot.images import Images
from packshot.models import Compressed, Hint, Preset, Source
from packshot.pipeline import Pipeline
from packshot.workers import Desk

GOOD = [f"https://shop.example/{number}" for number in range(10)]
HANGING = [f"https://{number}.example/hang{number}" for number in range(20)]


class Network:
    """Serves good files at once, and those that hang when it is told to."""

    def __init__(self) -> None:
        self.answers = asyncio.Event()

    async def download(self, url: str, to: Path) -> Source:
        if "hang" in url:
            await self.answers.wait()
        return await kitchen.download(url, to)


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who waits steps aside after no time at all."""
    monkeypatch.setattr("packshot.slots.MOMENT_SECONDS", 0)


@asynccontextmanager
async def consuming(
    images: Images, desk: Desk, pipeline: Pipeline, *urls: str
) -> AsyncIterator[tuple[list[int], "asyncio.Task[None]"]]:
    """Publish images of these URLs to a consumer that runs during the block."""
    broker = MemoryBroker(capacity=100)
    consumer = Consumer([broker], images, desk, pipeline.process, lambda: None)
    running = asyncio.create_task(consumer.run())
    ids = [await an_image(images, url) for url in urls]
    await broker.publish([Hint(None, image_id) for image_id in ids])
    try:
        yield ids, running
    finally:
        running.cancel()
        await asyncio.wait([running])


async def all_are(images: Images, ids: list[int], state: str) -> None:
    async def reached() -> bool:
        return {await state_of(images, image_id) for image_id in ids} == {state}

    await eventually(reached)


async def test_good_images_are_made_while_more_sources_hang_than_there_are_slots(
    images: Images, desk: Desk, make_pipeline: MakePipeline
) -> None:
    pipeline = make_pipeline(Network().download)
    async with consuming(images, desk, pipeline, *HANGING, *GOOD) as (ids, _):
        await all_are(images, ids[len(HANGING) :], "ready")

        await all_are(images, ids[: len(HANGING)], "processing")
        assert sorted(desk.in_hand) == ids[: len(HANGING)]


async def test_what_hung_is_made_when_it_comes_after_all(
    images: Images, desk: Desk, make_pipeline: MakePipeline
) -> None:
    network = Network()
    async with consuming(images, desk, make_pipeline(network.download), *HANGING, *GOOD) as (ids, _):
        await all_are(images, ids[len(HANGING) :], "ready")

        network.answers.set()

        await all_are(images, ids, "ready")


async def test_at_the_end_what_hangs_is_given_back_with_all_its_attempts_and_files(
    images: Images, desk: Desk, make_pipeline: MakePipeline, tmp_path: Path
) -> None:
    async with consuming(images, desk, make_pipeline(Network().download), *HANGING) as (ids, running):
        await all_are(images, ids, "processing")
        running.cancel()
        await asyncio.wait([running])

    rows = [await images.get(image_id) for image_id in ids]
    assert {(row["state"], row["max_attempts"] - row["attempt"]) for row in rows} == {("pending", 5)}
    assert files_in(tmp_path / "data") == []


async def test_twins_that_wait_for_one_another_keep_nobody_else_waiting(
    images: Images, desk: Desk, make_pipeline: MakePipeline
) -> None:
    slow = Kitchen()

    async def compress(source: Path, folder: Path, presets: Sequence[Preset]) -> Compressed:
        is_slow = source.read_bytes() == b"twin"
        return await (slow if is_slow else kitchen.compress)(source, folder, presets)

    twins = [f"https://{number}.example/twin" for number in range(10)]
    async with consuming(images, desk, make_pipeline(compress=compress), *twins, *GOOD) as (ids, _):
        await all_are(images, ids[len(twins) :], "ready")
        await all_are(images, ids[: len(twins)], "processing")

        slow.may_go_on.set()

        await all_are(images, ids, "ready")
    assert slow.calls == 1


async def test_twins_of_a_picture_that_fails_fail_without_another_look_at_it(
    images: Images, desk: Desk, make_pipeline: MakePipeline
) -> None:
    damaged = Kitchen()

    async def compress(source: Path, folder: Path, presets: Sequence[Preset]) -> Compressed:
        await damaged(source, folder, presets)
        raise ImageDamaged("Only its upper half is there.")

    twins = [f"https://{number}.example/twin" for number in range(10)]
    async with consuming(images, desk, make_pipeline(compress=compress), *twins) as (ids, _):
        await damaged.was_called(1)
        await all_are(images, ids, "processing")
        damaged.may_go_on.set()
        await all_are(images, ids, "failed")

    assert damaged.calls == 1
    rows = [await images.get(image_id) for image_id in ids]
    assert {(row["error_code"], row["error_message"]) for row in rows} == {
        ("image_damaged", "Only its upper half is there.")
    }
    assert {row["source_bytes"] for row in rows} == {len("twin")}


async def test_a_picture_that_failed_is_looked_at_again_when_it_comes_again(
    images: Images, desk: Desk, make_pipeline: MakePipeline
) -> None:
    damaged = Kitchen()
    damaged.may_go_on.set()

    async def compress(source: Path, folder: Path, presets: Sequence[Preset]) -> Compressed:
        await damaged(source, folder, presets)
        raise ImageDamaged("Only its upper half is there.")

    pipeline = make_pipeline(compress=compress)
    for looks in (1, 2):
        async with consuming(images, desk, pipeline, "https://shop.example/twin") as (ids, _):
            await all_are(images, ids, "failed")
        assert damaged.calls == looks
