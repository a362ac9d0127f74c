"""Pictures that need a signed address: the API writes such addresses, and opens to them and to keys only."""

import html
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

import pytest
from httpx import AsyncClient
from tests.bearers import bearer
from tests.rows import a_source, claimed, finish, image_ids, keys_of
from tests.shop import create, problem_in, read

from packshot.app import App, open_app
from packshot.keys import Scope
from packshot.settings import load_settings

SECRET: Final = "a secret of this test, long enough"  # noqa: S105 - of nobody else
PICTURE: Final = b"an AVIF picture"


@pytest.fixture
async def app(database_url: str, tmp_path: Path) -> AsyncIterator[App]:
    settings = load_settings(
        database_url=database_url, data_dir=tmp_path, pictures="signed", signing_secret=SECRET
    )
    async with open_app(settings) as app:
        await app.users.add_first()
        yield app


@pytest.fixture
async def key(app: App) -> dict[str, str]:
    return bearer((await app.keyring.keys.create("Shop", Scope.WRITE))[0])


@pytest.fixture
async def product_url(app: App, api: AsyncClient, key: dict[str, str]) -> str:
    """The URL of a product whose image is ready; who reads it has a key."""
    api.headers.update(key)
    product_id = (await create(api))["product_id"]
    (image_id,) = await image_ids(app.products, product_id)
    await finish(app.images, await claimed(app.images, image_id))
    file = app.settings.data_dir / "picture"
    file.write_bytes(PICTURE)
    await app.store.put(keys_of(a_source())[0], file, "image/avif")
    return f"/products/{product_id}"


@pytest.fixture
async def picture_url(api: AsyncClient, product_url: str) -> str:
    """The address of the main picture, as the product's answer has it; who follows it has no key."""
    url = (await read(api, product_url))["images"][0]["renditions"][0]["url"]
    del api.headers["authorization"]
    return str(url)


async def test_the_address_in_an_answer_shows_the_picture(api: AsyncClient, picture_url: str) -> None:
    answer = await api.get(picture_url)

    assert (answer.status_code, answer.content) == (200, PICTURE)
    assert re.fullmatch(r"private, max-age=\d{5,6}", answer.headers["cache-control"])


async def test_without_its_signature_a_picture_needs_a_key(api: AsyncClient, picture_url: str) -> None:
    problem_in(await api.get(picture_url.partition("&expires")[0]), 401)


async def test_with_a_key_it_needs_no_signature(
    api: AsyncClient, key: dict[str, str], picture_url: str
) -> None:
    answer = await api.get(picture_url.partition("&expires")[0], headers=key)

    assert (answer.status_code, answer.headers["cache-control"]) == (200, "private, max-age=300")


async def test_an_address_that_was_changed_is_refused_without_a_word_of_the_secret(
    api: AsyncClient, picture_url: str
) -> None:
    problem = problem_in(await api.get(picture_url.replace("large", "small")), 403)

    assert "ask for a new one" in problem["detail"]
    assert SECRET not in str(problem)


async def test_who_has_the_picture_needs_the_signature_again(api: AsyncClient, picture_url: str) -> None:
    condition = {"If-None-Match": (await api.get(picture_url)).headers["etag"]}

    assert (await api.get(picture_url, headers=condition)).status_code == 304
    assert (await api.get(picture_url.partition("&expires")[0], headers=condition)).status_code == 401


async def test_the_markup_carries_signatures(api: AsyncClient, product_url: str) -> None:
    image_id = (await read(api, product_url))["images"][0]["id"]
    markup = (await api.get(f"/images/{image_id}/markup")).text
    del api.headers["authorization"]
    addresses = re.findall(r"http://localhost(\S+) \d+w", html.unescape(markup))

    assert addresses
    assert (await api.get(addresses[0])).status_code == 200


async def test_an_answer_stays_the_same_within_a_period(api: AsyncClient, product_url: str) -> None:
    first, again = await api.get(product_url), await api.get(product_url)

    assert (first.content, first.headers["etag"]) == (again.content, again.headers["etag"])


async def test_the_document_says_that_a_picture_may_need_a_key(api: AsyncClient, product_url: str) -> None:
    assert product_url
    document = await read(api, "/openapi.json")

    security = document["paths"]["/images/{image_id}/{preset}"]["get"]["security"]
    assert security == [{}, {"accessKey": ["read"]}]
