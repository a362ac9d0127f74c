"""Who may do what: every route asked with every kind of key, and protected mode."""

import re
from collections.abc import Sequence
from typing import Any, Final

import pytest
from fastapi import FastAPI
from fastapi.routing import iter_route_contexts
from httpx import AsyncClient
from tests.bearers import bearer
from tests.shop import problem_in

from packshot.app import App
from packshot.keys import Scope, make_secret
from packshot.web.access import KEY_COOKIE, needed_scope

NEEDS: Final = {
    "GET /healthz": None,
    "GET /readyz": None,
    "GET /docs": "read",
    "GET /metrics": "read",
    "GET /openapi.json": "read",
    "GET /products": "read",
    "POST /products": "write",
    "POST /products/batch": "write",
    "GET /events": "read",
    "GET /products/{product_id}": "read",
    "PATCH /products/{product_id}": "write",
    "DELETE /products/{product_id}": "write",
    "POST /process-image": "write",
    "GET /images/{image_id}": "read",
    "POST /images/{image_id}/retry": "write",
    "GET /images/{image_id}/markup": "read",
    "GET /images/{image_id}/{preset}": None,  # unless PACKSHOT_PICTURES is signed
    "POST /users": "write",
    "GET /users/{user_id}": "read",
    "GET /keys": "admin",
    "POST /keys": "admin",
    "DELETE /keys/{key_id}": "admin",
    "POST /webhooks": "admin",
    "GET /webhooks": "admin",
    "GET /webhooks/{webhook_id}": "admin",
    "PATCH /webhooks/{webhook_id}": "admin",
    "DELETE /webhooks/{webhook_id}": "admin",
    "GET /webhooks/{webhook_id}/deliveries": "admin",
    "POST /webhooks/{webhook_id}/deliveries/{delivery_id}/replay": "admin",
    "GET /nothing": "admin",  # what nobody has declared
}
KEYS: Final = ("none", "wrong", "revoked", "expired", "read", "write", "admin")


async def a_key(app: App, kind: str) -> str:
    """A key of this kind, or what is sent in place of one."""
    if kind == "wrong":
        return make_secret()
    secret, row = await app.keyring.keys.create(kind, Scope(kind) if kind in [*Scope] else Scope.ADMIN)
    if kind == "revoked":
        await app.keyring.keys.revoke(secret)
    if kind == "expired":
        sql = "UPDATE access_keys SET expires_at = created_at WHERE key_id = $1"
        await app.database.execute(sql, row["key_id"])
    return secret


def expected(kind: str, need: str | None) -> Sequence[int]:
    """The status of a refusal, or those of the answers behind the door; nothing there has an id of 999."""
    if need is None or (kind in [*Scope] and Scope(kind).covers(Scope(need))):
        return (200, 404, 422)
    return (403,) if kind in [*Scope] else (401,)


def operations(routes: FastAPI) -> set[str]:
    there: list[Any] = list(iter_route_contexts(routes.routes))
    return {f"{method} {route.path}" for route in there for method in route.methods or () if method != "HEAD"}


def is_of_the_console(operation: str) -> bool:
    return operation.partition(" ")[2].startswith("/console/") or operation == "GET /"


def test_the_table_has_every_route(routes: FastAPI) -> None:
    expected = {operation for operation in operations(routes) if not is_of_the_console(operation)}

    assert expected == NEEDS.keys() - {"GET /nothing"}


def test_the_console_is_for_admins_but_for_its_files_and_the_way_in(routes: FastAPI) -> None:
    pages = [operation.split() for operation in operations(routes) if is_of_the_console(operation)]

    open_to_all = {path for method, path in pages if needed_scope(method, path) is None}
    assert {needed_scope(method, path) for method, path in pages} == {None, Scope.ADMIN}
    assert open_to_all <= {"/console/files/{edition}/{name}", "/console/sign-in"}


@pytest.mark.parametrize("kind", KEYS)
async def test_every_route_lets_in_whom_it_should(app: App, api: AsyncClient, kind: str) -> None:
    await app.keyring.keys.create("so that keys are needed", Scope.ADMIN)
    headers = {} if kind == "none" else bearer(await a_key(app, kind))

    for operation, need in NEEDS.items():
        if operation == "GET /events" and expected(kind, need) != (401,):
            continue  # an answer without an end
        method, path = re.sub(r"{\w+}", "999", operation).split()
        answer = await api.request(method, path, headers=headers)

        assert answer.status_code in expected(kind, need), operation
        if need and answer.status_code in (401, 403):
            problem_in(answer, answer.status_code)


async def test_head_needs_what_get_needs(app: App, api: AsyncClient) -> None:
    await app.keyring.keys.create("Shop", Scope.READ)

    assert (await api.head("/images/999/markup")).status_code == 401


@pytest.mark.parametrize("path", ["//keys", "/keys/", "/./keys", "/Keys", "/healthz/../keys", "/%6beys"])
async def test_a_path_in_disguise_opens_nothing(app: App, api: AsyncClient, path: str) -> None:
    secret = await a_key(app, "write")

    answer = await api.get(path, headers=bearer(secret))

    assert answer.status_code in (403, 404)


async def test_a_key_that_does_not_suffice_is_told_which_would(app: App, api: AsyncClient) -> None:
    answer = await api.delete("/products/1", headers=bearer(await a_key(app, "read")))

    assert "scope write; yours has read" in problem_in(answer, 403)["detail"]
    assert answer.headers["www-authenticate"] == 'Bearer error="insufficient_scope", scope="write"'


@pytest.mark.parametrize(
    "said", ["", "Bearer", "Bearer ", "Basic YTpi", "bearer a b", "packshot_x", "Bearer \xff"]
)
async def test_what_is_no_key_is_told_how_to_send_one(app: App, api: AsyncClient, said: str) -> None:
    await a_key(app, "read")

    answer = await api.get("/products", headers=[(b"authorization", said.encode("latin-1"))])

    problem_in(answer, 401)
    assert answer.headers["www-authenticate"].startswith("Bearer")


async def test_a_refusal_does_not_repeat_the_key(app: App, api: AsyncClient) -> None:
    secret = await a_key(app, "revoked")
    await a_key(app, "admin")

    answer = await api.get("/products", headers=bearer(secret))

    assert answer.status_code == 401
    assert secret[9:] not in answer.text + str(answer.headers)


async def test_a_browser_without_a_key_is_led_to_where_it_can_sign_in(app: App, api: AsyncClient) -> None:
    await a_key(app, "admin")

    answer = await api.get("/console/products", headers={"Accept": "text/html"})

    assert answer.status_code == 303
    assert answer.headers["location"] == "/console/sign-in?next=%2Fconsole%2Fproducts"


async def test_a_browser_may_look_around_with_its_cookie(app: App, api: AsyncClient) -> None:
    cookie = {"Cookie": f"{KEY_COOKIE}={await a_key(app, 'admin')}"}

    assert (await api.get("/console/products", headers=cookie)).status_code == 200
    assert (await api.get("/products", headers=cookie)).status_code == 200


async def test_a_cookie_alone_changes_nothing_outside_of_the_console(app: App, api: AsyncClient) -> None:
    cookie = {"Cookie": f"{KEY_COOKIE}={await a_key(app, 'admin')}"}

    assert (await api.delete("/products/1", headers=cookie)).status_code == 401


async def test_without_any_key_this_machine_may_do_everything(api: AsyncClient) -> None:
    assert (await api.get("/keys")).status_code == 200


@pytest.mark.parametrize(
    "host", ["localhost", "localhost:8080", "LOCALHOST", "127.0.0.1:80", "127.9.9.9", "[::1]:80"]
)
async def test_without_any_key_this_machine_has_several_names(api: AsyncClient, host: str) -> None:
    assert (await api.get("/products", headers={"Host": host})).status_code == 200


@pytest.mark.parametrize(
    "host",
    ["shop.example", "localhost.shop.example", "127.0.0.1.nip.io", "192.168.0.2", "0.0.0.0", "[::]", ""],  # noqa: S104 - asked for
)
async def test_without_any_key_a_name_from_elsewhere_leads_nowhere(api: AsyncClient, host: str) -> None:
    answer = await api.get("/products", headers={"Host": host})

    assert "packshot keys create" in problem_in(answer, 403)["detail"]


@pytest.mark.parametrize(
    "header",
    [
        "Forwarded",
        "X-Forwarded-For",
        "X-Forwarded-Proto",
        "X-Forwarded-Server",
        "X-Forwarded",
        "X-Real-IP",
        "X-Client-IP",
        "CF-Connecting-IP",
        "True-Client-IP",
        "Via",
    ],
)
async def test_without_any_key_nobody_is_served_behind_a_proxy(api: AsyncClient, header: str) -> None:
    answer = await api.get("/products", headers={header: "203.0.113.7"})

    assert "packshot keys create" in problem_in(answer, 403)["detail"]


async def test_with_a_key_names_and_proxies_do_not_matter(app: App, api: AsyncClient) -> None:
    headers = {"Host": "shop.example", "X-Forwarded-For": "203.0.113.7"} | bearer(await a_key(app, "read"))

    assert (await api.get("/products", headers=headers)).status_code == 200


@pytest.mark.parametrize("kind", ["revoked", "expired"])
async def test_when_the_last_key_has_ended_nobody_is_let_in_not_even_on_this_machine(
    app: App, api: AsyncClient, kind: str
) -> None:
    await a_key(app, kind)

    assert "packshot keys create" in problem_in(await api.get("/products"), 403)["detail"]
    assert (await api.get("/healthz")).status_code == 200


async def test_when_the_last_key_has_ended_public_pictures_are_still_shown(
    app: App, api: AsyncClient
) -> None:
    await a_key(app, "revoked")

    problem_in(await api.get("/images/999/large"), 404)
    problem_in(await api.get("/images/999/markup"), 403)


async def test_an_admin_makes_and_ends_keys(app: App, api: AsyncClient) -> None:
    admin = bearer(await a_key(app, "admin"))

    made = await api.post("/keys", json={"name": "Shop", "scope": "read"}, headers=admin)

    key = made.json()
    assert (made.status_code, made.headers["cache-control"]) == (201, "no-store")
    assert key["key"].startswith(key["prefix"])
    assert (await api.delete(f"/keys/{key['key_id']}", headers=admin)).status_code == 204
    listed = (await api.get("/keys", headers=admin)).json()["keys"]
    assert [(one["name"], one["state"]) for one in listed] == [("admin", "active"), ("Shop", "revoked")]
    assert key["key"][16:] not in str(listed)


async def test_the_document_says_which_key_an_operation_needs(api: AsyncClient) -> None:
    document = (await api.get("/openapi.json")).json()

    said = {
        f"{method.upper()} {path}": one["security"][0].get("accessKey", [None])[0]
        if one["security"]
        else None
        for path, methods in document["paths"].items()
        for method, one in methods.items()
    }

    assert said == {operation: NEEDS[operation] for operation in said}
    assert document["components"]["securitySchemes"]["accessKey"]["scheme"] == "bearer"
