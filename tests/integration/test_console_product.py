"""One product in the console, without a script: its images, what became of them, and their order."""

import pytest
from httpx import AsyncClient
from tests.ready import made, show
from tests.rows import fail
from tests.shop import URL, create, read
from tests.visitor import fill_in, hidden_in, look, send

from packshot.app import App

PAGE = "/console/products/1"


async def places(api: AsyncClient) -> list[str]:
    """The images of the product, by the last letter of their URLs."""
    return [url[-1] for url in (await read(api, "/products/1"))["product_images"]]


async def test_a_ready_image_is_shown_with_its_renditions(api: AsyncClient, app: App) -> None:
    image = (await create(api))["images"][0]
    await show(app, image["id"], made("large", "avif"), made("large", "jpeg", slot="jpeg"))

    page = await look(api, PAGE)

    assert f'srcset="/images/{image["id"]}/large.avif?v=' in page
    assert f'<img src="{api.base_url}/images/{image["id"]}/large.jpg' in page  # to paste


async def test_a_failed_image_says_why_and_who_can_fix_it_and_is_tried_again(
    api: AsyncClient, app: App
) -> None:
    image = (await create(api))["images"][0]
    await fail(app.images, image["id"])

    page = await look(api, PAGE)
    assert "source_gone" in page
    assert '<span>1 image, <b class="failed">1 failed</b></span>' in page
    assert "Send a URL under which the picture is." in page
    assert "The supplier can fix this." in page

    answer = await fill_in(api, PAGE, f"/console/images/{image['id']}/retry")
    assert answer.status_code == 303
    assert (await read(api, f"/images/{image['id']}"))["state"] == "pending"


async def test_what_is_not_failed_cannot_be_retried(api: AsyncClient) -> None:
    image = (await create(api))["images"][0]

    answer = await fill_in(api, PAGE, f"/console/images/{image['id']}/retry")

    assert answer.status_code == 409
    assert answer.headers["content-type"].startswith("text/html")


@pytest.mark.parametrize(
    ("place", "order"), [("0", ["c", "a", "b"]), ("1", ["a", "c", "b"]), ("out", ["a", "b"])]
)
async def test_an_image_goes_to_another_place_or_out(api: AsyncClient, place: str, order: list[str]) -> None:
    product = await create(api, product_images=[f"{URL}?{letter}" for letter in "abc"])

    image_id = product["images"][2]["id"]

    answer = await fill_in(api, PAGE, f"{PAGE}/order", image=image_id, place=place)

    image = "" if place == "out" else f"?image={image_id}"
    assert answer.headers["location"] == f"{PAGE}{image}#place"
    assert await places(api) == order


@pytest.mark.parametrize("place", ["", "-1", "first", "9" * 5_000])
async def test_a_place_that_is_none_takes_no_image_out(api: AsyncClient, place: str) -> None:
    product = await create(api, product_images=[f"{URL}?{letter}" for letter in "ab"])

    answer = await fill_in(api, PAGE, f"{PAGE}/order", image=product["images"][0]["id"], place=place)

    assert answer.status_code == 422
    assert await places(api) == ["a", "b"]


async def test_an_image_that_has_gone_cannot_be_moved(api: AsyncClient) -> None:
    await create(api)

    assert (await fill_in(api, PAGE, f"{PAGE}/order", image=99, place=0)).status_code == 409


async def test_an_image_is_added_by_its_url_and_shown(api: AsyncClient) -> None:
    await create(api)

    answer = await fill_in(api, PAGE, f"{PAGE}/images", image_url=f" {URL}?b ")

    assert answer.headers["location"] == f"{PAGE}?image=2"
    assert "Image 2 of 2" in await look(api, answer.headers["location"])


async def test_an_image_that_is_added_by_two_clicks_is_one(api: AsyncClient) -> None:
    await create(api)
    form = {**await hidden_in(api, PAGE), "image_url": f"{URL}?b"}

    answers = [await send(api, f"{PAGE}/images", **form) for _ in range(2)]

    assert [answer.headers["location"] for answer in answers] == [f"{PAGE}?image=2"] * 2
    assert await places(api) == ["g", "b"]


async def test_a_url_that_cannot_be_fetched_is_not_added(api: AsyncClient) -> None:
    await create(api)

    assert (await fill_in(api, PAGE, f"{PAGE}/images", image_url="file:///etc/passwd")).status_code == 422


async def test_an_image_of_a_product_is_shown_there_and_another_one_alone(api: AsyncClient, app: App) -> None:
    await create(api)
    alone = await app.producer.submit_image(URL)

    assert (await api.get("/console/images/1")).headers["location"] == f"{PAGE}?image=1"
    assert URL in await look(api, f"/console/images/{alone['image_id']}")


async def test_what_suppliers_write_never_becomes_markup(api: AsyncClient, app: App) -> None:
    name, url = "<script>alert(1)</script>\u202e" + "x" * 450, f"{URL}?\"'><script>alert(2)</script>"
    image = (await create(api, product_name=name, product_images=[url, URL]))["images"][0]
    await fail(app.images, image["id"], message="<b>Not Found</b>")

    for path in (PAGE, "/console/products", f"{PAGE}/edit"):
        page = (await api.get(path)).text
        assert "<script>alert" not in page
        assert "<b>Not Found" not in page
    assert "\u202e" not in (await api.get(PAGE)).text.partition("</title>")[0]


async def test_two_hundred_images_are_less_than_100_kb(api: AsyncClient, app: App) -> None:
    urls = [f"https://pictures.supplier.example/catalogue/2026/{number:06}.jpg" for number in range(200)]
    image = (await create(api, product_images=urls))["images"][0]
    await show(app, image["id"], made("large", "avif"), made("thumb", "jpeg", 200, 150))
    await app.database.execute(
        "UPDATE images i SET state = 'ready',"
        " source_sha256 = r.source_sha256, source_bytes = 9, facts = r.facts,"
        " source_format = 'png', source_width = r.source_width, source_height = r.source_height,"
        " rendition_keys = r.rendition_keys FROM images r WHERE r.image_id = $1",
        image["id"],
    )

    page = await api.get(PAGE)

    assert page.text.count('<li data-image="') == 200
    assert len(page.content) < 100_000
