"""What is written down about a request: one line, an id, a count; and nothing that a query may hold."""

import logging
from typing import Any

import pytest
from fastapi import FastAPI
from httpx import AsyncClient
from tests.bearers import bearer
from tests.callers import Caller, ask, request, serving
from tests.figures import Figures
from tests.shop import create, problem_in

from packshot.app import App
from packshot.keys import Scope
from packshot.web.journal import is_stream, request_id_in


@pytest.fixture(autouse=True)
def from_info_on(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, logger="packshot.web.journal")


def lines(caplog: pytest.LogCaptureFixture) -> list[dict[str, Any]]:
    return [record.__dict__ for record in caplog.records if record.name == "packshot.web.journal"]


async def test_a_request_is_one_line(api: AsyncClient, caplog: pytest.LogCaptureFixture) -> None:
    answer = await api.get("/products/7?token=s3cret")

    (line,) = lines(caplog)
    said = {name: line[name] for name in ("method", "path", "route", "status", "bytes_out")}
    assert said == {
        "method": "GET",
        "path": "/products/7",
        "route": "/products/{product_id}",
        "status": 404,
        "bytes_out": len(answer.content),
    }
    assert 0 < line["milliseconds"] < 5000
    assert "s3cret" not in str(line)


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/metrics"])
async def test_what_machines_ask_all_day_long_is_no_news(
    api: AsyncClient, caplog: pytest.LogCaptureFixture, path: str
) -> None:
    await api.get(path)

    assert lines(caplog) == []


async def test_a_probe_without_a_key_is_no_news_either(
    api: AsyncClient, app: App, caplog: pytest.LogCaptureFixture
) -> None:
    await app.keyring.keys.create("Shop", Scope.READ)
    caplog.clear()

    answer = await api.get("/metrics")

    assert answer.status_code == 401
    assert lines(caplog) == []


async def test_an_id_that_the_caller_gave_is_in_the_answer(api: AsyncClient) -> None:
    answer = await api.get("/healthz", headers={"X-Request-Id": "order-4711"})

    assert answer.headers["x-request-id"] == "order-4711"


@pytest.mark.parametrize("odd", ["", "a b", "x" * 65, "-begins", 'q"', "ö".encode()])
def test_an_odd_id_is_replaced_by_one_of_ours(odd: str | bytes) -> None:
    raw = odd if isinstance(odd, bytes) else odd.encode()

    assert len(request_id_in({"headers": [(b"x-request-id", raw)]})) == 32


async def test_a_problem_tells_the_id_to_look_for_in_the_log(api: AsyncClient) -> None:
    answer = await api.get("/products/7")

    assert problem_in(answer, 404)["request_id"] == answer.headers["x-request-id"]


async def test_requests_are_counted_by_route_and_never_by_path(api: AsyncClient) -> None:
    await create(api)
    await api.get("/products/7")
    await api.get("/products/8")
    await api.get("/secret-path")

    figures = Figures((await api.get("/metrics")).text)
    assert figures("packshot_requests_total", route="/products/{product_id}", status="4xx") == 2
    assert figures("packshot_requests_total", method="POST", route="/products", status="2xx") == 1
    assert figures("packshot_request_seconds_count", route="none") == 1
    assert not any("secret" in value for value in figures.values("route"))


@pytest.mark.parametrize("kind", [b"text/event-stream", b"text/event-stream; charset=utf-8"])
def test_an_answer_without_end_is_timed_to_its_head(kind: bytes) -> None:
    assert is_stream({"headers": [(b"etag", b"1"), (b"content-type", kind)]})
    assert not is_stream({"headers": [(b"content-type", b"application/json")]})


async def test_the_key_of_a_refused_request_is_written_down(
    app: App, api: AsyncClient, caplog: pytest.LogCaptureFixture
) -> None:
    secret, row = await app.keyring.keys.create("Shop", Scope.READ, requests_per_minute=1)

    answers = [await api.post("/users", headers=bearer(secret)) for _ in range(2)]

    assert [answer.status_code for answer in answers] == [403, 429]
    assert [line["key_id"] for line in lines(caplog)] == [row["key_id"]] * 2


@pytest.mark.parametrize(
    ("method", "path", "route"),
    [
        ("GET", "/products/7", "/products/{product_id}"),
        ("POST", "/products/batch", "/products/batch"),
        ("PUT", "/images/7/markup", "/images/{image_id}/markup"),
        ("GET", "/images/7", "/images/{image_id}"),
        ("GET", "/secret-path", "none"),
    ],
)
async def test_who_is_not_let_in_is_written_down_with_the_route_that_was_meant(
    app: App, api: AsyncClient, caplog: pytest.LogCaptureFixture, method: str, path: str, route: str
) -> None:
    secret, _ = await app.keyring.keys.create("Shop", Scope.READ)

    assert (await api.request(method, path)).status_code == 401

    assert [line["route"] for line in lines(caplog)] == [route]
    figures = Figures((await api.get("/metrics", headers=bearer(secret))).text)
    assert figures("packshot_requests_total", method=method, route=route, status="4xx") == 1


async def test_a_body_that_is_too_long_is_written_down_with_the_route_that_was_meant(
    api: AsyncClient, routes: FastAPI, caplog: pytest.LogCaptureFixture
) -> None:
    async with serving(routes) as port:
        answer = await ask(port, request("POST /products?token=s3cret", "Content-Length: 6000001"))

    assert answer.status == 413
    (line,) = lines(caplog)
    said = {name: line[name] for name in ("method", "path", "route", "status")}
    assert said == {"method": "POST", "path": "/products", "route": "/products", "status": 413}
    figures = Figures((await api.get("/metrics")).text)
    assert figures("packshot_requests_total", method="POST", route="/products", status="4xx") == 1


async def test_of_a_head_that_cannot_be_read_nothing_is_written_down(
    routes: FastAPI, caplog: pytest.LogCaptureFixture
) -> None:
    async with serving(routes) as port, Caller.calling(port) as caller:
        await caller.say(request("GET /healthz"))
        await caller.hear()
        await caller.say(b"secret\r\n\r\n")
        await caller.hear()

    (line,) = lines(caplog)
    assert {"method", "path", "route"}.isdisjoint(line)
