"""Which request an image comes from: its id is in the row, and outlives every message and every worker."""

import logging
from collections.abc import Awaitable, Callable, Iterator
from typing import Final

import pytest
import structlog
from httpx import AsyncClient
from tests.kitchen import MakePipeline
from tests.rows import claimed
from tests.shop import URL, create

from packshot.app import App
from packshot.lifecycle import GiveUp

NAMED: Final = {"X-Request-Id": "order-4711"}


class Lines(logging.Handler):
    """Remembers each line with what it is about."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[dict[str, object]] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append({"event": record.getMessage(), **structlog.contextvars.get_contextvars()})


@pytest.fixture
def lines(caplog: pytest.LogCaptureFixture) -> Iterator[list[dict[str, object]]]:
    caplog.set_level(logging.INFO)
    handler, root = Lines(), logging.getLogger()
    root.addHandler(handler)
    yield handler.lines
    root.removeHandler(handler)


async def fail_first(app: App, api: AsyncClient) -> None:
    await create(api)
    claim = await claimed(app.images, 1)
    await app.images.give_up(claim, GiveUp("source_gone", "Not there."))


async def a_product(_: App, api: AsyncClient) -> None:
    await create_named(api)


async def create_named(api: AsyncClient) -> None:
    body = {"user_id": 1, "product_name": "Boot", "product_images": [URL], "product_price": "1"}
    (await api.post("/products", json=body, headers=NAMED)).raise_for_status()


async def an_image_alone(_: App, api: AsyncClient) -> None:
    await api.post("/process-image", json={"image_url": URL}, headers=NAMED)


async def one_more_image(_: App, api: AsyncClient) -> None:
    await create(api, product_images=[])
    await api.post("/process-image", json={"image_url": URL, "product_id": 1}, headers=NAMED)


async def another_url(_: App, api: AsyncClient) -> None:
    await create(api, product_images=[])
    await api.patch("/products/1", json={"product_images": [URL]}, headers=NAMED)


async def another_try(app: App, api: AsyncClient) -> None:
    await fail_first(app, api)
    await api.post("/images/1/retry", headers=NAMED)


@pytest.mark.parametrize(
    "ask", [a_product, an_image_alone, one_more_image, another_url, another_try], ids=lambda ask: ask.__name__
)
async def test_a_claim_knows_the_request_that_wanted_it(
    app: App, api: AsyncClient, ask: Callable[[App, AsyncClient], Awaitable[None]]
) -> None:
    await ask(app, api)

    assert (await claimed(app.images, 1)).request_id == "order-4711"


async def test_the_line_of_an_attempt_names_the_request(
    app: App, api: AsyncClient, make_pipeline: MakePipeline, lines: list[dict[str, object]]
) -> None:
    await create_named(api)
    claim = await claimed(app.images, 1)
    structlog.contextvars.clear_contextvars()  # a worker is another process

    await make_pipeline().process(claim)

    (line,) = (line for line in lines if line["event"] == "attempt ended")
    assert line == {
        "event": "attempt ended",
        "request_id": "order-4711",
        "image_id": 1,
        "product_id": 1,
        "attempt": 1,
        "source_url": URL,
    }
