"""Webhooks over HTTP: registered, changed, looked after, and their secrets shown once."""

from typing import Any

import pytest
from httpx import AsyncClient
from tests.mail import put_out
from tests.shop import problem_in, read, wrong_fields

from packshot.app import App

URL = "https://shop.example/hook"
EVERYTHING = ["image.ready", "image.failed", "product.completed"]


async def register(api: AsyncClient, **body: object) -> dict[str, Any]:
    answer = await api.post("/webhooks", json={"url": URL, **body})
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


async def test_a_webhook_is_registered_for_everything(api: AsyncClient) -> None:
    answer = await api.post("/webhooks", json={"url": URL})

    assert (answer.status_code, answer.headers["Location"]) == (201, "/webhooks/1")
    assert (answer.json()["url"], answer.json()["events"]) == (URL, EVERYTHING)


async def test_the_secret_is_shown_once(api: AsyncClient) -> None:
    secret = (await register(api))["secret"]

    later = [
        await api.get("/webhooks"),
        await api.get("/webhooks/1"),
        await api.patch("/webhooks/1", json={}),
    ]

    assert secret.startswith("whsec_")
    assert not any("whsec_" in answer.text or "secret" in answer.text for answer in later)


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"url": "http://shop.example/hook"}, "url"),
        ({"url": "https://ada:secret@shop.example/"}, "url"),
        ({"url": "shop.example"}, "url"),
        ({"url": URL, "events": []}, "events"),
        ({"url": URL, "events": ["image.read"]}, "events[0]"),
        ({"url": URL, "secret": "whsec_mine"}, "secret"),
        ({}, "url"),
    ],
)
async def test_what_makes_no_sense_is_refused_with_the_fields_name(
    api: AsyncClient, body: dict[str, object], field: str
) -> None:
    assert wrong_fields(await api.post("/webhooks", json=body)) == [field]


async def test_a_webhook_is_changed_field_by_field(api: AsyncClient) -> None:
    await register(api)

    changed = (await api.patch("/webhooks/1", json={"events": ["image.failed"]})).json()

    assert (changed["url"], changed["events"]) == (URL, ["image.failed"])
    assert wrong_fields(await api.patch("/webhooks/1", json={"url": "http://shop.example/"})) == ["url"]


async def test_a_webhook_is_disabled_and_enabled(api: AsyncClient) -> None:
    await register(api)

    disabled = (await api.patch("/webhooks/1", json={"enabled": False})).json()
    enabled = (await api.patch("/webhooks/1", json={"enabled": True})).json()

    assert disabled["disabled_at"]
    assert disabled["disabled_reason"] == "A person disabled it."
    assert (enabled["disabled_at"], enabled["disabled_reason"]) == (None, None)


async def test_a_webhook_goes_with_its_log(api: AsyncClient, app: App) -> None:
    await register(api)
    await put_out(app.database)

    assert (await api.delete("/webhooks/1")).status_code == 204

    assert await read(api, "/webhooks") == {"webhooks": []}
    assert await app.outbox.log() == []


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/webhooks/9"),
        ("PATCH", "/webhooks/9"),
        ("DELETE", "/webhooks/9"),
        ("GET", "/webhooks/9/deliveries"),
        ("POST", "/webhooks/1/deliveries/9/replay"),
    ],
)
async def test_what_is_not_there_is_not_found(api: AsyncClient, method: str, path: str) -> None:
    await register(api)

    problem_in(await api.request(method, path, json={}), 404)


async def test_the_log_has_pages_and_states(api: AsyncClient, app: App) -> None:
    await register(api)
    for image_id in range(3):
        await put_out(app.database, image_id=image_id)
    await app.database.execute(
        "UPDATE webhook_deliveries SET state = 'failed', ended_at = now() WHERE delivery_id = 2"
    )

    first = await read(api, "/webhooks/1/deliveries?limit=2")
    last = await read(api, f"/webhooks/1/deliveries?limit=2&cursor={first['next_cursor']}")
    failed = await read(api, "/webhooks/1/deliveries?state=failed")

    assert [one["image_id"] for one in first["deliveries"]] == [2, 1]
    assert ([one["image_id"] for one in last["deliveries"]], last["next_cursor"]) == ([0], None)
    assert [one["delivery_id"] for one in failed["deliveries"]] == [2]


async def test_a_delivery_is_replayed_under_the_same_id(api: AsyncClient, app: App) -> None:
    await register(api)
    delivery_id = await put_out(app.database)
    await app.database.execute("UPDATE webhook_deliveries SET state = 'failed', ended_at = now()")
    (before,) = (await read(api, "/webhooks/1/deliveries"))["deliveries"]

    answer = await api.post(f"/webhooks/1/deliveries/{delivery_id}/replay")

    assert answer.status_code == 202
    assert (answer.json()["state"], answer.json()["event_id"]) == ("pending", before["event_id"])


async def test_a_delivery_of_another_webhook_is_not_replayed(api: AsyncClient, app: App) -> None:
    await register(api)
    delivery_id = await put_out(app.database)
    await register(api)

    problem_in(await api.post(f"/webhooks/2/deliveries/{delivery_id}/replay"), 404)


async def test_the_documentation_has_what_receivers_are_sent(api: AsyncClient) -> None:
    document = await read(api, "/openapi.json")

    assert {*document["webhooks"]} == {*EVERYTHING}
