"""The URLs of a product's pictures: kept exactly as sent, or refused by their position."""

import json

import pytest
from httpx import AsyncClient
from tests.shop import URL, a_product, create, wrong_fields

ODD_URLS = [
    "https://shop.example/a,b;c.jpg",
    "https://shop.example/it's(1)\"[2]{3}.jpg",
    "https://shop.example/?image=1&size={w}x{h}&sign=a+b%2Bc==#top",
    "https://shop.example/100%25/%e2%82%ac/%E2%82%AC",
    "https://bücher.example/Größe/日本/😀.jpg",
    "HTTPS://Shop.Example:8443//../NULL",
    "https://[2606:4700::1111]/null",
    "https://shop.example/back\\slash|<b>&amp;",
    "https://shop.example/';DROP/**/TABLE/**/images;--",
]
LONGEST_URL = "https://shop.example/".ljust(2048, "x")


async def test_odd_urls_are_kept_exactly_as_sent(api: AsyncClient) -> None:
    product = await create(api, product_images=ODD_URLS)

    assert product["product_images"] == ODD_URLS
    assert [image["source_url"] for image in product["images"]] == ODD_URLS


async def test_the_same_url_twice_is_two_images(api: AsyncClient) -> None:
    product = await create(api, product_images=[URL, URL])

    assert [image["position"] for image in product["images"]] == [0, 1]
    assert len({image["id"] for image in product["images"]}) == 2


async def test_a_url_of_2048_characters_is_taken(api: AsyncClient) -> None:
    assert (await create(api, product_images=[LONGEST_URL]))["product_images"] == [LONGEST_URL]


async def test_characters_of_a_url_are_counted_and_not_their_bytes(api: AsyncClient) -> None:
    url = "https://shop.example/".ljust(2048, "😀")

    assert (await create(api, product_images=[url]))["product_images"] == [url]


@pytest.mark.parametrize(
    "url",
    [
        LONGEST_URL + "x",
        "",
        "boot.jpg",
        "//shop.example/boot.jpg",
        "ftp://shop.example/boot.jpg",
        "file:///etc/passwd",
        "data:image/png;base64,iVBORw0KGgo=",
        "javascript:alert(1)",
        "https://",
        "https:///boot.jpg",
        "https://shop.example/a boot.jpg",
        " https://shop.example/boot.jpg",
        "https://shop.example/boot.jpg\n",
        "https://shop.example/\0",
        "https://shop.example/\ud800",
        "https://user:secret@shop.example/boot.jpg",
        "https://shop.example:99999/boot.jpg",
        "https://[::1",
        7,
        None,
        {"url": URL},
    ],
)
async def test_a_url_that_nobody_could_fetch_is_refused_by_its_position(
    api: AsyncClient, url: object
) -> None:
    body = a_product(product_images=[URL, URL, URL, url])

    assert wrong_fields(await api.post("/products", content=json.dumps(body))) == ["product_images[3]"]


async def test_every_wrong_url_is_named_at_once(api: AsyncClient) -> None:
    answer = await api.post("/products", json=a_product(product_images=["a", URL, "b", "c"]))

    assert wrong_fields(answer) == ["product_images[0]", "product_images[2]", "product_images[3]"]


async def test_a_product_may_have_200_images(api: AsyncClient) -> None:
    product = await create(api, product_images=[URL] * 200)

    assert [image["position"] for image in product["images"]] == list(range(200))


async def test_a_product_may_not_have_201_images(api: AsyncClient) -> None:
    answer = await api.post("/products", json=a_product(product_images=[URL] * 201))

    assert wrong_fields(answer) == ["product_images"]
    assert "200" in answer.json()["detail"]


async def test_a_change_may_not_bring_201_images_either(api: AsyncClient) -> None:
    product = await create(api)

    answer = await api.patch(f"/products/{product['product_id']}", json={"product_images": [URL] * 201})

    assert wrong_fields(answer) == ["product_images"]


async def test_the_largest_product_fits_into_a_body_however_it_is_escaped(api: AsyncClient) -> None:
    body = a_product(
        product_name="😀" * 500,
        product_description="😀" * 20_000,
        product_images=["https://shop.example/".ljust(2048, "😀")] * 200,
    )

    assert (await api.post("/products", content=json.dumps(body, indent=2))).status_code == 201
