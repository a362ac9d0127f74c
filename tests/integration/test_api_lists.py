"""Lists of products over HTTP: pages and filters."""

import pytest
from httpx import AsyncClient
from tests.rows import claimed, finish
from tests.shop import URL, create, read, wrong_fields

from packshot.app import App
from packshot.lifecycle import GiveUp


async def ids(api: AsyncClient, query: str) -> list[int]:
    """The products that a query finds, in the order of the answer."""
    return [product["product_id"] for product in (await read(api, f"/products?{query}"))["products"]]


async def test_products_are_listed_newest_first_as_they_are_read_alone(api: AsyncClient) -> None:
    first, second = await create(api), await create(api)

    assert (await read(api, "/products"))["products"] == [second, first]


async def test_the_pages_of_a_list_hold_every_product_once(api: AsyncClient) -> None:
    created = [(await create(api))["product_id"] for _ in range(5)]
    page = await read(api, "/products?limit=2")
    seen = [page["products"]]

    while page["next_cursor"]:
        page = await read(api, f"/products?limit=2&cursor={page['next_cursor']}")
        seen.append(page["products"])

    assert [[product["product_id"] for product in products] for products in seen] == [
        [created[4], created[3]],
        [created[2], created[1]],
        [created[0]],
    ]


async def test_a_page_that_is_exactly_full_is_the_last_one(api: AsyncClient) -> None:
    await create(api)
    await create(api)

    page = await api.get("/products?limit=2")

    assert page.json()["next_cursor"] is None
    assert "link" not in page.headers


async def test_the_link_header_leads_to_the_next_page_with_the_same_filters(api: AsyncClient) -> None:
    await create(api, product_name="C")
    first, *_ = [(await create(api, product_name="A & B"))["product_id"] for _ in range(3)]

    page = await api.get("/products", params={"product_name": "a & b", "limit": 2})

    assert page.links["next"]["url"].startswith("/products?")
    assert await ids(api, page.links["next"]["url"].partition("?")[2]) == [first]


async def test_a_product_that_is_added_meanwhile_does_not_move_the_next_page(api: AsyncClient) -> None:
    first, second = await create(api), await create(api)
    page = await read(api, "/products?limit=1")
    await create(api)

    assert page["products"] == [second]
    assert await ids(api, f"limit=1&cursor={page['next_cursor']}") == [first["product_id"]]


async def test_filters_are_combined(api: AsyncClient) -> None:
    await api.post("/users", json={"name": "Grace"})
    wanted = await create(api, user_id=2, product_name="Leather BOOT", product_price="20")
    await create(api, user_id=1, product_name="Leather boot", product_price="20")
    await create(api, user_id=2, product_name="Sandal", product_price="20")
    await create(api, user_id=2, product_name="Leather boot", product_price="19.99")
    await create(api, user_id=2, product_name="Leather boot", product_price="30.01")

    query = "user_id=2&product_name=boot&min_price=20&max_price=30&state=pending"

    assert await ids(api, query) == [wanted["product_id"]]


@pytest.mark.parametrize(
    ("query", "prices"),
    [
        ("min_price=2", ["3", "2"]),
        ("max_price=2", ["2", "1"]),
        ("min_price=2.0&max_price=2.00", ["2"]),
        ("min_price=2.0001", ["3"]),
        ("min_price=999999999999.9999", []),
    ],
)
async def test_prices_are_compared_as_numbers(api: AsyncClient, query: str, prices: list[str]) -> None:
    for price in ("1", "2", "3"):
        await create(api, product_price=price)

    page = await read(api, f"/products?{query}")

    assert [product["product_price"] for product in page["products"]] == prices


@pytest.mark.parametrize("part", ["100%", "_S", "\\", "größe", "'"])
async def test_a_part_of_a_name_is_taken_literally(api: AsyncClient, part: str) -> None:
    wanted = await create(api, product_name="100%_S\\ GRÖSSE Größe '")
    await create(api, product_name="1000 sizes")

    page = (await api.get("/products", params={"product_name": part})).json()

    assert page["products"] == [wanted]


async def test_products_are_found_by_their_state(api: AsyncClient, app: App) -> None:
    pending, ready = await create(api), await create(api)
    await finish(app.images, await claimed(app.images, ready["images"][0]["id"]))
    processing = await create(api, product_images=[URL, URL])
    await claimed(app.images, processing["images"][0]["id"])

    assert await ids(api, "state=pending") == [pending["product_id"]]
    assert await ids(api, "state=processing") == [processing["product_id"]]
    assert await ids(api, "state=ready") == [ready["product_id"]]
    assert await ids(api, "state=failed") == []


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("user_id", "0"),
        ("user_id", "2147483648"),
        ("min_price", "NaN"),
        ("min_price", "-1"),
        ("min_price", "1e999999999"),
        ("max_price", "1e-999999999"),
        ("max_price", "cheap"),
        ("product_name", ""),
        ("product_name", "\0"),
        ("product_name", "x" * 501),
        ("state", "done"),
        ("limit", "0"),
        ("limit", "101"),
        ("limit", "all"),
        ("cursor", "0"),
        ("cursor", "2147483648"),
        ("cursor", "abc"),
        ("colour", "brown"),
    ],
)
async def test_a_wrong_filter_is_refused_by_its_name(api: AsyncClient, field: str, value: str) -> None:
    assert wrong_fields(await api.get("/products", params={field: value})) == [field]


async def test_products_are_found_by_the_code_of_a_failed_image(api: AsyncClient, app: App) -> None:
    await create(api)
    failed = await create(api)
    claim = await claimed(app.images, failed["images"][0]["id"])
    await app.images.give_up(claim, GiveUp("source_gone", "Not there."))

    assert await ids(api, "error_code=source_gone") == [failed["product_id"]]
    assert await ids(api, "error_code=not_an_image") == []


async def test_a_code_that_does_not_exist_is_refused(api: AsyncClient) -> None:
    assert wrong_fields(await api.get("/products?error_code=nonsense")) == ["error_code"]
