"""The console's overview and its failures: what is counted, grouped, retried and sent on."""

import csv
import io
import re
from dataclasses import replace

import pytest
from fastapi import FastAPI
from httpx import AsyncClient
from tests.rows import claimed, fail, finish
from tests.shop import create, read
from tests.visitor import BROWSER, fill_in, look

from packshot.app import App
from packshot.database import Database
from packshot.ledger import Ledger
from packshot.overview import Overview
from packshot.settings import load_settings
from packshot.web.console import failures, overview

FAILURES = "/console/failures"


@pytest.fixture
async def image_ids(api: AsyncClient, app: App) -> list[int]:
    """Three images: two that are gone at one host, and one at another that is no image."""
    hosts = ("a.example/1", "a.example/2", "b.example/3")
    product = await create(api, product_images=[f"https://{host}.jpg" for host in hosts])
    found = [image["id"] for image in product["images"]]
    for image_id in found[:2]:
        await fail(app.images, image_id)
    await fail(app.images, found[2], "not_an_image", "=HYPERLINK(1) <b>")
    await app.ledger.count_all()
    return found


async def states(api: AsyncClient) -> list[str]:
    return [image["state"] for image in (await read(api, "/products/1"))["images"]]


async def test_an_empty_house_is_shown_the_way_in(api: AsyncClient) -> None:
    assert 'href="/console/products/new"' in await look(api, "/")


async def test_a_program_at_the_root_is_told_where_the_api_is(api: AsyncClient) -> None:
    answer = await api.get("/")

    assert answer.status_code == 404
    assert "/docs" in answer.json()["detail"]


@pytest.mark.usefixtures("image_ids")
async def test_the_overview_counts_and_groups(api: AsyncClient) -> None:
    page = await look(api, "/")

    assert '<b class="number">0</b> of 3 images of 1 product are ready.' in page
    assert page.index("source_gone") < page.index("not_an_image")


@pytest.mark.usefixtures("image_ids")
async def test_the_overview_shows_what_fails_most_and_leads_to_the_rest(
    api: AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(overview, "MOST_FAILURES", 1)

    page = await look(api, "/")

    assert "source_gone" in page
    assert "not_an_image" not in page


async def test_the_overview_shows_the_newest_products(api: AsyncClient) -> None:
    for number in range(9):
        await create(api, product_name=f"Boot {number}", product_images=[])

    page = await look(api, "/")

    assert re.findall(r"Boot \d", page) == [f"Boot {number}" for number in range(8, 0, -1)]


async def test_the_overview_draws_when_images_became_ready(api: AsyncClient, app: App) -> None:
    await create(api)
    await finish(app.images, await claimed(app.images, 1))

    page = await look(api, "/")

    assert page.count('height="42.0"') == 1
    assert page.count('height="1"') == 59


@pytest.mark.usefixtures("image_ids")
async def test_failures_are_grouped_and_narrowed_down(api: AsyncClient) -> None:
    groups = await look(api, FAILURES)
    assert "b.example" in groups

    of_one_host = await look(api, f"{FAILURES}?host=a.example")
    assert "https://a.example/2.jpg" in of_one_host
    assert "b.example" not in of_one_host
    assert "Nothing of that kind failed." in await look(api, f"{FAILURES}?code=image_damaged")


@pytest.mark.usefixtures("image_ids")
async def test_a_group_is_retried_and_no_other(api: AsyncClient) -> None:
    page = f"{FAILURES}?code=source_gone&host=a.example"

    answer = await fill_in(api, page, f"{FAILURES}/retry", code="source_gone", host="a.example")

    assert await states(api) == ["pending", "pending", "failed"]
    assert "2 images get new attempts." in await look(api, answer.headers["location"])


@pytest.mark.usefixtures("image_ids")
async def test_everything_that_failed_is_retried_at_once(api: AsyncClient) -> None:
    await fill_in(api, FAILURES, f"{FAILURES}/retry", all=1)

    assert await states(api) == ["pending"] * 3


@pytest.mark.usefixtures("image_ids")
async def test_a_table_for_a_supplier_has_his_images_and_what_to_do(api: AsyncClient) -> None:
    answer = await api.get(f"{FAILURES}.csv?host=a.example")

    assert answer.headers["content-disposition"] == 'attachment; filename="failures-a-example.csv"'
    assert answer.headers["cache-control"] == "no-store"
    assert answer.text.startswith("\ufeff")
    rows = list(csv.DictReader(io.StringIO(answer.text.removeprefix("\ufeff"))))
    assert [(row["image"], row["url"]) for row in rows] == [
        ("2", "https://a.example/2.jpg"),
        ("1", "https://a.example/1.jpg"),
    ]
    assert rows[0]["what to do"] == "Send a URL under which the picture is."


@pytest.mark.parametrize("cell", ["=1", "+1", "-1", "@A1", "\t1", "\r1", "  =1", "\n@A1"])
async def test_a_table_calculates_nothing(api: AsyncClient, app: App, cell: str) -> None:
    product = await create(api)
    await fail(app.images, product["images"][0]["id"], message=cell)

    table = (await api.get(f"{FAILURES}.csv")).text

    (row,) = csv.DictReader(io.StringIO(table.removeprefix("\ufeff"), newline=""))
    assert row["what happened"] == f"'{cell}"


@pytest.mark.usefixtures("image_ids")
async def test_what_a_supplier_wrote_is_no_markup(api: AsyncClient) -> None:
    assert "<b>" not in (await api.get(FAILURES, headers=BROWSER)).text.partition("not_an_image")[2]


async def test_many_failures_are_shown_in_pages(
    api: AsyncClient, app: App, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(failures, "ON_A_PAGE", 2)
    product = await create(api, product_images=[f"https://a.example/{number}.jpg" for number in range(3)])
    oldest, *others = [image["id"] for image in product["images"]]
    for image_id in others:
        await fail(app.images, image_id)
    assert 'rel="next"' not in await look(api, f"{FAILURES}?code=source_gone")
    await fail(app.images, oldest)

    first = await look(api, f"{FAILURES}?code=source_gone")
    assert "2.jpg" in first
    assert "0.jpg" not in first
    older = first.partition('rel="next" href="')[2].partition('"')[0]
    assert "0.jpg" in await look(api, FAILURES + older)


async def test_the_system_shows_its_parts_its_workers_and_no_secret(
    api: AsyncClient, app: App, database: Database, routes: FastAPI
) -> None:
    settings = load_settings(cache_url="redis://:planted-password@cache.example/0")
    about = Overview(database, Ledger(database), settings)
    routes.state.backend = replace(routes.state.backend, overview=about)
    (app.settings.data_dir / "store").write_text("in the way")
    await app.workers.heartbeat(app.desk.worker, {"late_results": 2})

    page = await look(api, "/console/system")

    assert page.count('ready">answers') == 1
    assert page.count("does not answer") == 1
    assert "late results: 2" in page
    assert "PACKSHOT_DATABASE_URL" in page
    assert "cache.example" in page
    assert "planted-password" not in page


async def test_a_form_that_names_no_failures_retries_none(api: AsyncClient) -> None:
    answer = await fill_in(api, FAILURES, f"{FAILURES}/retry", cod="source_gone")

    assert answer.status_code == 422


@pytest.mark.parametrize("path", ["/console/failures?code=%00", "/console/failures.csv?host=%00"])
async def test_what_is_no_text_is_looked_for_nowhere(api: AsyncClient, path: str) -> None:
    assert "makes no sense" in await look(api, path, 422)
