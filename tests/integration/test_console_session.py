"""Signing in to the console: with an admin's key, for as long as it works, and for nothing else."""

from urllib.parse import parse_qs, urlsplit

import pytest
from httpx import AsyncClient, Response
from tests.rows import a_product, eventually
from tests.shop import problem_in
from tests.visitor import BROWSER, fill_in, look

from packshot.app import App
from packshot.keys import Scope
from packshot.web import access
from packshot.web.console.pages import COOKIE, form_token

SIGN_IN = "/console/sign-in"
PAGES = (
    "/",
    "/console/products?product_name=a+b&state=",
    "/console/products/1",
    "/console/failures",
    "/console/system",
    "/docs",
)


@pytest.fixture
async def secret(app: App) -> str:
    """The key of an admin, made before anybody came."""
    secret, _ = await app.keyring.keys.create("Ada", Scope.ADMIN)
    return secret


async def sign_in(api: AsyncClient, key: str, goal: str = "/") -> Response:
    return await fill_in(api, SIGN_IN, SIGN_IN, key=key, next=goal)


async def test_nobody_is_asked_for_a_key_while_there_is_none(api: AsyncClient) -> None:
    assert (await api.get(SIGN_IN)).headers["location"] == "/"


@pytest.mark.usefixtures("secret")
@pytest.mark.parametrize("path", PAGES)
async def test_a_page_leads_to_the_door_and_the_door_knows_where_one_wanted_to(
    api: AsyncClient, path: str
) -> None:
    answer = await api.get(path, headers=BROWSER)

    assert answer.status_code == 303
    door = urlsplit(answer.headers["location"])
    assert (door.path, parse_qs(door.query)) == (SIGN_IN, {"next": [path]})
    assert f'name="next" value="{path}"' in await look(api, answer.headers["location"])


@pytest.mark.usefixtures("secret")
async def test_what_only_a_form_may_be_sent_to_is_nowhere_to_go_to(api: AsyncClient) -> None:
    answer = await api.post("/console/products/1/delete", headers=BROWSER)

    assert answer.headers["location"] == f"{SIGN_IN}?next=%2F"


async def test_the_door_leads_to_no_other_server(api: AsyncClient, secret: str) -> None:
    assert 'name="next" value="/"' in await look(api, f"{SIGN_IN}?next=//evil.example/")
    assert (await sign_in(api, secret, "//evil.example/")).headers["location"] == "/"


async def test_an_admin_is_let_in_and_led_on(api: AsyncClient, secret: str) -> None:
    answer = await sign_in(api, secret, "/console/products?state=ready")

    assert (answer.status_code, answer.headers["location"]) == (303, "/console/products?state=ready")
    cookie = answer.headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=lax" in cookie
    assert "Sign out" in await look(api, "/console/products")
    assert (await api.get("/products")).status_code == 200


@pytest.mark.usefixtures("secret")
@pytest.mark.parametrize("key", ["", "packshot_wrong", "é" * 10_000])
async def test_a_wrong_key_is_refused_with_a_sentence(api: AsyncClient, key: str) -> None:
    answer = await sign_in(api, key)

    assert answer.status_code == 403
    assert "This key is wrong, revoked or expired." in answer.text
    assert "packshot_key" not in api.cookies


@pytest.mark.usefixtures("secret")
async def test_who_tries_wrong_keys_again_and_again_is_slowed_down(
    api: AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(access, "WRONG_KEYS_PER_MINUTE", 2)

    answers = [await sign_in(api, "packshot_wrong") for _ in range(3)]

    assert [answer.status_code for answer in answers] == [403, 403, 429]
    assert "the next one in" in answers[-1].text
    assert 20 <= int(answers[-1].headers["retry-after"]) <= 30


@pytest.mark.usefixtures("secret")
async def test_a_key_of_less_than_an_admin_is_no_key_to_the_console(api: AsyncClient, app: App) -> None:
    reader, _ = await app.keyring.keys.create("Shop", Scope.READ)

    assert "This key has the scope read" in (await sign_in(api, reader)).text


async def test_the_cookie_counts_for_no_form_without_its_token_and_no_write_of_the_api(
    api: AsyncClient, app: App, secret: str
) -> None:
    await app.producer.submit(a_product(1))
    await sign_in(api, secret)

    assert (await api.post("/console/products/1/delete", data={})).status_code == 403
    problem_in(await api.delete("/products/1"), 401)
    assert await look(api, "/console/products/1")


async def test_who_planted_the_visitors_cookie_cannot_write_with_the_key_of_who_signed_in(
    api: AsyncClient, secret: str
) -> None:
    await look(api, SIGN_IN)
    token = form_token(api.cookies[COOKIE], "")
    await sign_in(api, secret)

    answer = await api.post("/console/sign-out", data={"token": token}, headers=BROWSER)

    assert answer.status_code == 403


async def test_who_signs_out_is_outside(api: AsyncClient, secret: str) -> None:
    await sign_in(api, secret)

    assert (await fill_in(api, "/", "/console/sign-out")).headers["location"] == SIGN_IN

    assert (await api.get("/console/products", headers=BROWSER)).status_code == 303


async def test_who_signed_in_with_a_key_that_is_revoked_is_outside(
    api: AsyncClient, app: App, secret: str
) -> None:
    await app.keyring.keys.create("Another", Scope.ADMIN)
    await sign_in(api, secret)

    await app.keyring.keys.revoke(secret)

    async def is_outside() -> bool:
        return (await api.get("/console/products", headers=BROWSER)).status_code == 303

    await eventually(is_outside)
