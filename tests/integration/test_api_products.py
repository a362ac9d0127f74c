"""Products over HTTP: one product's life. Lists, prices and URLs have files of their own."""

import json
from datetime import datetime

import pytest
from httpx import AsyncClient
from tests.rows import claimed, finish
from tests.shop import URL, a_product, create, problem_in, read, wrong_fields

from packshot.app import App

OTHER_URL = "https://shop.example/other.jpg"


async def test_a_product_is_created_and_can_be_read_where_the_answer_says(api: AsyncClient) -> None:
    created = await api.post("/products", json=a_product())

    assert created.status_code == 201
    product = created.json()
    assert product | a_product() == product
    assert product["state"] == "pending"
    assert product["compressed_product_images"] == [None]
    assert [(image["position"], image["source_url"]) for image in product["images"]] == [(0, URL)]
    assert (await api.get(created.headers["location"])).json() == product


async def test_a_product_needs_no_description_and_no_pictures(api: AsyncClient) -> None:
    body = {"user_id": 1, "product_name": "Voucher", "product_images": [], "product_price": 10}

    created = await api.post("/products", json=body)

    assert created.status_code == 201
    assert created.json()["product_description"] == ""
    assert created.json()["state"] == "ready"


async def test_times_of_a_product_and_of_its_images_have_a_zone(api: AsyncClient) -> None:
    product = await create(api)

    for thing in (product, *product["images"]):
        assert datetime.fromisoformat(thing["created_at"]).tzinfo
        assert datetime.fromisoformat(thing["updated_at"]).tzinfo


async def test_names_and_descriptions_come_back_as_they_were_sent(api: AsyncClient) -> None:
    name, description = "  Größe 42 “😀” ', <b>\\u0041 %_", "x" * 20_000

    product = await create(api, product_name=name, product_description=description)

    assert (product["product_name"], product["product_description"]) == (name, description)


async def test_a_name_of_500_characters_fits(api: AsyncClient) -> None:
    assert (await create(api, product_name="😀" * 500))["product_name"] == "😀" * 500


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("user_id", 0),
        ("user_id", 2_147_483_648),
        ("user_id", 10**30),
        ("user_id", "1"),
        ("user_id", 1.0),
        ("user_id", True),
        ("user_id", None),
        ("product_name", ""),
        ("product_name", "x" * 501),
        ("product_name", "x" * 10_000),
        ("product_name", None),
        ("product_name", "nul \0"),
        ("product_name", "half a pair: \ud800"),
        ("product_description", "x" * 20_001),
        ("product_description", None),
        ("product_description", "\0"),
        ("product_description", "\udfff"),
        ("product_images", None),
        ("product_images", URL),
        ("product_images", {"0": URL}),
        ("product_color", "brown"),
    ],
)
async def test_a_wrong_field_is_refused_by_its_name(api: AsyncClient, field: str, value: object) -> None:
    assert wrong_fields(await api.post("/products", content=json.dumps(a_product(**{field: value})))) == [
        field
    ]


async def test_every_missing_field_is_named_at_once(api: AsyncClient) -> None:
    answer = await api.post("/products", json={})

    assert wrong_fields(answer) == ["user_id", "product_name", "product_images", "product_price"]


async def test_a_product_of_an_unknown_user_is_refused(api: AsyncClient) -> None:
    answer = await api.post("/products", json=a_product(user_id=77))

    assert wrong_fields(answer) == ["user_id"]
    assert "There is no user 77." in answer.json()["detail"]


@pytest.mark.parametrize("method", ["GET", "PATCH", "DELETE"])
async def test_a_product_that_is_not_there_is_not_found(api: AsyncClient, method: str) -> None:
    answer = await api.request(method, "/products/2147483647", content=b"{}")

    assert problem_in(answer, 404)["detail"] == "There is no product 2147483647."


@pytest.mark.parametrize("product_id", ["0", "-1", "2147483648", "boot"])
async def test_an_id_that_no_product_can_have_is_refused(api: AsyncClient, product_id: str) -> None:
    assert wrong_fields(await api.get(f"/products/{product_id}")) == ["product_id"]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("product_name", "Suede boot"),
        ("product_description", ""),
        ("product_price", "0.99"),
        ("product_images", [OTHER_URL, URL]),
        ("product_images", []),
    ],
)
async def test_a_change_touches_one_field_and_leaves_the_others(
    api: AsyncClient, field: str, value: object
) -> None:
    product = await create(api)

    changed = await api.patch(f"/products/{product['product_id']}", json={field: value})

    assert changed.status_code == 200
    assert changed.json() | a_product(**{field: value}) == changed.json()
    assert await read(api, f"/products/{product['product_id']}") == changed.json()


async def test_a_product_can_be_given_to_another_user(api: AsyncClient) -> None:
    await api.post("/users", json={"name": "Grace"})
    product = await create(api)

    changed = await api.patch(f"/products/{product['product_id']}", json={"user_id": 2})

    assert changed.json()["user_id"] == 2


async def test_a_change_of_nothing_changes_nothing(api: AsyncClient) -> None:
    product = await create(api)

    changed = await api.patch(f"/products/{product['product_id']}", json={})

    assert changed.status_code == 200
    assert changed.json() | {"updated_at": ""} == product | {"updated_at": ""}


@pytest.mark.parametrize(
    "field", ["user_id", "product_name", "product_description", "product_images", "product_price"]
)
async def test_a_field_cannot_be_changed_to_null(api: AsyncClient, field: str) -> None:
    product = await create(api)

    answer = await api.patch(f"/products/{product['product_id']}", json={field: None})

    assert wrong_fields(answer) == [field]
    assert await read(api, f"/products/{product['product_id']}") == product


@pytest.mark.parametrize("field", ["product_id", "state", "compressed_product_images", "created_at"])
async def test_what_is_ours_to_say_cannot_be_changed(api: AsyncClient, field: str) -> None:
    product = await create(api)

    answer = await api.patch(f"/products/{product['product_id']}", json={field: product[field]})

    assert wrong_fields(answer) == [field]


async def test_a_change_to_an_unknown_user_changes_nothing_at_all(api: AsyncClient) -> None:
    product = await create(api)

    answer = await api.patch(
        f"/products/{product['product_id']}", json={"user_id": 77, "product_images": [OTHER_URL]}
    )

    assert wrong_fields(answer) == ["user_id"]
    assert await read(api, f"/products/{product['product_id']}") == product


async def test_an_image_whose_url_stays_keeps_its_result_at_its_new_position(
    api: AsyncClient, app: App
) -> None:
    product = await create(api, product_images=[URL, OTHER_URL])
    kept = product["images"][0]["id"]
    location = await finish(app.images, await claimed(app.images, kept))

    changed = await api.patch(f"/products/{product['product_id']}", json={"product_images": [OTHER_URL, URL]})

    assert changed.json()["compressed_product_images"] == [None, location]
    image = changed.json()["images"][1]
    assert (image["id"], image["position"], image["state"]) == (kept, 1, "ready")


async def test_a_deleted_product_is_gone_with_its_images(api: AsyncClient) -> None:
    product = await create(api)
    url = f"/products/{product['product_id']}"

    deleted = await api.delete(url)

    assert (deleted.status_code, deleted.content) == (204, b"")
    problem_in(await api.get(url), 404)
    problem_in(await api.delete(url), 404)
    problem_in(await api.get(product["images"][0]["url"]), 404)
