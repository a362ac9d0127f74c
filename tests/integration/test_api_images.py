"""Single images over HTTP: submitting, reading, retrying. The pictures have a file of their own."""

from dataclasses import asdict, replace
from datetime import UTC, datetime

import pytest
from httpx import AsyncClient
from tests.rows import a_source, claimed, finish, renditions_of
from tests.shop import URL, create, problem_in, read, wrong_fields

from packshot.app import App
from packshot.lifecycle import GiveUp, Retry
from packshot.models import Facts


async def test_an_image_is_accepted_and_can_be_read_where_the_answer_says(api: AsyncClient) -> None:
    accepted = await api.post("/process-image", json={"image_url": URL})

    assert accepted.status_code == 202
    image = accepted.json()
    assert (image["state"], image["attempt"], image["source_url"]) == ("pending", 0, URL)
    assert (image["product_id"], image["position"]) == (None, None)
    assert accepted.headers["location"] == image["url"]
    assert await read(api, image["url"]) == image


async def test_an_image_can_be_added_to_the_end_of_a_product(api: AsyncClient) -> None:
    product = await create(api)

    accepted = await api.post(
        "/process-image", json={"image_url": f"{URL}?2", "product_id": product["product_id"]}
    )

    assert (accepted.json()["product_id"], accepted.json()["position"]) == (product["product_id"], 1)
    changed = await read(api, f"/products/{product['product_id']}")
    assert changed["product_images"] == [URL, f"{URL}?2"]
    assert changed["compressed_product_images"] == [None, None]
    assert changed["images"] == [*product["images"], accepted.json()]


async def test_an_image_of_null_product_stands_alone(api: AsyncClient) -> None:
    accepted = await api.post("/process-image", json={"image_url": URL, "product_id": None})

    assert accepted.json()["product_id"] is None


async def test_an_image_for_a_product_that_is_not_there_is_not_found(api: AsyncClient) -> None:
    answer = await api.post("/process-image", json={"image_url": URL, "product_id": 77})

    assert problem_in(answer, 404)["detail"] == "There is no product 77."


async def test_an_image_for_a_full_product_is_refused(api: AsyncClient) -> None:
    product_id = (await create(api, product_images=[URL] * 200))["product_id"]

    answer = await api.post("/process-image", json={"image_url": URL, "product_id": product_id})

    assert wrong_fields(answer) == ["product_id"]
    assert "200 images" in answer.json()["detail"]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "image_url"),
        ({"image_url": None}, "image_url"),
        ({"image_url": [URL]}, "image_url"),
        ({"image_url": "ftp://shop.example/boot.jpg"}, "image_url"),
        ({"image_url": "https://shop.example/\0"}, "image_url"),
        ({"image_url": "https://shop.example/".ljust(2049, "x")}, "image_url"),
        ({"image_url": URL, "product_id": "1"}, "product_id"),
        ({"image_url": URL, "product_id": 0}, "product_id"),
        ({"image_url": URL, "product_id": 2**31}, "product_id"),
        ({"image_url": URL, "preset": "large"}, "preset"),
    ],
)
async def test_a_wrong_field_of_an_image_is_refused_by_its_name(
    api: AsyncClient, body: dict[str, object], field: str
) -> None:
    assert wrong_fields(await api.post("/process-image", json=body)) == [field]


@pytest.mark.parametrize(("method", "path"), [("GET", ""), ("POST", "/retry"), ("GET", "/large")])
async def test_an_image_that_is_not_there_is_not_found(api: AsyncClient, method: str, path: str) -> None:
    answer = await api.request(method, f"/images/9223372036854775807{path}")

    assert problem_in(answer, 404)["detail"] == "There is no image 9223372036854775807."


@pytest.mark.parametrize(("method", "path"), [("GET", ""), ("POST", "/retry"), ("GET", "/large")])
@pytest.mark.parametrize("image_id", ["0", "9223372036854775808", "boot"])
async def test_an_id_that_no_image_can_have_is_refused(
    api: AsyncClient, method: str, path: str, image_id: str
) -> None:
    assert wrong_fields(await api.request(method, f"/images/{image_id}{path}")) == ["image_id"]


async def test_a_ready_image_shows_its_source_and_its_renditions(api: AsyncClient, app: App) -> None:
    product = await create(api)
    url = product["images"][0]["url"]

    location = await finish(app.images, await claimed(app.images, product["images"][0]["id"]))

    image = await read(api, url)
    assert (image["state"], image["attempt"], image["error"]) == ("ready", 1, None)
    assert image["source"] | {"sha256": ""} == {
        "sha256": "",
        "bytes": 7,
        "format": "png",
        "width": 1600,
        "height": 1200,
        "facts": None,
    }
    assert [rendition["url"] for rendition in image["renditions"]] == [
        f"{url}/large.avif?v=01234567",
        f"{url}/large.jpg?v=01234567",
    ]
    assert image["timings"] == {"download": 1.5}
    assert (await read(api, "/products/1"))["compressed_product_images"] == [location]


async def test_a_ready_image_shows_its_facts_and_how_good_its_renditions_are(
    api: AsyncClient, app: App
) -> None:
    image = (await api.post("/process-image", json={"image_url": URL})).json()
    facts = Facts("#e1dcd4", "MggKDYKUd4efh4dld1iIi2lgmAeW", True, 0.8, 0.5)
    claim, source = await claimed(app.images, image["id"]), a_source()
    await app.images.note_source(claim, source)
    rendered = replace(renditions_of(source), facts=facts)
    best = [replace(one, quality=71, score=90.5) for one in rendered.renditions[:1]]
    await app.images.finish(claim, replace(rendered, renditions=(*best, *rendered.renditions[1:])), "/a", {})

    shown = await read(api, image["url"])

    assert shown["source"]["facts"] == asdict(facts)
    assert [(one["quality"], one["score"]) for one in shown["renditions"]] == [(71, 90.5), (None, None)]


async def test_facts_of_what_was_there_before_are_not_shown_for_a_source_that_is_not_decoded_yet(
    api: AsyncClient, app: App
) -> None:
    image = (await api.post("/process-image", json={"image_url": URL})).json()
    await app.images.note_source(await claimed(app.images, image["id"]), a_source())
    await app.database.execute("UPDATE images SET facts = $1", asdict(Facts("#e1dcd4", "", False, 1, 1)))

    assert (await read(api, image["url"]))["source"]["facts"] is None


async def test_an_image_that_will_be_tried_again_says_why_and_when(api: AsyncClient, app: App) -> None:
    image = (await api.post("/process-image", json={"image_url": URL})).json()
    claim = await claimed(app.images, image["id"])

    await app.images.retry(claim, Retry(600, "source_timeout", "shop.example is too slow."))

    error = (await read(api, image["url"]))["error"]
    assert (error["code"], error["message"]) == ("source_timeout", "shop.example is too slow.")
    assert (error["transient"], error["fixed_by"]) == (True, "supplier")
    assert datetime.fromisoformat(error["retry_at"]) > datetime.now(UTC)


async def test_a_failed_image_can_be_retried(api: AsyncClient, app: App) -> None:
    image = (await api.post("/process-image", json={"image_url": URL})).json()
    claim = await claimed(app.images, image["id"])
    await app.images.give_up(claim, GiveUp("source_gone", "There is nothing at that URL."))
    assert (await read(api, image["url"]))["error"]["retry_at"] is None

    retried = await api.post(f"{image['url']}/retry")

    assert retried.status_code == 202
    assert (retried.json()["state"], retried.json()["error"]) == ("pending", None)
    assert retried.json()["max_attempts"] > retried.json()["attempt"]


async def test_an_image_that_has_not_failed_cannot_be_retried(api: AsyncClient) -> None:
    image = (await api.post("/process-image", json={"image_url": URL})).json()

    problem = problem_in(await api.post(f"{image['url']}/retry"), 409)

    assert problem["detail"] == f"Image {image['id']} is pending; only a failed image can be retried."
