"""How the system is, as anybody may ask it: parts that are there, parts that are not, and a queue."""

from collections.abc import Callable
from math import inf, isnan
from pathlib import Path
from typing import Any

import pytest
from servers.cable import Cable
from servers.redis import Redis as Server
from tests.figures import Figures
from tests.mail import put_out, webhooks_of
from tests.rows import an_image, claimed

from packshot import vitals as module
from packshot.backlog import Backlog
from packshot.cache import Cache, Redis
from packshot.census import Census
from packshot.database import Database
from packshot.errors import SourceGone
from packshot.images import Images
from packshot.keys import Keys, Scope
from packshot.lifecycle import GiveUp, Retry
from packshot.metrics import Metrics
from packshot.stores import Store, open_store
from packshot.vitals import Vitals
from packshot.workers import Desk, Workers


@pytest.fixture
def census(database: Database) -> Census:
    return Census(database)


@pytest.fixture
def vitals(metrics: Metrics, census: Census, store: Store, desk: Desk) -> Vitals:
    return Vitals(metrics, census, None, store, None, desk)


async def look(vitals: Vitals) -> Figures:
    return Figures((await vitals.exposition()).decode())


async def test_the_queue_is_counted_by_state(vitals: Vitals, images: Images) -> None:
    for _ in range(5):
        await an_image(images)
    await images.retry(await claimed(images, 1), Retry(60, "source_gone", "Later."))
    await images.give_up(await claimed(images, 2), GiveUp(SourceGone.code, "Gone."))
    await claimed(images, 3)

    figures = await look(vitals)

    counted = {
        state: figures("packshot_queue_images", state=state)
        for state in ("due", "later", "processing", "failed")
    }
    assert counted == {"due": 2, "later": 1, "processing": 1, "failed": 1}


@pytest.mark.parametrize("published", [0, 1])
async def test_the_first_in_line_has_waited_since_it_was_due(
    vitals: Vitals, images: Images, database: Database, backlog: Backlog, published: int
) -> None:
    await an_image(images)
    await database.execute("UPDATE images SET due_at = now() - interval '1 minute'")
    await backlog.publish_due(published)

    assert 60 <= (await look(vitals))("packshot_oldest_due_seconds") < 90


async def test_nobody_waits_in_an_empty_queue(vitals: Vitals) -> None:
    assert (await look(vitals))("packshot_oldest_due_seconds") == 0


async def test_the_first_message_in_line_has_waited_since_it_was_due(
    vitals: Vitals, database: Database
) -> None:
    webhooks = webhooks_of(database)
    for url in ("https://one.example", "https://other.example", "https://disabled.example"):
        await webhooks.add(url)
    await put_out(database)
    await database.execute("UPDATE webhook_deliveries SET due_at = now() - webhook_id * interval '1 minute'")
    await webhooks.change(3, {"enabled": False})

    assert 120 <= (await look(vitals))("packshot_oldest_webhook_due_seconds") < 150


async def test_without_messages_none_waits(vitals: Vitals, database: Database) -> None:
    await webhooks_of(database).add("https://one.example")

    assert (await look(vitals))("packshot_oldest_webhook_due_seconds") == 0


@pytest.mark.parametrize(
    ("ends", "seconds"),
    [
        ([], inf),
        ([3600, 7200], 7200),
        ([3600, None], inf),
        ([-60], 0),
    ],
    ids=["none was made", "the later end", "one without an end", "all have ended"],
)
async def test_it_is_known_for_how_long_an_admin_has_a_key(
    vitals: Vitals, keys: Keys, ends: list[int | None], seconds: float
) -> None:
    await keys.create("Reader", Scope.READ)
    for end in ends:
        await keys.create("Admin", Scope.ADMIN, expires_in_seconds=end)

    assert (await look(vitals))("packshot_admin_key_seconds") == pytest.approx(seconds, abs=30)


async def test_a_revoked_key_helps_no_admin(vitals: Vitals, keys: Keys) -> None:
    secret, _ = await keys.create("Admin", Scope.ADMIN)
    await keys.revoke(secret)

    assert (await look(vitals))("packshot_admin_key_seconds") == 0


async def test_workers_with_slots_that_are_alive_are_counted(
    vitals: Vitals, workers: Workers, desk: Desk, database: Database, tmp_path: Path
) -> None:
    await workers.heartbeat(desk.worker, {})
    with Desk.open(tmp_path / "api", slots=0) as api, Desk.open(tmp_path / "dead", slots=1) as dead:
        await workers.heartbeat(api.worker, {})
        await workers.heartbeat(dead.worker, {})
        await database.execute(
            "UPDATE workers SET last_seen = now() - interval '1 hour' WHERE worker_id = $1",
            dead.worker.worker_id,
        )

        assert (await look(vitals))("packshot_workers") == 1


async def test_what_this_process_has_in_hand_is_shown(vitals: Vitals, desk: Desk) -> None:
    desk.take(7)

    figures = await look(vitals)

    assert (figures("packshot_in_hand_images"), figures("packshot_slots")) == (1, 4)
    assert figures("packshot_disk_free_bytes") > 0


async def test_parts_that_answer_are_up_and_those_that_are_not_there_are_not_mentioned(
    vitals: Vitals,
) -> None:
    figures = await look(vitals)

    assert figures.values("part") == {"database", "store"}
    assert figures("packshot_up") == 2


async def test_a_store_that_cannot_be_read_is_down(
    metrics: Metrics, census: Census, desk: Desk, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("a file stands where the folder should be")
    store = open_store((tmp_path / "file").as_uri())

    figures = await look(Vitals(metrics, census, None, store, None, desk))

    assert figures("packshot_up", part="store") == 0


async def test_a_database_that_hangs_is_down_after_the_limit_and_its_queue_unknown(
    database_url: str, metrics: Metrics, store: Store, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "LOOK_SECONDS", 0.05)
    async with Cable(database_url) as cable, Database.open(cable.url) as database:
        cable.freeze()
        figures = await look(Vitals(metrics, Census(database), None, store, None, desk))

    assert figures("packshot_up", part="database") == 0
    assert figures("packshot_up", part="store") == 1
    assert isnan(figures("packshot_oldest_due_seconds"))


async def test_a_look_is_remembered_for_some_seconds(vitals: Vitals, images: Images) -> None:
    await look(vitals)
    await an_image(images)

    assert (await look(vitals))("packshot_queue_images", state="due") == 0


@pytest.fixture
def forgetful(monkeypatch: pytest.MonkeyPatch) -> None:
    """Look again whenever somebody asks."""
    monkeypatch.setattr(module, "REMEMBERED_SECONDS", -inf)


@pytest.mark.usefixtures("forgetful")
@pytest.mark.parametrize("trouble", [Cable.pull, Cable.freeze])
async def test_a_cache_that_nobody_uses_is_down_at_the_next_look_after_its_end(
    redis: Server,
    metrics: Metrics,
    census: Census,
    store: Store,
    desk: Desk,
    trouble: Callable[[Cable], Any],
) -> None:
    async with Cable(redis.url) as cable, Redis.open(cable.url, seconds=0.1) as line:
        vitals = Vitals(metrics, census, None, store, Cache(line), desk)
        assert (await look(vitals))("packshot_up", part="cache") == 1

        if gone := trouble(cable):
            await gone

        assert (await look(vitals))("packshot_up", part="cache") == 0
