"""Messages on their way to a receiver that answers, fails, hangs, lies, or sends us elsewhere."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any, Final

import pytest
from standardwebhooks import Webhook, WebhookVerificationError
from tests.lifelines import a_lifeline
from tests.mail import DAY_SECONDS, a_courier, guarded, move_times, put_out, told, webhooks_of
from tests.rows import eventually
from tests.supplier import Supplier

from packshot.courier import Courier
from packshot.database import Database, Row
from packshot.outbox import Outbox
from packshot.posting import Poster
from packshot.stores import Store

NEXT_DOOR: Final = "127.0.0.2"  # somebody else on this machine, whom nobody allowed
OK: Final = "/status/200"


@pytest.fixture
async def receiver() -> AsyncIterator[Supplier]:
    async with Supplier() as receiver:
        yield receiver


@asynccontextmanager
async def on_its_way(
    database: Database, store: Store, poster: Poster | None = None
) -> AsyncIterator[Courier]:
    """A courier that delivers during the block."""
    async with a_courier(database, store, poster or guarded()) as courier, asyncio.TaskGroup() as tasks:
        going = tasks.create_task(courier.run(a_lifeline()))
        yield courier
        going.cancel()


async def attempted(database: Database, delivery_id: int, attempt: int = 1) -> Row:
    """Return a delivery once that attempt has been written down."""
    row: Row = {}

    async def written() -> bool:
        nonlocal row
        (row,) = await database.fetch("SELECT * FROM webhook_deliveries WHERE delivery_id = $1", delivery_id)
        return row["attempt"] == attempt and row["last_milliseconds"] is not None

    await eventually(written)
    await database.execute(
        "UPDATE webhook_deliveries SET last_milliseconds = NULL"
    )  # so that the next one shows
    return row


async def after_one_attempt(database: Database, store: Store, url: str, poster: Poster | None = None) -> Row:
    """What the log says of a message to that URL."""
    await webhooks_of(database).add(url)
    delivery_id = await put_out(database)
    async with on_its_way(database, store, poster):
        return await attempted(database, delivery_id)


async def the_webhook(database: Database) -> Row:
    return await webhooks_of(database).get(1)


def opened(receiver: Supplier, secret: str, message: int = 0) -> Any:  # noqa: ANN401 - JSON is anything
    """A message that came, verified as a receiver does it, with a library that is not ours."""
    request = receiver.requests[message]
    return Webhook(secret).verify(request.body, dict(request.headers))


async def test_a_message_arrives_signed(database: Database, store: Store, receiver: Supplier) -> None:
    row = await after_one_attempt(database, store, receiver.url(OK))

    message = opened(receiver, (await the_webhook(database))["secret"])

    assert (row["state"], row["last_status"], row["last_error"]) == ("delivered", 200, None)
    assert message["type"] == "image.failed"
    assert datetime.fromisoformat(message["timestamp"]) == row["created_at"]
    assert message["data"]["error"] == {
        "code": "source_gone",
        "message": "shop.example answers 404 (Not Found) instead of a picture.",
        "fixed_by": "supplier",
    }
    assert receiver.requests[0].headers["webhook-id"] == str(row["event_id"])
    assert receiver.requests[0].headers["Content-Type"] == "application/json"


async def test_another_secret_does_not_open_it(database: Database, store: Store, receiver: Supplier) -> None:
    await after_one_attempt(database, store, receiver.url(OK))
    other = await webhooks_of(database).add(receiver.url(OK))

    with pytest.raises(WebhookVerificationError):
        opened(receiver, other["secret"])


async def test_for_a_day_after_a_rotation_both_secrets_open_it(
    database: Database, store: Store, receiver: Supplier
) -> None:
    old = await webhooks_of(database).add(receiver.url(OK))
    new = await webhooks_of(database).rotate(old["webhook_id"])
    delivery_id = await put_out(database)
    async with on_its_way(database, store):
        await attempted(database, delivery_id)
        await database.execute("UPDATE webhooks SET old_secret_until = now()")
        await attempted(database, await put_out(database))

    assert opened(receiver, old["secret"])
    assert opened(receiver, new["secret"])
    assert opened(receiver, new["secret"], 1)
    with pytest.raises(WebhookVerificationError):
        opened(receiver, old["secret"], 1)


async def test_a_receiver_that_fails_once_is_told_again_under_the_same_id(
    database: Database, store: Store, receiver: Supplier
) -> None:
    await webhooks_of(database).add(receiver.url("/flaky/hook"))
    delivery_id = await put_out(database)

    async with on_its_way(database, store):
        first = await attempted(database, delivery_id)
        failing = await the_webhook(database)
        await move_times(database, "due_at", seconds=-60)
        second = await attempted(database, delivery_id, 2)

    assert (first["state"], first["last_status"]) == ("pending", 500)
    assert first["last_error"] == "The answer is 500 (Internal Server Error)."
    assert failing["failing_since"] is not None
    assert second["state"] == "delivered"
    assert (await the_webhook(database))["failing_since"] is None
    assert len({request.headers["webhook-id"] for request in receiver.requests}) == 1


@pytest.mark.parametrize(
    ("path", "status", "error"),
    [
        ("/hang", None, "There was no answer within 0.2 seconds."),
        ("/slow-headers", None, "There was no answer within 0.2 seconds."),
        ("/silent", None, "127.0.0.1 closed the connection without an answer."),
        ("/not-http", None, "127.0.0.1 does not answer in proper HTTP."),
        ("/status/404", 404, "The answer is 404 (Not Found)."),
        ("/status/302", 302, "The answer is 302 (Found)."),
    ],
)
async def test_what_is_no_success_is_tried_again(
    database: Database, store: Store, receiver: Supplier, path: str, status: int | None, error: str
) -> None:
    row = await after_one_attempt(database, store, receiver.url(path), guarded(seconds=0.2))

    assert (row["state"], row["last_status"], row["last_error"]) == ("pending", status, error)


async def test_an_answer_without_an_end_is_not_read(
    database: Database, store: Store, receiver: Supplier
) -> None:
    row = await after_one_attempt(database, store, receiver.url("/endless"))

    assert row["state"] == "delivered"


async def test_a_redirect_inward_is_not_followed(
    database: Database, store: Store, receiver: Supplier
) -> None:
    async with Supplier(address=NEXT_DOOR) as inside:
        row = await after_one_attempt(database, store, receiver.url(f"/redirect?to={inside.url('/')}"))

    assert (row["state"], row["last_status"], inside.connections) == ("pending", 302, 0)


async def test_retry_after_is_honoured(database: Database, store: Store, receiver: Supplier) -> None:
    row = await after_one_attempt(database, store, receiver.url("/status/503?retry-after=7000"))

    assert 6_990 < (row["due_at"] - datetime.now(UTC)).total_seconds() <= 7_000


async def test_a_receiver_that_is_gone_is_left_alone_at_once(
    database: Database, store: Store, receiver: Supplier
) -> None:
    row = await after_one_attempt(database, store, receiver.url("/status/410"))

    assert row["state"] == "failed"
    assert (await the_webhook(database))["disabled_reason"].startswith("The receiver answered 410")


async def test_after_a_day_without_a_success_message_and_webhook_are_given_up(
    database: Database, store: Store, receiver: Supplier
) -> None:
    await webhooks_of(database).add(receiver.url("/status/500"))
    delivery_id = await put_out(database)
    async with on_its_way(database, store):
        await attempted(database, delivery_id)
        await database.execute(
            "UPDATE webhooks SET enabled_at = 'epoch', failing_since = failing_since - '1 day'::interval"
        )
        await move_times(database, "due_at", "queued_at", seconds=-DAY_SECONDS)
        row = await attempted(database, delivery_id, 2)

    assert row["state"] == "failed"
    assert (await the_webhook(database))["disabled_reason"] == "Nothing got through for a day."


async def test_one_message_that_is_given_up_does_not_disable_a_webhook_that_works(
    database: Database, store: Store, receiver: Supplier
) -> None:
    await webhooks_of(database).add(receiver.url("/flaky/hook"))
    delivery_id = await put_out(database)
    await database.execute("UPDATE webhooks SET enabled_at = 'epoch'")
    await move_times(database, "queued_at", seconds=-DAY_SECONDS)

    async with on_its_way(database, store):
        row = await attempted(database, delivery_id)

    assert row["state"] == "failed"
    assert (await the_webhook(database))["disabled_at"] is None


async def test_what_happens_while_a_webhook_is_disabled_waits_for_it(
    database: Database, store: Store, receiver: Supplier
) -> None:
    webhooks = webhooks_of(database)
    await webhooks.add(receiver.url(OK))
    await webhooks.change(1, {"enabled": False})
    delivery_id = await put_out(database)
    assert await Outbox(database).take((), 8) == []
    await move_times(database, "due_at", "queued_at", seconds=-3 * DAY_SECONDS)

    await webhooks.change(1, {"enabled": True})
    async with on_its_way(database, store):
        row = await attempted(database, delivery_id)

    assert row["state"] == "delivered"


async def test_a_receiver_that_hangs_keeps_nobody_else_waiting(
    database: Database, store: Store, receiver: Supplier
) -> None:
    await webhooks_of(database).add(receiver.url("/hang"))
    await webhooks_of(database).add(receiver.url(OK))
    for _ in range(20):
        await put_out(database)

    async def all_arrived() -> bool:
        return receiver.asked[OK] == 20

    async with on_its_way(database, store, guarded(seconds=60)):
        await eventually(all_arrived)

    assert receiver.asked["/hang"] == 8


async def test_a_message_in_the_hands_of_a_killed_process_goes_out_a_minute_later(
    database: Database, store: Store, receiver: Supplier
) -> None:
    await webhooks_of(database).add(receiver.url(OK))
    delivery_id = await put_out(database)
    (held,) = await Outbox(database).take((), 8)  # by a process that says nothing more
    assert await Outbox(database).take((), 8) == []

    await move_times(database, "due_at", seconds=-60)
    async with on_its_way(database, store):
        row = await attempted(database, delivery_id, held.attempt + 1)

    assert row["state"] == "delivered"


async def test_a_test_says_what_came_back(database: Database, store: Store, receiver: Supplier) -> None:
    webhook = await webhooks_of(database).add(receiver.url("/status/418"))

    async with a_courier(database, store, guarded()) as courier:
        receipt = await courier.test(webhook)

    assert (receipt.status, receipt.error) == (418, "The answer is 418 (I'm a Teapot).")
    assert json.loads(receiver.requests[0].body)["data"] == {"webhook_id": 1}
    assert await told(database) == []


async def test_who_carries_also_empties_the_log(database: Database, store: Store, receiver: Supplier) -> None:
    await webhooks_of(database).add(receiver.url(OK))
    await put_out(database)
    await move_times(database, "queued_at", seconds=-8 * DAY_SECONDS)

    async def is_empty() -> bool:
        return not await told(database)

    async with on_its_way(database, store):
        await eventually(is_empty)
