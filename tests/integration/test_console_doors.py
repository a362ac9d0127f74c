"""What every page of the console passes: its policy, its forms' token, errors as pages, and other sites."""

import re
from dataclasses import replace

import pytest
from fastapi import FastAPI
from httpx import AsyncClient
from tests.shop import create, read
from tests.visitor import BROWSER, fill_in, look

from packshot.stores import open_store
from packshot.web.console.files import EDITION

FORM = {"content-type": "application/x-www-form-urlencoded"}
POLICY = (
    "default-src 'none'; img-src 'self' data:; style-src 'self'; script-src 'self'; connect-src 'self';"
    " form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
PAGES = ("/console/products", "/console/products/new", "/console/products/1", "/docs", "/console/nowhere")


@pytest.mark.parametrize("path", PAGES)
async def test_a_page_loads_nothing_from_elsewhere_and_runs_only_files_of_ours(
    api: AsyncClient, path: str
) -> None:
    await create(api)

    page = await api.get(path, headers=BROWSER)

    assert page.headers["content-security-policy"] == POLICY
    assert page.headers["referrer-policy"] == "same-origin"
    assert not re.search(r"<script(?! type=\"module\" src=\"/)|<style| style=| on[a-z]+=", page.text)
    assert page.headers["cache-control"] == "no-store"


@pytest.mark.parametrize("path", ["/", *PAGES, "/console/failures.csv"])
async def test_a_page_answers_head_as_it_answers_get(api: AsyncClient, path: str) -> None:
    await create(api)

    page, head = await api.get(path, headers=BROWSER), await api.head(path, headers=BROWSER)

    assert (head.status_code, head.headers["content-type"]) == (
        page.status_code,
        page.headers["content-type"],
    )


@pytest.mark.parametrize("path", ["/console/products/99", "/console/products/x", "/console/what/ever"])
async def test_what_is_not_there_is_a_page_that_says_so(api: AsyncClient, path: str) -> None:
    assert "Not Found" in await look(api, path, 404)


async def test_a_form_sent_to_nowhere_is_answered_by_a_page(api: AsyncClient) -> None:
    answer = await fill_in(api, "/console/products", "/console/nowhere")

    assert answer.status_code == 404
    assert "There is no such page." in answer.text


@pytest.mark.parametrize(
    "written", [b"back=%00", b"back=%ff", b"back=\0", b"back=\xff", b"&".join([b"back=/"] * 1_001)]
)
async def test_a_form_that_cannot_be_read_is_refused(api: AsyncClient, written: bytes) -> None:
    assert (await api.post("/console/theme", content=written, headers=BROWSER | FORM)).status_code == 422


async def test_a_form_without_our_token_changes_nothing(api: AsyncClient) -> None:
    await create(api)
    await look(api, "/console/products/1")

    for token in ({}, {"token": ""}, {"token": "0" * 64}, {"token": "é"}):
        answer = await api.post("/console/products/1/delete", data={"no": "thing", **token})
        assert answer.status_code == 403
    assert await read(api, "/products/1")


async def test_a_visitor_without_a_cookie_has_no_token(api: AsyncClient) -> None:
    await create(api)
    token = re.search(r'name="token" value="(\w+)"', (await api.get("/console/products/1")).text)
    assert token
    api.cookies.clear()

    assert (await api.post("/console/products/1/delete", data={"token": token[1]})).status_code == 403


async def test_json_is_no_form(api: AsyncClient) -> None:
    await look(api, "/console/products")

    assert (await api.post("/console/theme", json={"theme": "dark"})).status_code == 403


async def test_another_site_may_link_to_a_page_and_not_embed_it(api: AsyncClient) -> None:
    cross = {"sec-fetch-site": "cross-site"}

    assert (
        await api.get("/console/products", headers=cross | {"sec-fetch-mode": "navigate"})
    ).status_code == 200
    assert (
        await api.get("/console/products", headers=cross | {"sec-fetch-mode": "no-cors"})
    ).status_code == 403


async def test_colours_are_remembered_and_lead_back(api: AsyncClient) -> None:
    answer = await fill_in(
        api, "/console/products", "/console/theme", theme="dark", back="/console/products?state=ready"
    )

    assert answer.headers["location"] == "/console/products?state=ready"
    assert "httponly" in answer.headers["set-cookie"].lower()
    assert 'data-theme="dark"' in await look(api, "/console/products")


async def test_colours_that_we_have_not_are_not_remembered(api: AsyncClient) -> None:
    answer = await fill_in(api, "/console/products", "/console/theme", theme="purple", back="/")

    assert answer.status_code == 303
    assert "set-cookie" not in answer.headers


@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_a_cookie_that_was_given_in_private_stays_there(api: AsyncClient, scheme: str) -> None:
    cookie = (await api.get(f"{scheme}://localhost/console/products")).headers["set-cookie"]

    assert ("Secure" in cookie) == (scheme == "https")


@pytest.mark.parametrize("back", ["//evil.example/", "/\\evil.example", "https://evil.example"])
async def test_no_form_leads_to_another_server(api: AsyncClient, back: str) -> None:
    answer = await fill_in(api, "/console/products", "/console/theme", theme="light", back=back)

    assert answer.headers["location"] == "/"


async def test_files_are_kept_for_ever_and_those_of_another_edition_are_not_there(api: AsyncClient) -> None:
    file = await api.get(f"/console/files/{EDITION}/console.css")

    assert "immutable" in file.headers["cache-control"]
    assert file.headers["content-type"].startswith("text/css")
    for path in ("0/console.css", f"{EDITION}/doors.py"):
        assert (await api.get(f"/console/files/{path}")).status_code == 404


async def test_pictures_that_lie_elsewhere_may_come_from_there_and_nothing_else(
    api: AsyncClient, routes: FastAPI
) -> None:
    routes.state.backend = replace(routes.state.backend, public_url="https://cdn.example:8443/shop")

    policy = (await api.get("/console/products")).headers["content-security-policy"]

    assert policy == POLICY.replace("data:", "data: https://cdn.example:8443")


async def test_pictures_in_a_bucket_may_come_from_there(
    api: AsyncClient, routes: FastAPI, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "not a secret")
    bucket = open_store("s3://pictures/shop?region=eu-central-1&endpoint=https://s3.example:9000")
    routes.state.backend = replace(routes.state.backend, store=bucket)

    policy = (await api.get("/console/products")).headers["content-security-policy"]

    assert policy == POLICY.replace("data:", "data: https://s3.example:9000")


@pytest.mark.parametrize(("path", "place"), [("/console/", "/"), ("/console/products/", "/console/products")])
async def test_a_slash_too_many_does_no_harm(api: AsyncClient, path: str, place: str) -> None:
    assert (await api.get(path, headers=BROWSER)).headers["location"] == place
