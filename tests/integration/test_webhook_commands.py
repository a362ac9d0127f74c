"""`packshot webhooks`: as a person types it, on a database in use."""

from datetime import UTC, datetime, timedelta

import pytest
from tests.console import Packshot
from tests.fetching import HERE
from tests.mail import put_out, told
from tests.supplier import Supplier

from packshot.app import App

URL = "https://shop.example/hook"


async def fail_everything(app: App) -> None:
    await app.database.execute("UPDATE webhook_deliveries SET state = 'failed', ended_at = now()")


async def test_a_webhook_is_added_and_its_secret_shown_once(packshot: Packshot, app: App) -> None:
    added = await packshot("webhooks", "add", URL, "--events", "image.failed, product.completed")
    listed = await packshot("webhooks", "list")

    secret = (await app.webhooks.get(1))["secret"]
    assert added.out == f"Webhook 1 sends to {URL}.\nIts secret, shown this once: {secret}\n"
    assert "image.failed, product.completed" in listed.out
    assert "well" in listed.out
    assert secret not in listed.out


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("add", "http://shop.example/"), "Use https://, or name shop.example in PACKSHOT_ALLOW_WEBHOOKS."),
        (("add", URL, "--events", "image.read"), "There is no event 'image.read'"),
        (("replay",), "Name the deliveries to replay"),
    ],
)
async def test_a_wrong_argument_is_one_sentence(
    packshot: Packshot, arguments: tuple[str, ...], sentence: str
) -> None:
    ended = await packshot("webhooks", *arguments)

    assert (ended.code, ended.out) == (2, "")
    assert ended.err.startswith(sentence)


@pytest.mark.parametrize("command", ["remove", "enable", "rotate", "test", "log"])
async def test_a_webhook_that_is_not_there_is_named(packshot: Packshot, command: str) -> None:
    ended = await packshot("webhooks", command, 9)

    assert (ended.code, ended.err) == (1, "There is no webhook 9.\n")


async def test_a_webhook_that_was_disabled_is_enabled(packshot: Packshot, app: App) -> None:
    await app.webhooks.add(URL)
    await app.webhooks.change(1, {"enabled": False})
    before = await packshot("webhooks", "list", "--json")

    await packshot("webhooks", "enable", 1)

    assert before.json()[0]["disabled_reason"] == "A person disabled it."
    assert (await app.webhooks.get(1))["disabled_at"] is None


async def test_a_secret_is_rotated_and_a_webhook_removed(packshot: Packshot, app: App) -> None:
    old = (await app.webhooks.add(URL))["secret"]

    new = (await packshot("webhooks", "rotate", 1, "--json")).json()["secret"]
    removed = await packshot("webhooks", "remove", 1)

    assert new != old
    assert removed.out == "Webhook 1 is removed.\n"
    assert await app.webhooks.all() == []


async def test_the_log_says_what_came_back(packshot: Packshot, app: App) -> None:
    await app.webhooks.add(URL)
    await put_out(app.database)
    await put_out(app.database, "product.completed", product_id=3, image_id=None)
    await app.database.execute(
        "UPDATE webhook_deliveries SET state = 'failed', ended_at = now(), last_error = 'The answer is 404.',"
        " last_milliseconds = 20 WHERE delivery_id = 1"
    )

    lines = (await packshot("webhooks", "log")).out.splitlines()
    failed = (await packshot("webhooks", "log", 1, "--failed", "--json")).json()

    assert "product 3" in lines[1]
    assert lines[2].split()[-4:] == ["is", "404.", "20", "ms"]
    assert [one["delivery_id"] for one in failed] == [1]


async def test_messages_are_replayed_by_number_or_since_a_time(packshot: Packshot, app: App) -> None:
    await app.webhooks.add(URL)
    for _ in range(3):
        await put_out(app.database)
    await fail_everything(app)
    await app.database.execute(
        "UPDATE webhook_deliveries SET created_at = '2001-01-01' WHERE delivery_id < 3"
    )
    yesterday = (datetime.now(UTC) - timedelta(days=1)).date()

    one = await packshot("webhooks", "replay", 1)
    late = await packshot("webhooks", "replay", "--since", yesterday, "--json")

    assert one.out == "1 messages are sent once more.\n"
    assert late.json() == {"replayed": 1}
    assert [row["state"] for row in await told(app.database)] == ["pending", "failed", "pending"]


async def test_a_test_prints_what_came_back(
    packshot: Packshot, app: App, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PACKSHOT_ALLOW_WEBHOOKS", HERE)
    async with Supplier() as receiver:
        for path in ("/status/204", "/status/500"):
            await app.database.execute(
                "INSERT INTO webhooks (url, secret, events) VALUES ($1, 'whsec_QQ==', '{image.ready}')",
                receiver.url(path),
            )

        good, bad = await packshot("webhooks", "test", 1), await packshot("webhooks", "test", 2)

    assert good.out.startswith("The answer is 204: it arrived.")
    assert bad.out.startswith("The answer is 500 (Internal Server Error).")
    assert (good.code, bad.code) == (0, 1)
