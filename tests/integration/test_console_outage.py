"""What the console shows while the database is away: a page, and what was typed."""

import re
from collections.abc import AsyncIterator
from html import unescape
from pathlib import Path
from typing import Any, Final

import pytest
from httpx import AsyncClient, RemoteProtocolError, Response
from servers.cable import Cable
from tests.callers import serving
from tests.rows import an_image, fail
from tests.shop import URL, read
from tests.visitor import BROWSER, hidden_in, look, send, token_in

from packshot import keyring, overview
from packshot.app import App, open_api, open_app
from packshot.keys import Scope
from packshot.overview import FailedImage, Overview
from packshot.settings import load_settings

PRODUCTS: Final = "/console/products"
NEW: Final = "/console/products/new"
SIGN_IN: Final = "/console/sign-in"
HIDDEN: Final = re.compile(r'<input type="hidden" name="(\w+)" value="([^"]*)">')
TYPED: Final = {
    "user_id": "1",
    "product_name": 'A "boot" <b>',
    "product_description": "\r\nOne line,\r\nand another. ",
    "product_images": f"{URL}\r\n{URL}?2",
    "product_price": "119.90",
}


@pytest.fixture
async def cable(database_url: str) -> AsyncIterator[Cable]:
    async with Cable(database_url) as cable:
        yield cable


@pytest.fixture
async def app(cable: Cable, tmp_path: Path) -> AsyncIterator[App]:
    """All rooms, at the end of a cable."""
    async with open_app(load_settings(database_url=cable.url, data_dir=tmp_path)) as app:
        await app.users.add_first()
        yield app


@pytest.fixture
def at_the_door(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keys are read again for every request, which cannot be."""
    monkeypatch.setattr(keyring, "REMEMBER_SECONDS", 0)


@pytest.fixture
def inside(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keys are remembered, so the page itself is what misses the database."""
    monkeypatch.setattr(keyring, "REMEMBER_SECONDS", 600)


@pytest.fixture(params=["at_the_door", "inside"])
def anywhere(request: pytest.FixtureRequest) -> None:
    request.getfixturevalue(request.param)


@pytest.mark.usefixtures("anywhere")
async def test_a_page_says_so_and_looks_again_and_the_log_knows_why(
    api: AsyncClient, cable: Cable, caplog: pytest.LogCaptureFixture
) -> None:
    await look(api, PRODUCTS)
    await cable.pull()

    page = await api.get(PRODUCTS, headers=BROWSER)

    assert page.status_code == 503
    assert "The database or the store does not answer." in page.text
    assert (page.headers["refresh"], page.headers["retry-after"]) == ("5", "5")
    assert caplog.messages.count("request failed: a part is away") == 1


async def test_a_program_is_told_as_everywhere(api: AsyncClient, cable: Cable) -> None:
    await cable.pull()

    assert (await api.get("/console/failures.csv")).headers["content-type"] == "application/problem+json"


@pytest.mark.usefixtures("anywhere")
async def test_what_was_typed_is_there_to_be_sent_again(api: AsyncClient, cable: Cable) -> None:
    token = token_in(await look(api, NEW))
    await cable.pull()
    refused = await send(api, PRODUCTS, token=token, **TYPED)
    assert refused.status_code == 503
    assert "refresh" not in refused.headers
    assert f'<form method="post" action="{PRODUCTS}">' in refused.text
    await cable.plug_in()

    answer = await send(api, PRODUCTS, **fields_in(refused))

    assert answer.headers["location"] == "/console/products/1"
    product = await read(api, "/products/1")
    assert product["product_name"] == TYPED["product_name"]
    assert product["product_description"] == TYPED["product_description"].replace("\r\n", "\n")
    assert product["product_images"] == [URL, f"{URL}?2"]


async def test_what_was_stored_before_the_outage_is_not_stored_again(api: AsyncClient, cable: Cable) -> None:
    form = {**await hidden_in(api, NEW), **TYPED}
    await send(api, PRODUCTS, **form)
    await cable.pull()
    refused = await send(api, PRODUCTS, **form)
    await cable.plug_in()

    answer = await send(api, PRODUCTS, **fields_in(refused))

    assert answer.headers["location"] == "/console/products/1"
    assert len((await read(api, "/products"))["products"]) == 1


@pytest.mark.usefixtures("at_the_door")
async def test_a_form_that_is_none_of_ours_is_none_when_it_is_sent_again(
    api: AsyncClient, cable: Cable
) -> None:
    await look(api, NEW)
    await cable.pull()
    refused = await send(api, PRODUCTS, **TYPED)
    await cable.plug_in()

    assert (await send(api, PRODUCTS, **fields_in(refused))).status_code == 403


@pytest.mark.usefixtures("at_the_door")
async def test_a_key_is_written_into_no_page(api: AsyncClient, app: App, cable: Cable) -> None:
    secret, _ = await app.keyring.keys.create("Ada", Scope.ADMIN)
    token = token_in(await look(api, SIGN_IN))
    await cable.pull()

    refused = await send(api, SIGN_IN, token=token, key=secret)

    assert refused.status_code == 503
    assert secret not in refused.text


@pytest.mark.usefixtures("inside")
async def test_a_table_is_not_begun_without_a_database(api: AsyncClient, cable: Cable) -> None:
    await look(api, "/console/failures")
    await cable.pull()

    await look(api, "/console/failures.csv", 503)


async def test_a_table_that_cannot_be_ended_breaks_off(
    app: App, cable: Cable, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(overview, "BATCH", 1)
    for _ in range(2):
        await fail(app.images, await an_image(app.images))
    read = Overview.failed_images

    async def read_one(*wanted: Any, before: int | None, limit: int) -> list[FailedImage]:  # noqa: ANN401 - as they come
        if before:
            await cable.pull()
        return await read(*wanted, before=before, limit=limit)

    monkeypatch.setattr(Overview, "failed_images", read_one)
    async with serving(open_api(app)) as port, AsyncClient(base_url=f"http://127.0.0.1:{port}") as browser:
        with pytest.raises(RemoteProtocolError):
            await browser.get("/console/failures.csv", headers=BROWSER)

    assert "request failed: a part is away" in caplog.messages
    assert "Traceback" not in caplog.text


def fields_in(page: Response) -> dict[str, str]:
    """The hidden fields of the first form."""
    form = page.text.partition("<form")[2].partition("</form>")[0]
    return {name: unescape(value) for name, value in HIDDEN.findall(form)}
