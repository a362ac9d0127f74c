"""The rows of deliveries: leased to one process at a time, fenced by the attempt, and kept for a week."""

import asyncio

import pytest
from tests.mail import DAY_SECONDS, move_times, put_out, told, webhooks_of

from packshot.database import Database
from packshot.outbox import Outbox
from packshot.patience import Delivered, Failed, Later, Receipt

GOOD = Receipt(20, 200)
BAD = Receipt(20, 500, "The answer is 500.")


@pytest.fixture(autouse=True)
async def webhook_id(database: Database) -> int:
    return int((await webhooks_of(database).add("https://shop.example/hook"))["webhook_id"])


@pytest.fixture
def outbox(database: Database) -> Outbox:
    return Outbox(database)


async def test_the_longest_due_go_first_a_few_for_each_webhook(database: Database, outbox: Outbox) -> None:
    await webhooks_of(database).add("https://other.example/hook")
    for _ in range(5):
        await put_out(database)

    first, second = await outbox.take((), 3), await outbox.take((), 3)

    assert sorted(letter.delivery_id for letter in first) == [1, 2, 3, 4, 5, 6]
    assert sorted(letter.delivery_id for letter in second) == [7, 8, 9, 10]


async def test_processes_that_ask_at_once_are_given_different_messages(
    database: Database, outbox: Outbox
) -> None:
    for _ in range(30):
        await put_out(database)

    taken = await asyncio.gather(*(outbox.take((), 8) for _ in range(5)))

    ids = [letter.delivery_id for letters in taken for letter in letters]
    assert len(ids) == len(set(ids))


async def test_who_comes_too_late_writes_nothing(database: Database, outbox: Outbox) -> None:
    await put_out(database)
    (late,) = await outbox.take((), 8)
    await move_times(database, "due_at", seconds=-60)
    (second,) = await outbox.take((), 8)
    await outbox.record(second, Later(60), BAD)

    await outbox.record(late, Failed(is_gone=True), BAD)

    (row,) = await told(database)
    assert (row["state"], row["attempt"]) == ("pending", 2)
    assert (await webhooks_of(database).get(1))["disabled_at"] is None


async def test_an_answer_to_a_message_that_was_replayed_meanwhile_still_counts(
    database: Database, outbox: Outbox
) -> None:
    delivery_id = await put_out(database)
    (letter,) = await outbox.take((), 8)
    await outbox.replay(delivery_id)

    await outbox.record(letter, Delivered(), GOOD)

    (row,) = await told(database)
    assert row["state"] == "delivered"


async def test_a_replayed_message_has_another_day(database: Database, outbox: Outbox) -> None:
    delivery_id = await put_out(database)
    await move_times(database, "due_at", "queued_at", "created_at", seconds=-2 * DAY_SECONDS)
    await database.execute("UPDATE webhooks SET enabled_at = 'epoch'")
    (letter,) = await outbox.take((), 8)
    await outbox.record(letter, Failed(), BAD)

    await outbox.replay(delivery_id)
    (again,) = await outbox.take((), 8)

    assert letter.age_seconds >= 2 * DAY_SECONDS
    assert again.age_seconds < 60
    assert (again.event_id, again.attempt) == (letter.event_id, 2)


async def test_a_webhook_that_is_enabled_again_gives_its_messages_another_day(
    database: Database, outbox: Outbox, webhook_id: int
) -> None:
    await put_out(database)
    await move_times(database, "due_at", "queued_at", seconds=-2 * DAY_SECONDS)
    await database.execute("UPDATE webhooks SET enabled_at = 'epoch'")
    for enabled in (False, True):
        await webhooks_of(database).change(webhook_id, {"enabled": enabled})

    (letter,) = await outbox.take((), 8)

    assert letter.age_seconds < 60


async def test_what_is_a_week_old_goes_a_batch_at_a_time(
    database: Database, outbox: Outbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("packshot.outbox.BATCH", 2)
    for _ in range(3):
        await put_out(database)
    await move_times(database, "queued_at", seconds=-7 * DAY_SECONDS - 1)
    young = await put_out(database)

    assert [await outbox.remove_old() for _ in range(3)] == [2, 1, 0]

    assert [row["delivery_id"] for row in await told(database)] == [young]


async def test_what_has_failed_is_replayed_however_much_it_is(
    database: Database, outbox: Outbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("packshot.outbox.BATCH", 2)
    for _ in range(5):
        await put_out(database)
    since = (await told(database))[1]["created_at"]
    await database.execute("UPDATE webhook_deliveries SET state = 'failed', ended_at = now()")

    assert await outbox.replay_failed(since, 1) == 4
    assert await outbox.replay_failed(since, 2) == 0
