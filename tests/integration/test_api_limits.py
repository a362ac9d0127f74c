"""How often a key may come, over HTTP."""

import pytest
from httpx import AsyncClient
from tests.bearers import bearer
from tests.shop import problem_in

from packshot.app import App
from packshot.keys import Scope, make_secret
from packshot.web import access


async def a_key(app: App, requests_per_minute: int | None = None) -> dict[str, str]:
    secret, _ = await app.keyring.keys.create("Shop", Scope.READ, requests_per_minute=requests_per_minute)
    return bearer(secret)


async def test_an_answer_says_what_the_key_has_left(app: App, api: AsyncClient) -> None:
    answer = await api.get("/products", headers=await a_key(app, 60))

    assert answer.headers["ratelimit-policy"] == '"key";q=60;w=60'
    assert answer.headers["ratelimit"] == '"key";r=59;t=1'


async def test_a_request_too_many_is_told_when_to_come_back(app: App, api: AsyncClient) -> None:
    key = await a_key(app, 1)
    await api.get("/products", headers=key)

    answer = await api.get("/products", headers=key)

    assert "Only 1 requests per minute" in problem_in(answer, 429)["detail"]
    assert 0 < int(answer.headers["retry-after"]) <= 60
    assert answer.headers["ratelimit"].startswith('"key";r=0;')


async def test_a_key_without_a_number_has_no_limit_unless_one_is_set(app: App, api: AsyncClient) -> None:
    answer = await api.get("/products", headers=await a_key(app))

    assert answer.status_code == 200
    assert "ratelimit" not in answer.headers


async def test_who_sends_wrong_keys_again_and_again_is_slowed_down_and_good_keys_are_not(
    app: App, api: AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(access, "WRONG_KEYS_PER_MINUTE", 2)
    key = await a_key(app)

    answers = [await api.get("/products", headers=bearer(make_secret())) for _ in range(3)]

    assert [answer.status_code for answer in answers] == [401, 401, 429]
    assert "retry-after" in answers[-1].headers
    assert (await api.get("/products", headers=key)).status_code == 200
