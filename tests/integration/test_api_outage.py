"""What the API says while the database or the store is away, and when the fault is ours."""

from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from servers.cable import Cable
from tests.bearers import bearer
from tests.figures import Figures
from tests.rows import a_source, claimed, finish, keys_of
from tests.shop import URL, a_product, create, problem_in, read

from packshot import keyring, vitals
from packshot.app import App, open_api, open_app
from packshot.keys import Scope, make_secret
from packshot.settings import load_settings


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


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/products"),
        ("GET", "/products"),
        ("GET", "/products/1"),
        ("DELETE", "/products/1"),
        ("GET", "/images/1"),
        ("GET", "/images/1/large"),
        ("GET", "/users/1"),
        ("GET", "/readyz"),
    ],
)
async def test_without_a_database_the_client_is_asked_to_come_back(
    api: httpx.AsyncClient, cable: Cable, method: str, path: str
) -> None:
    await cable.pull()

    answer = await api.request(method, path, json=a_product())

    problem_in(answer, 503)
    assert int(answer.headers["retry-after"]) > 0


async def test_the_log_says_that_a_part_was_away(
    api: httpx.AsyncClient, cable: Cable, caplog: pytest.LogCaptureFixture
) -> None:
    await cable.pull()

    await api.get("/products/1")

    assert "request failed: a part is away" in caplog.messages


async def test_without_a_database_the_process_is_alive_but_not_ready(
    api: httpx.AsyncClient, cable: Cable
) -> None:
    assert (await api.get("/readyz")).json() == {
        "status": "ready",
        "parts": {"database": "ok", "store": "ok"},
    }

    await cable.pull()

    assert (await api.get("/healthz")).status_code == 200
    refused = problem_in(await api.get("/readyz"), 503)
    assert refused["parts"] == {"database": "away", "store": "ok"}


async def test_a_store_that_is_away_is_told_and_no_reason_to_send_nobody(
    api: httpx.AsyncClient, tmp_path: Path
) -> None:
    (tmp_path / "store").write_text("in the way")

    answer = await api.get("/readyz")

    assert (answer.status_code, answer.json()["parts"]["store"]) == (200, "away")


async def test_when_the_database_is_back_everything_goes_on_by_itself(
    api: httpx.AsyncClient, cable: Cable
) -> None:
    product = await create(api)
    await cable.pull()
    assert (await api.get("/products/1")).status_code == 503

    await cable.plug_in()

    assert await read(api, "/products/1") == product


async def test_without_its_database_the_api_tells_nobody_where_that_was(
    api: httpx.AsyncClient, cable: Cable
) -> None:
    await cable.pull()

    answer = await api.get("/products")

    assert "127.0.0.1" not in answer.text
    assert "connect" not in answer.text.lower()


async def test_when_the_store_is_away_the_client_is_asked_to_come_back(
    api: httpx.AsyncClient, app: App
) -> None:
    image_id = (await app.images.add(URL))["image_id"]
    await finish(app.images, await claimed(app.images, image_id))
    Path(app.store.location(keys_of(a_source())[1])).mkdir(parents=True)  # where a file should be

    answer = await api.get(f"/images/{image_id}/large.jpg")

    problem_in(answer, 503)
    assert int(answer.headers["retry-after"]) > 0


@pytest.fixture
async def bug(app: App) -> AsyncIterator[None]:
    """A schema that our SQL does not fit."""
    await app.database.execute("ALTER TABLE users RENAME TO hidden")
    yield
    await app.database.execute("ALTER TABLE hidden RENAME TO users")


@pytest.mark.usefixtures("bug")
async def test_a_bug_is_a_plain_answer_without_details(app: App) -> None:
    transport = httpx.ASGITransport(open_api(app), raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as api:
        answer = await api.get("/users/1")

    assert problem_in(answer, 500)["detail"] == "This is a bug in Packshot; its log has the details."
    assert set(answer.json()) == {"type", "title", "status", "detail", "request_id"}


@pytest.fixture
async def key(app: App, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """A key, in a process that reads its keys again for every request."""
    monkeypatch.setattr(keyring, "REMEMBER_SECONDS", 0)
    return bearer((await app.keyring.keys.create("Prometheus", Scope.READ))[0])


@pytest.mark.parametrize("trouble", [Cable.pull, Cable.freeze])
async def test_who_could_read_the_figures_reads_there_that_the_database_is_away(
    api: httpx.AsyncClient,
    cable: Cable,
    key: dict[str, str],
    trouble: Callable[[Cable], Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for limit in (vitals, "LOOK_SECONDS"), (keyring, "PATIENCE_SECONDS"):
        monkeypatch.setattr(*limit, 0.05)
    await api.get("/users/1", headers=key)
    if gone := trouble(cable):
        await gone

    answer = await api.get("/metrics", headers=key)

    assert answer.status_code == 200
    assert Figures(answer.text)("packshot_up", part="database") == 0


async def test_without_a_database_a_key_is_good_for_nothing_but_the_figures(
    api: httpx.AsyncClient, cable: Cable, key: dict[str, str]
) -> None:
    await api.get("/metrics", headers=key)
    await cable.pull()

    for path in ("/products", "/openapi.json", "/metrics/", "/events"):
        problem_in(await api.get(path, headers=key), 503)


async def test_without_a_database_nobody_else_reads_the_figures(
    api: httpx.AsyncClient, cable: Cable, key: dict[str, str]
) -> None:
    await api.get("/metrics", headers=key)
    await cable.pull()

    problem_in(await api.get("/metrics"), 401)
    problem_in(await api.get("/metrics", headers=bearer(make_secret())), 401)


@pytest.mark.usefixtures("key")
async def test_keys_that_were_never_read_are_not_taken_for_none(api: httpx.AsyncClient, cable: Cable) -> None:
    await cable.pull()

    problem_in(await api.get("/metrics"), 503)
