"""Secrets, planted where people keep them, and then searched for in everything that webhooks send and say."""

import asyncio
import logging
from collections.abc import AsyncIterator
from typing import Final

import pytest
from httpx import AsyncClient
from tests.fetching import HERE, downloader
from tests.kitchen import MakePipeline
from tests.lifelines import a_lifeline
from tests.mail import a_courier, guarded, told, webhooks_of
from tests.rows import a_product, claimed, eventually
from tests.supplier import PICTURE, Supplier

from packshot.database import Database
from packshot.images import Images
from packshot.products import Products
from packshot.stores import Store

PLANTED: Final = "planted4711"
INWARD: Final = f"http://10.0.0.1/{PLANTED}?key={PLANTED}"
SOURCES: Final = (
    f"/shoe.png?signature={PLANTED}",
    f"/status/404?token={PLANTED}#{PLANTED}",
    f"/not-http?token={PLANTED}",
    f"/redirect?to={INWARD}",
    f"/hang?token={PLANTED}",
)


@pytest.fixture(autouse=True)
def everything_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "packshot")


@pytest.fixture
async def supplier() -> AsyncIterator[Supplier]:
    """Serves the sources, and receives what is told of them."""
    async with Supplier(files={"/shoe.png": PICTURE}) as supplier:
        yield supplier


@pytest.fixture
async def told_of_all(  # noqa: PLR0913, PLR0917 - all rooms are in it
    database: Database,
    products: Products,
    images: Images,
    make_pipeline: MakePipeline,
    store: Store,
    user_id: int,
    supplier: Supplier,
) -> None:
    """Each source has ended, in its own way, and a receiver whose URL is a secret, too, was told of it."""
    await webhooks_of(database).add(supplier.url(f"/status/200?token={PLANTED}"))
    await webhooks_of(database).add(supplier.url(f"/status/500?token={PLANTED}"))
    product = await products.add(a_product(user_id, *map(supplier.url, SOURCES)))
    await database.execute("UPDATE images SET max_attempts = 1")
    async with downloader(answer_seconds=0.1) as one:
        pipeline = make_pipeline(one.download)
        for image in product["images"]:
            await pipeline.process(await claimed(images, image["image_id"]))

    async def all_tried() -> bool:
        return all(row["last_milliseconds"] is not None for row in await told(database))

    async with a_courier(database, store, guarded()) as courier:
        going = asyncio.create_task(courier.run(a_lifeline()))
        await eventually(all_tried)
        going.cancel()


@pytest.mark.usefixtures("told_of_all")
async def test_what_a_sources_url_hides_reaches_no_receiver(supplier: Supplier) -> None:
    messages = [request.body.decode() for request in supplier.requests if request.body]

    assert len(messages) == 2 * (len(SOURCES) + 1)
    assert sum("source_url" in message and HERE in message for message in messages) == 2 * len(SOURCES)
    assert not any(PLANTED in message for message in messages)


@pytest.mark.usefixtures("told_of_all")
async def test_no_secret_is_in_the_log_of_deliveries(api: AsyncClient) -> None:
    pages = [(await api.get(f"/webhooks/{webhook_id}/deliveries")).text for webhook_id in (1, 2)]

    assert all("image.failed" in page for page in pages)
    assert not any(PLANTED in page or "whsec_" in page for page in pages)


@pytest.mark.usefixtures("told_of_all")
async def test_no_secret_is_in_the_programs_own_log(caplog: pytest.LogCaptureFixture) -> None:
    records = [str(vars(record)) for record in caplog.get_records("setup")]

    assert any("attempt ended" in record for record in records)
    assert not any(PLANTED in record or "whsec_" in record for record in records)
