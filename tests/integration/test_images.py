"""The moves of an image's row: who may make them, and what a late worker cannot do."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Final

import pytest
from tests.rows import (
    a_source,
    an_image,
    another_worker,
    claimed,
    finish,
    keys_of,
    move_time,
    renditions_of,
    state_of,
)

from packshot.database import Database
from packshot.errors import Conflict, NotFound, PackshotError, StaleClaim
from packshot.images import Images
from packshot.lifecycle import MOVES, GiveUp, ImageState, Release, Retry
from packshot.models import Claim

LATER: Final = Retry(3600, "source_timeout", "Too slow.")
NOW: Final = Retry(0, "source_timeout", "Too slow.")
HOPELESS: Final = GiveUp("source_gone", "Not there.")

Move = Callable[[Images, Claim], Awaitable[object]]


async def note_source(images: Images, claim: Claim) -> None:
    await images.note_source(claim, a_source())


async def finish_at_once(images: Images, claim: Claim) -> None:
    await images.finish(claim, renditions_of(a_source()), "/store/shoe.avif", {})


WRITES: Final[Mapping[str, Move]] = {
    "finish": finish_at_once,
    "retry": lambda images, claim: images.retry(claim, NOW),
    "release": lambda images, claim: images.release(claim, Release(0)),
    "give_up": lambda images, claim: images.give_up(claim, HOPELESS),
}
ALL_MOVES: Final[Mapping[str, Move]] = {
    **WRITES,
    "claim": lambda images, claim: claimed(images, claim.image_id),
    "requeue": lambda images, claim: images.requeue(claim.image_id),
}


async def in_state(images: Images, state: ImageState) -> Claim:
    """Bring an image there by lawful moves; return its last claim."""
    claim = await claimed(images, await an_image(images))
    await note_source(images, claim)
    lawful: Mapping[ImageState, Move] = {
        ImageState.PENDING: ALL_MOVES["retry"],
        ImageState.READY: ALL_MOVES["finish"],
        ImageState.FAILED: ALL_MOVES["give_up"],
    }
    if state in lawful:
        await lawful[state](images, claim)
    return claim


def test_every_move_is_tried_below() -> None:
    assert set(ALL_MOVES) == set(MOVES)


@pytest.mark.parametrize("move", MOVES)
async def test_a_move_leads_where_the_drawing_says(images: Images, move: str) -> None:
    before, after = MOVES[move]
    claim = await in_state(images, before)

    await ALL_MOVES[move](images, claim)

    assert await state_of(images, claim.image_id) == after


@pytest.mark.parametrize(
    ("move", "state"), [(move, state) for move in MOVES for state in ImageState if state != MOVES[move][0]]
)
async def test_a_move_that_is_not_drawn_changes_nothing(images: Images, move: str, state: ImageState) -> None:
    claim = await in_state(images, state)
    before = await images.get(claim.image_id)

    with pytest.raises((PackshotError, AssertionError)):
        await ALL_MOVES[move](images, claim)

    assert await images.get(claim.image_id) == before


async def test_an_image_is_pending_and_due_at_once(images: Images) -> None:
    image = await images.add("https://shop.example/shoe.png")

    assert image == await images.get(image["image_id"])
    assert (image["state"], image["attempt"], image["max_attempts"]) == ("pending", 0, 5)
    assert (image["product_id"], image["position"], image["renditions"]) == (None, None, [])
    assert image["due_at"] == image["created_at"]


async def test_an_image_that_is_not_there_is_named(images: Images) -> None:
    with pytest.raises(NotFound, match="no image 7"):
        await images.get(7)
    with pytest.raises(NotFound, match="no image 7"):
        await images.requeue(7)
    assert await images.claim(7) is None


async def test_of_fifty_who_claim_at_once_one_gets_it(database: Database, images: Images) -> None:
    image_id = await an_image(images)
    rivals = [another_worker(database) for _ in range(50)]

    claims = await asyncio.gather(*(rival.claim(image_id) for rival in rivals))

    assert [claim.attempt for claim in claims if claim] == [1]


async def test_a_claim_says_what_to_do(images: Images) -> None:
    image_id = await an_image(images, "https://shop.example/shoe.png")

    assert await images.claim(image_id) == Claim(image_id, 1, 5, None, "https://shop.example/shoe.png")


async def test_nobody_gets_an_image_before_it_is_due(database: Database, images: Images) -> None:
    image_id = await an_image(images)
    await images.retry(await claimed(images, image_id), LATER)

    assert await images.claim(image_id) is None

    await move_time(database, "due_at", -3601)
    assert (await claimed(images, image_id)).attempt == 2


@pytest.mark.parametrize("write", [*WRITES.values(), note_source], ids=[*WRITES, "note_source"])
async def test_a_late_worker_cannot_overwrite_its_successor(
    database: Database, images: Images, write: Move
) -> None:
    late = await claimed(images, await an_image(images))
    await images.release(late, Release(0))
    await claimed(another_worker(database), late.image_id)
    before = await images.get(late.image_id)

    with pytest.raises(StaleClaim):
        await write(images, late)

    assert await images.get(late.image_id) == before


@pytest.mark.parametrize("write", [*WRITES.values(), note_source], ids=[*WRITES, "note_source"])
async def test_an_image_that_was_removed_takes_no_result(
    database: Database, images: Images, write: Move
) -> None:
    claim = await claimed(images, await an_image(images))
    await database.execute("DELETE FROM images")

    with pytest.raises(StaleClaim):
        await write(images, claim)


async def test_a_ready_image_shows_its_renditions_in_order(images: Images) -> None:
    claim = await claimed(images, await an_image(images))
    await finish(images, claim, b"shoe")

    image = await images.get(claim.image_id)

    source = a_source(b"shoe")
    assert [rendition["key"] for rendition in image["renditions"]] == keys_of(source)
    assert (image["source_sha256"], image["source_bytes"]) == (source.sha256, source.bytes)
    assert (image["source_width"], image["source_height"], image["source_format"]) == (1600, 1200, "png")
    assert image["timings"] == {"download": 1.5}


async def test_success_wipes_the_error_of_an_earlier_attempt(images: Images) -> None:
    image_id = await an_image(images)
    await images.retry(await claimed(images, image_id), NOW)
    assert (await images.get(image_id))["error_code"] == "source_timeout"

    await finish(images, await claimed(images, image_id))

    image = await images.get(image_id)
    assert (image["error_code"], image["error_message"]) == (None, None)


async def test_a_retry_says_why_and_when(images: Images) -> None:
    image_id = await an_image(images)
    await images.retry(await claimed(images, image_id), LATER)

    image = await images.get(image_id)

    assert (image["error_code"], image["error_message"]) == ("source_timeout", "Too slow.")
    assert (image["due_at"] - image["updated_at"]).total_seconds() == 3600


async def test_a_failure_says_why(images: Images) -> None:
    image_id = await an_image(images)
    await images.give_up(await claimed(images, image_id), HOPELESS)

    image = await images.get(image_id)

    assert (image["error_code"], image["error_message"]) == ("source_gone", "Not there.")


@pytest.mark.parametrize(("move", "costs"), [("release", 0), ("retry", 1)])
async def test_a_release_costs_no_attempt_and_a_retry_costs_one(
    images: Images, move: str, costs: int
) -> None:
    image_id = await an_image(images)

    for spent in range(1, 4):
        await WRITES[move](images, await claimed(images, image_id))

        image = await images.get(image_id)
        assert image["attempt"] == spent
        assert image["max_attempts"] - image["attempt"] == 5 - costs * spent


async def test_a_release_keeps_what_is_known_of_an_earlier_failure(images: Images) -> None:
    image_id = await an_image(images)
    await images.retry(await claimed(images, image_id), NOW)

    await images.release(await claimed(images, image_id), Release(0))

    assert (await images.get(image_id))["error_code"] == "source_timeout"


async def test_retrying_a_failed_image_gives_new_attempts_and_never_old_numbers(images: Images) -> None:
    claim = await in_state(images, ImageState.FAILED)

    row = await images.requeue(claim.image_id)

    assert (row["attempt"], row["max_attempts"], row["error_code"]) == (1, 6, None)
    assert (await claimed(images, claim.image_id)).attempt == 2


@pytest.mark.parametrize("state", [ImageState.PENDING, ImageState.PROCESSING, ImageState.READY])
async def test_only_a_failed_image_can_be_retried(images: Images, state: ImageState) -> None:
    claim = await in_state(images, state)

    with pytest.raises(Conflict, match=f"is {state}"):
        await images.requeue(claim.image_id)


async def test_all_failures_of_one_kind_can_be_retried_together(images: Images) -> None:
    gone = await in_state(images, ImageState.FAILED)
    slow = await claimed(images, await an_image(images))
    await images.give_up(slow, GiveUp("source_timeout", "Too slow."))
    await in_state(images, ImageState.READY)

    assert await images.requeue_failed("source_timeout") == 1
    assert await state_of(images, slow.image_id) == "pending"
    assert await state_of(images, gone.image_id) == "failed"

    assert await images.requeue_failed() == 1
    assert await state_of(images, gone.image_id) == "pending"


async def test_noting_the_source_renews_the_lease(database: Database, images: Images) -> None:
    claim = await claimed(images, await an_image(images))
    await move_time(database, "lease_until", -50)
    before = (await images.get(claim.image_id))["lease_until"]

    await note_source(images, claim)

    renewed = (await images.get(claim.image_id))["lease_until"] - before
    assert renewed.total_seconds() >= 50


async def test_a_worker_that_leaves_puts_back_what_it_holds_and_nothing_else(
    database: Database, images: Images
) -> None:
    held, others = await an_image(images), await an_image(images)
    await images.claim(held)
    await another_worker(database).claim(others)

    await images.release_held()

    row = await images.get(held)
    assert (row["state"], row["max_attempts"] - row["attempt"]) == ("pending", 5)
    assert (await images.get(others))["state"] == "processing"


async def test_a_thousand_failures_are_retried_in_batches_and_each_once(
    database: Database, images: Images, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("packshot.images.BATCH", 300)
    await database.execute(
        "INSERT INTO images (source_url, max_attempts, attempt, state, error_code)"
        " SELECT 'https://shop.example/' || n, 5, 5, 'failed', 'source_gone' FROM generate_series(1, 1000) n"
    )

    assert await images.requeue_failed() == 1000

    row = await database.fetch_row(
        "SELECT count(*) AS n FROM images WHERE state = 'pending' AND max_attempts = 10"
    )
    assert row
    assert row["n"] == 1000
