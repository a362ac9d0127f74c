"""`packshot.client`: what a program gets from it, against the real API and against answers that fail."""

import asyncio
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable
from typing import Any, TypeVar, get_args, get_type_hints

import pytest
from fastapi import FastAPI
from tests.callers import serving
from tests.clerk import HANG_UP, answer, answering
from tests.console import SOURCES
from tests.rows import claimed, finish
from tests.shop import URL

from packshot import client
from packshot.app import App, open_api
from packshot.client import ApiError, Client, Conflict, NewProduct, NotFound, Refused, Unavailable
from packshot.lifecycle import GiveUp

Result = TypeVar("Result")
BOOT: NewProduct = {
    "user_id": 1,
    "product_name": "Boot",
    "product_images": [URL],
    "product_price": "119.90",
}
STORED = answer("201 Created", '{"product_id": 1}')
SHAPES = {
    "ProductView": client.Product,
    "ImageView": client.Image,
    "RenditionView": client.Rendition,
    "SourceView": client.Source,
    "FactsView": client.Facts,
    "ErrorView": client.ImageError,
    "FieldProblem": client.FieldProblem,
    "BatchView": client.Batch,
    "NewProduct": client.NewProduct,
}


@pytest.fixture
async def url(app: App) -> AsyncIterator[str]:
    async with serving(open_api(app)) as port:
        yield f"http://127.0.0.1:{port}"


def hardly(_: float) -> None:
    """Rest for much less than was asked for."""
    time.sleep(0.01)


async def using(
    url: str,
    work: Callable[[Client], Result],
    key: str | None = None,
    sleep: Callable[[float], None] = hardly,
) -> Result:
    """Let a client work beside the server, which lives in this test."""

    def talk() -> Result:
        with Client(url, key, sleep=sleep) as packshot:
            return work(packshot)

    return await asyncio.to_thread(talk)


async def test_a_submitted_product_can_be_read(url: str) -> None:
    def work(packshot: Client) -> None:
        product = packshot.submit(BOOT)
        assert product["product_images"] == [URL]
        assert packshot.product(product["product_id"]) == product

    await using(url, work)


async def test_a_product_can_be_changed_and_removed(url: str) -> None:
    def work(packshot: Client) -> None:
        product_id = packshot.submit(BOOT)["product_id"]
        assert packshot.change(product_id, product_price="9.90")["product_price"] == "9.90"
        packshot.remove(product_id)
        with pytest.raises(NotFound, match="no product 1"):
            packshot.product(product_id)

    await using(url, work)


async def test_an_image_can_be_submitted_alone_or_for_a_product(url: str) -> None:
    def work(packshot: Client) -> None:
        alone = packshot.submit_image(URL)
        assert packshot.image(alone["id"]) == alone
        product_id = packshot.submit(BOOT)["product_id"]
        assert packshot.submit_image(URL, product_id)["position"] == 1

    await using(url, work)


async def test_a_batch_tells_what_became_of_each_product(url: str) -> None:
    wrong: NewProduct = {**BOOT, "user_id": 77}

    batch = await using(url, lambda packshot: packshot.batch([BOOT, wrong]))

    assert (batch["stored"], batch["refused"]) == (1, 1)
    assert batch["results"][0] == {"index": 0, "status": 201, "product_id": 1}
    assert batch["results"][1]["errors"][0]["field"] == "user_id"


async def test_a_list_goes_over_all_pages(url: str) -> None:
    def work(packshot: Client) -> list[int]:
        packshot.batch([BOOT] * 150)
        return [product["product_id"] for product in packshot.products(state="pending")]

    assert await using(url, work) == list(range(150, 0, -1))


async def test_a_list_can_be_narrowed_down(url: str) -> None:
    def work(packshot: Client) -> int:
        packshot.batch([BOOT, {**BOOT, "product_price": 5}])
        return len(list(packshot.products(max_price=10, product_name="oo")))

    assert await using(url, work) == 1


async def test_waiting_ends_when_each_image_has_ended(url: str, app: App) -> None:
    await using(url, lambda packshot: packshot.submit(BOOT))
    waiting = asyncio.create_task(using(url, lambda packshot: packshot.wait(1, seconds=30)))

    await finish(app.images, await claimed(app.images, 1))

    assert (await waiting)["state"] == "ready"


async def test_waiting_for_too_long_says_how_far_it_is(url: str) -> None:
    await using(url, lambda packshot: packshot.submit(BOOT))

    with pytest.raises(TimeoutError, match="Product 1 is pending"):
        await using(url, lambda packshot: packshot.wait(1, seconds=0))


async def test_a_failed_image_can_be_retried_and_another_one_cannot(url: str, app: App) -> None:
    await using(url, lambda packshot: packshot.submit(BOOT))
    await app.images.give_up(await claimed(app.images, 1), GiveUp("source_gone", "Not there."))

    assert (await using(url, lambda packshot: packshot.retry(1)))["state"] == "pending"
    with pytest.raises(Conflict):
        await using(url, lambda packshot: packshot.retry(1))


async def test_a_refused_product_names_its_fields(url: str) -> None:
    wrong: NewProduct = {**BOOT, "product_price": -1}

    with pytest.raises(Refused, match="product_price") as refused:
        await using(url, lambda packshot: packshot.submit(wrong))

    assert refused.value.status == 422
    assert [error["field"] for error in refused.value.errors] == ["product_price"]


async def test_the_same_key_makes_one_product_even_from_two_clients(url: str) -> None:
    products = [await using(url, lambda packshot: packshot.submit(BOOT, key="boot-7")) for _ in range(2)]

    assert products[0] == products[1]


@pytest.mark.parametrize(
    "failure",
    [
        HANG_UP,
        answer("503 Service Unavailable", "{}"),
        answer("429 Too Many Requests", "{}", "Retry-After: 0"),
        answer("409 Conflict", "{}", "Retry-After: 0"),
        answer("503 Service Unavailable", "<html>", "Retry-After: Fri, 31 Dec 1999 23:59:59 GMT"),
    ],
    ids=["no answer", "unavailable", "too many", "in flight", "a proxy"],
)
async def test_what_may_pass_is_tried_again_with_the_same_key(failure: bytes) -> None:
    async with answering(failure, STORED) as clerk:
        product = await using(clerk.url, lambda packshot: packshot.submit(BOOT))

    assert product["product_id"] == 1
    first, second = clerk.keys()
    assert first == second


async def test_two_submissions_have_two_keys() -> None:
    def work(packshot: Client) -> None:
        packshot.submit(BOOT)
        packshot.submit(BOOT)

    async with answering(STORED, STORED) as clerk:
        await using(clerk.url, work)

    assert len(set(clerk.keys())) == 2


@pytest.mark.parametrize(
    ("status", "asked_for", "rested"),
    [
        ("429 Too Many Requests", "7", 7),
        ("409 Conflict", "7", 7),
        ("500 Internal Server Error", "7", 7),
        ("503 Service Unavailable", "0", client.PAUSES[0]),
        ("503 Service Unavailable", "3600", client.LONGEST_PAUSE),
        ("503 Service Unavailable", "Fri, 31 Dec 1999 23:59:59 GMT", client.PAUSES[0]),
    ],
)
async def test_an_answer_says_how_long_to_rest_before_the_next_try(
    status: str, asked_for: str, rested: float
) -> None:
    rests: list[float] = []

    async with answering(answer(status, "{}", f"Retry-After: {asked_for}"), STORED) as clerk:
        await using(clerk.url, lambda packshot: packshot.submit(BOOT), sleep=rests.append)

    assert rests == [rested]


async def test_what_stays_away_is_given_up_after_longer_and_longer_rests() -> None:
    rests: list[float] = []

    async with answering(*[answer("503 Service Unavailable", '{"detail": "Later."}')] * 5) as clerk:
        with pytest.raises(Unavailable, match="Later") as error:
            await using(clerk.url, lambda packshot: packshot.product(1), sleep=rests.append)

    assert error.value.status == 503
    assert rests == [*client.PAUSES]
    assert len(clerk.asked) == 5


async def test_a_removal_whose_answer_was_lost_is_not_sent_again() -> None:
    async with answering(HANG_UP) as clerk:
        with pytest.raises(Unavailable) as error:
            await using(clerk.url, lambda packshot: packshot.remove(1))

    assert error.value.status is None
    assert len(clerk.asked) == 1


async def test_a_bug_of_the_server_is_not_tried_again() -> None:
    async with answering(answer("500 Internal Server Error", '["odd"]')) as clerk:
        with pytest.raises(ApiError, match="Internal Server Error") as error:
            await using(clerk.url, lambda packshot: packshot.product(1))

    assert type(error.value) is ApiError
    assert len(clerk.asked) == 1


async def test_the_key_is_sent_with_each_request() -> None:
    async with answering(STORED) as clerk:
        await using(clerk.url, lambda packshot: packshot.product(1), key="secret")

    assert "authorization: bearer secret" in clerk.asked[0].lower()


@pytest.mark.parametrize(("name", "shape"), SHAPES.items())
def test_the_shapes_are_those_of_the_document(routes: FastAPI, name: str, shape: type) -> None:
    described = routes.openapi()["components"]["schemas"][name]

    assert set(get_type_hints(shape)) == set(described["properties"])
    assert shape.__required_keys__ == set(described.get("required", ()))  # type: ignore[attr-defined] # a TypedDict's


def test_an_item_of_a_batch_is_one_of_the_two_of_the_document(routes: FastAPI) -> None:
    schemas = routes.openapi()["components"]["schemas"]
    described = set(schemas["StoredItem"]["properties"]) | set(schemas["RefusedItem"]["properties"])

    assert set(get_type_hints(client.BatchItem)) == described


def test_the_states_are_those_of_the_document(routes: FastAPI) -> None:
    described: dict[str, Any] = routes.openapi()["components"]["schemas"]["ProductView"]["properties"][
        "state"
    ]

    assert list(get_args(client.State)) == described["enum"]


def test_importing_the_client_loads_nothing_else_of_packshot() -> None:
    program = (
        "import sys, packshot.client; print(*sorted(n for n in sys.modules if n.startswith('packshot')))"
    )

    loaded = subprocess.check_output([sys.executable, "-c", program], env={"PYTHONPATH": SOURCES}, text=True)  # noqa: S603 - the test's own words

    assert loaded.split() == ["packshot", "packshot.client"]
