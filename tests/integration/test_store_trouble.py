"""A store that is down, slow, full or refuses costs time and nothing else, and work waits for it."""

from collections.abc import AsyncIterator
from pathlib import Path
from time import monotonic
from uuid import uuid4

import pytest
from servers.faulty_http import Fault, FaultyHttp
from servers.s3 import ENVIRONMENT, S3
from tests.kitchen import MakePipeline, download
from tests.rows import an_image, claimed, move_time, state_of

from packshot.database import Database
from packshot.images import Images
from packshot.models import Source
from packshot.stores.s3 import S3Store

pytestmark = pytest.mark.usefixtures("aws_keys")


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("packshot.pipeline.FIRST_PAUSE_SECONDS", 0.1)


@pytest.fixture
async def proxy(s3: S3) -> AsyncIterator[FaultyHttp]:
    async with FaultyHttp(s3.port) as proxy:
        yield proxy


@pytest.fixture
def bucket(s3: S3, proxy: FaultyHttp) -> S3Store:
    return S3Store(s3.url_at(proxy.port).replace("/pictures", f"/{uuid4().hex}"), ENVIRONMENT, seconds=0.5)


@pytest.mark.parametrize("fault", [fault for fault in Fault if fault is not Fault.TORN])
async def test_an_image_waits_for_the_store_and_loses_no_attempt(
    make_pipeline: MakePipeline,
    images: Images,
    database: Database,
    bucket: S3Store,
    proxy: FaultyHttp,
    fault: Fault,
) -> None:
    pipeline = make_pipeline(store=bucket)
    image_id = await an_image(images)

    proxy.fail(fault)
    await pipeline.process(await claimed(images, image_id))
    image = await images.get(image_id)
    assert (image["state"], image["max_attempts"] - image["attempt"]) == ("pending", 5)

    proxy.recover()
    await move_time(database, "due_at", -60)
    await pipeline.process(await claimed(images, image_id))
    assert await state_of(images, image_id) == "ready"


async def test_nothing_is_downloaded_while_the_store_rests(
    make_pipeline: MakePipeline, images: Images, bucket: S3Store, proxy: FaultyHttp
) -> None:
    begun: list[float] = []

    async def noting_when(url: str, to: Path) -> Source:
        begun.append(monotonic())
        return await download(url, to)

    pipeline = make_pipeline(noting_when, store=bucket)
    proxy.fail(Fault.FORBIDDEN)
    for name in "abc":
        await pipeline.process(await claimed(images, await an_image(images, f"https://shop.example/{name}")))

    assert begun[1] - begun[0] >= 0.1
    assert begun[2] - begun[1] >= 0.2


async def test_one_success_ends_all_pauses(
    make_pipeline: MakePipeline, images: Images, bucket: S3Store, proxy: FaultyHttp
) -> None:
    pipeline = make_pipeline(store=bucket)
    proxy.fail(Fault.FORBIDDEN)
    for name in "abc":  # the next pause would be 0.4 seconds
        await pipeline.process(await claimed(images, await an_image(images, f"https://shop.example/{name}")))
    proxy.recover()
    await pipeline.process(await claimed(images, await an_image(images, "https://shop.example/d")))

    started = monotonic()
    await pipeline.process(await claimed(images, await an_image(images, "https://shop.example/e")))

    assert monotonic() - started < 0.3
