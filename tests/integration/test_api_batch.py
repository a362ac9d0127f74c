"""`POST /products/batch`: many products in one request, and what becomes of each."""

from decimal import Decimal
from typing import Any

import pytest
from httpx import AsyncClient
from tests.shop import URL, a_product, problem_in, read, wrong_fields

from packshot.app import App
from packshot.batches import Batches
from packshot.models import Product

OTHER_URL = "https://shop.example/other.jpg"
WRONG_PRICE = a_product(product_price=-1)
STRANGE_USER = a_product(user_id=77)


async def send(
    api: AsyncClient, *products: object, all_or_nothing: bool = False, key: str | None = None
) -> dict[str, Any]:
    """Send a batch that is taken."""
    body = {"products": products, "all_or_nothing": all_or_nothing}
    answer = await api.post("/products/batch", json=body, headers={"Idempotency-Key": key} if key else {})
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


async def names(api: AsyncClient) -> list[str]:
    """Of all products, the oldest first."""
    page = await read(api, "/products")
    return [product["product_name"] for product in reversed(page["products"])]


async def test_each_product_of_a_batch_is_stored_as_if_it_had_come_alone(api: AsyncClient) -> None:
    wanted = [
        a_product(product_images=[URL, OTHER_URL, URL]),
        a_product(product_name="“Größe” {42}, \\ 😀", product_images=[], product_price="0.0001"),
        a_product(product_description="", product_price=999_999_999_999.25),
    ]

    answer = await send(api, *wanted)

    for body, item in zip(wanted, answer["results"], strict=True):
        alone = (await api.post("/products", json=body)).json()
        batched = await read(api, f"/products/{item['product_id']}")
        assert everything_but_ids_and_times(batched) == everything_but_ids_and_times(alone)


def everything_but_ids_and_times(thing: Any) -> Any:  # noqa: ANN401 - JSON is anything
    if isinstance(thing, list):
        return [everything_but_ids_and_times(part) for part in thing]
    if not isinstance(thing, dict):
        return thing
    ours = ("id", "product_id", "url", "created_at", "updated_at")
    return {key: everything_but_ids_and_times(value) for key, value in thing.items() if key not in ours}


async def test_the_answer_has_one_outcome_for_each_product_in_their_order(api: AsyncClient) -> None:
    answer = await send(api, a_product(), WRONG_PRICE, STRANGE_USER, "no product", a_product())

    first, price, user, shape, last = answer["results"]
    assert (answer["stored"], answer["refused"]) == (2, 3)
    assert first == {"index": 0, "status": 201, "product_id": 1}
    assert (price["index"], price["status"], price["errors"][0]["field"]) == (1, 422, "product_price")
    assert user["errors"] == [{"field": "user_id", "message": "There is no user 77."}]
    assert shape["errors"][0]["field"] == "body"
    assert last == {"index": 4, "status": 201, "product_id": 2}


async def test_a_wrong_product_costs_the_others_nothing(api: AsyncClient) -> None:
    await send(
        api, a_product(product_name="first"), WRONG_PRICE, STRANGE_USER, a_product(product_name="last")
    )

    assert await names(api) == ["first", "last"]


async def test_all_or_nothing_stores_all(api: AsyncClient) -> None:
    answer = await send(api, a_product(), a_product(), all_or_nothing=True)

    assert (answer["stored"], answer["refused"]) == (2, 0)


@pytest.mark.parametrize(
    ("wrong", "fields"),
    [
        (
            [WRONG_PRICE, {}],
            [
                "products[1].product_price",
                *(
                    f"products[2].{name}"
                    for name in ("user_id", "product_name", "product_images", "product_price")
                ),
            ],
        ),
        ([STRANGE_USER, a_product(), a_product(user_id=78)], ["products[1].user_id", "products[3].user_id"]),
    ],
    ids=["wrong fields", "unknown users"],
)
async def test_all_or_nothing_stores_nothing_and_names_each_wrong_product(
    api: AsyncClient, wrong: list[object], fields: list[str]
) -> None:
    body = {"products": [a_product(), *wrong], "all_or_nothing": True}

    assert wrong_fields(await api.post("/products/batch", json=body)) == fields
    assert await names(api) == []


async def test_all_or_nothing_names_even_a_thousand_wrong_products(api: AsyncClient) -> None:
    body = {"products": [WRONG_PRICE] * 1_000, "all_or_nothing": True}

    answer = await api.post("/products/batch", json=body)

    assert wrong_fields(answer) == [f"products[{index}].product_price" for index in range(1_000)]
    assert len(answer.json()["detail"]) < 1_000


async def test_images_of_a_batch_know_their_request(api: AsyncClient, app: App) -> None:
    answer = await api.post("/products/batch", json={"products": [a_product()]})

    rows = await app.database.fetch("SELECT request_id FROM images")
    assert [row["request_id"] for row in rows] == [answer.headers["x-request-id"]]


async def test_a_batch_with_a_key_is_stored_once(api: AsyncClient) -> None:
    for _ in range(2):
        answer = await send(api, a_product(), WRONG_PRICE, key="import-7")

    assert (answer["stored"], answer["refused"]) == (1, 1)
    assert len(await names(api)) == 1


async def test_a_product_of_a_batch_says_at_most_ten_things_that_are_wrong_with_it(api: AsyncClient) -> None:
    answer = await send(api, a_product(product_images=["ftp://x"] * 200))

    assert len(answer["results"][0]["errors"]) == 10


async def test_a_thousand_products_of_ten_images_fit(api: AsyncClient) -> None:
    wanted = a_product(product_description="Größe " * 300, product_images=[f"{URL}?{n}" for n in range(10)])

    answer = await send(api, *[wanted] * 1_000)

    assert (answer["stored"], answer["refused"]) == (1_000, 0)


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "products"),
        ({"products": []}, "products"),
        ({"products": a_product()}, "products"),
        ({"products": [a_product()] * 1_001}, "products"),
        ({"products": [a_product(product_images=[URL] * 200)] * 51}, "products"),
        ({"products": [a_product()], "all_or_nothing": "yes"}, "all_or_nothing"),
        ({"products": [a_product()], "all_or_none": True}, "all_or_none"),
    ],
    ids=["nothing", "no products", "one product", "too many", "too many images", "a text", "a slip"],
)
async def test_a_batch_that_is_none_is_refused(api: AsyncClient, body: object, field: str) -> None:
    assert wrong_fields(await api.post("/products/batch", json=body)) == [field]
    assert await names(api) == []


async def test_a_body_that_is_not_an_object_of_products_is_a_problem(api: AsyncClient) -> None:
    problem_in(await api.post("/products/batch", content=b"["), 400)


async def test_a_batch_takes_its_numbers_in_order(app: App) -> None:
    products = [Product(1, f"{n}", "", (URL,), Decimal(n)) for n in range(50)]

    added = await Batches(app.database, max_attempts=5).add(products, all_or_nothing=False)

    assert [one.product_id for one in added] == list(range(1, 51))
    rows = await app.database.fetch("SELECT product_id FROM images ORDER BY image_id")
    assert [row["product_id"] for row in rows] == list(range(1, 51))
