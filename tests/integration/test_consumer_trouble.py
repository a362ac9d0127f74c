"""The consumer when the database is away, when there are bugs, and when it is told to stop."""

import asyncio
from pathlib import Path

import pytest
from tests.hands import SLOTS, Hands, Process, WatchedBroker, WatchedDelivery, run
from tests.post import images_of
from tests.rows import an_image, eventually, state_of

from packshot import consumer
from packshot.consumer import Consumer
from packshot.database import Database
from packshot.errors import ServiceUnavailable
from packshot.images import Images
from packshot.models import Claim
from packshot.workers import Desk


async def test_while_the_database_is_away_a_message_is_kept_and_then_acknowledged(
    images: Images, desk: Desk, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(consumer, "BACK_OFF_SECONDS", 0.01)
    delivery = WatchedDelivery(images, await an_image(images))
    hands = Hands()
    hands.may_let_go.set()
    async with Database.open(database_url, connections=1, seconds=0.1) as busy:
        ours = images_of(busy, desk)
        async with busy.transaction():
            running = asyncio.create_task(run(ours, desk, hands, delivery))
            await eventually(lambda: is_on(desk, delivery))
            with pytest.raises(ServiceUnavailable):
                await ours.get(delivery.image_id)  # and they were in front of us in the queue
            assert (delivery.events, hands.taken) == ([], [])
        await running

    assert delivery.events == ["acknowledged while processing"]
    assert hands.taken == [delivery.image_id]


async def is_on(desk: Desk, delivery: WatchedDelivery) -> bool:
    return delivery.image_id in desk.in_hand


async def meet_trouble(_: Claim) -> None:
    raise ServiceUnavailable("The database is away.")


async def meet_a_bug(_: Claim) -> None:
    raise ZeroDivisionError


@pytest.mark.parametrize(("process", "stays"), [(meet_trouble, False), (meet_a_bug, True)])
async def test_what_is_put_aside_is_off_the_desk_and_what_met_a_bug_waits_there_for_its_lease(
    images: Images, desk: Desk, process: Process, *, stays: bool
) -> None:
    delivery = WatchedDelivery(images, await an_image(images))

    await run(images, desk, process, delivery)

    assert await is_on(desk, delivery) == stays


async def test_what_ends_well_is_off_the_desk(images: Images, desk: Desk) -> None:
    on_desk = []

    async def process(claim: Claim) -> None:
        on_desk.append(claim.image_id in desk.in_hand)

    await run(images, desk, process, WatchedDelivery(images, await an_image(images)))

    assert (on_desk, list(desk.in_hand)) == ([True], [])


async def test_after_the_stop_what_waits_for_a_slot_is_neither_claimed_nor_acknowledged(
    images: Images, desk: Desk
) -> None:
    deliveries = [WatchedDelivery(images, await an_image(images)) for _ in range(SLOTS + 3)]
    hands = Hands()
    brokers = [WatchedBroker(*deliveries[: SLOTS + 1]), WatchedBroker(*deliveries[SLOTS + 1 :])]
    one = Consumer(brokers, images, desk, hands, lambda: None)
    running = asyncio.create_task(one.run())
    await hands.hold(SLOTS)

    one.stop()
    hands.may_let_go.set()
    async with asyncio.timeout(10):
        await running

    waited = [delivery for delivery in deliveries if delivery.image_id not in hands.taken]
    assert [delivery.events for delivery in waited] == [[]] * 3
    assert {await state_of(images, delivery.image_id) for delivery in waited} == {"pending"}


async def test_the_end_comes_even_if_every_broker_waits_for_the_only_slot(
    images: Images, tmp_path: Path
) -> None:
    hands = Hands()
    with Desk.open(tmp_path / "data", slots=1) as desk:
        brokers = [
            WatchedBroker(*[WatchedDelivery(images, await an_image(images)) for _ in range(2)])
            for _ in range(3)
        ]
        one = Consumer(brokers, images, desk, hands, lambda: None)
        running = asyncio.create_task(one.run())
        await hands.hold(1)

        one.stop()
        hands.may_let_go.set()
        async with asyncio.timeout(10):
            await running

    assert len(hands.taken) == 1
