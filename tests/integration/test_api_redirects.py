"""Pictures that lie elsewhere: the API sends the browser there, and says for how long it may remember."""

from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI
from servers.s3 import S3
from tests.rows import a_source, claimed, finish, keys_of
from tests.shop import URL

from packshot.app import App, open_api, open_app
from packshot.presets import CONTENT_TYPES
from packshot.settings import load_settings

CDN = "https://pictures.shop.example/here"

pytestmark = pytest.mark.usefixtures("aws_keys")


@pytest.fixture(params=["s3"])
async def app(
    request: pytest.FixtureRequest, database_url: str, tmp_path: Path, s3: S3
) -> AsyncIterator[App]:
    """All rooms with pictures in a bucket; the parameter `cdn` shows them by one, `local` keeps them here."""
    store_url = (tmp_path / "store").as_uri() if "local" in request.param else s3.url
    public_url = f"{CDN}/" if "cdn" in request.param else ""
    settings = load_settings(
        database_url=database_url, data_dir=tmp_path, store_url=store_url, public_url=public_url
    )
    async with open_app(settings) as app:
        yield app


@pytest.fixture
async def api(app: App, routes: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    nothing, routes.state.backend = routes.state.backend, open_api(app).state.backend
    transport = httpx.ASGITransport(routes)
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
        yield client
    routes.state.backend = nothing


@pytest.fixture
async def url(app: App, tmp_path: Path) -> str:
    """The URL of a ready image."""
    image_id = (await app.images.add(URL))["image_id"]
    await finish(app.images, await claimed(app.images, image_id))
    for key, format_ in zip(keys_of(a_source()), ("avif", "jpeg"), strict=True):
        (tmp_path / "picture").write_bytes(format_.encode())
        await app.store.put(key, tmp_path / "picture", CONTENT_TYPES[format_])
    return f"/images/{image_id}/large"


async def test_a_picture_in_a_bucket_is_got_from_there(api: httpx.AsyncClient, url: str) -> None:
    answer = await api.get(f"{url}.avif")

    assert answer.status_code == 307
    async with httpx.AsyncClient() as browser:
        picture = await browser.get(answer.headers["location"])
    assert picture.content == b"avif"
    assert picture.headers["content-type"] == "image/avif"


async def test_a_redirect_is_remembered_for_less_than_its_address_holds(
    api: httpx.AsyncClient, url: str
) -> None:
    headers = (await api.get(url)).headers

    assert headers["cache-control"] == "public, max-age=240"
    assert "X-Amz-Expires=3600" in headers["location"]


async def test_a_redirect_has_no_etag_that_could_prolong_it(api: httpx.AsyncClient, url: str) -> None:
    assert "etag" not in (await api.get(url)).headers


async def test_a_redirect_depends_on_what_is_accepted(api: httpx.AsyncClient, url: str) -> None:
    avif = await api.get(url, headers={"accept": "image/avif"})
    jpeg = await api.get(url, headers={"accept": "image/jpeg"})

    assert ".avif?" in avif.headers["location"]
    assert ".jpg?" in jpeg.headers["location"]
    assert avif.headers["vary"] == "Accept"


@pytest.mark.parametrize("app", ["s3 cdn", "local cdn"], indirect=True)
async def test_with_a_public_address_pictures_are_got_from_there(api: httpx.AsyncClient, url: str) -> None:
    answer = await api.get(f"{url}.jpg")

    assert answer.status_code == 307
    assert answer.headers["location"] == f"{CDN}/{keys_of(a_source())[1]}"


@pytest.mark.parametrize("app", ["s3 cdn"], indirect=True)
async def test_with_a_public_address_a_page_names_it_without_a_detour(
    api: httpx.AsyncClient, url: str
) -> None:
    html = (await api.get(f"{url.removesuffix('large')}markup")).text

    for key in keys_of(a_source()):
        assert f'srcset="{CDN}/{key} 800w"' in html


async def test_without_one_a_page_names_us_as_signed_addresses_end(api: httpx.AsyncClient, url: str) -> None:
    html = (await api.get(f"{url.removesuffix('large')}markup")).text

    assert f'src="http://localhost{url}.jpg?v=01234567"' in html
    assert "X-Amz" not in html
