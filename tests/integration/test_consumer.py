"""The consumer's three promises: bounded, graceful, acknowledged once the lease protects the work."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from tests.hands import SLOTS, Hands, Process, WatchedBroker, WatchedDelivery, run
from tests.kitchen import Kitchen, MakePipeline, failing
from tests.rows import an_image, another_worker, claimed, eventually, state_of

from packshot.brokers.memory import MemoryBroker
from packshot.consumer import Consumer
from packshot.database import Database
from packshot.errors import SourceGone
from packshot.images import Images
from packshot.models import Claim, Hint
from packshot.workers import Desk


@asynccontextmanager
async def consuming(
    images: Images, desk: Desk, process: Process, wake: Callable[[], None] = lambda: None
) -> AsyncIterator[tuple[MemoryBroker, Consumer, "asyncio.Task[None]"]]:
    """Run a consumer, with an open broker that leads to it."""
    broker = MemoryBroker(capacity=100)
    one = Consumer([broker], images, desk, process, wake)
    running = asyncio.create_task(one.run())

    async def is_open() -> bool:
        return broker.room() > 0

    await eventually(is_open)
    yield broker, one, running
    await broker.close()
    async with asyncio.timeout(10):
        await asyncio.wait([running])


async def some_hints(images: Images, count: int) -> list[Hint]:
    return [Hint(None, await an_image(images)) for _ in range(count)]


async def test_what_arrives_is_claimed_and_processed(images: Images, desk: Desk) -> None:
    hands = Hands()
    hands.may_let_go.set()
    hints = await some_hints(images, 10)

    async with consuming(images, desk, hands) as (broker, *_):
        await broker.publish(hints)
        await hands.hold(10)

    assert sorted(hands.taken) == [hint.image_id for hint in hints]


async def test_no_more_than_the_slots_are_ever_in_hand(images: Images, desk: Desk) -> None:
    hands = Hands()

    async with consuming(images, desk, hands) as (broker, *_):
        await broker.publish(await some_hints(images, 10))
        await hands.hold(SLOTS)
        assert broker.room() == 100 - (10 - SLOTS - 1)  # one waits in front of the desk
        hands.may_let_go.set()
        await hands.hold(10)

    assert hands.most == SLOTS


async def test_the_end_waits_for_what_is_in_hand_and_takes_nothing_new(images: Images, desk: Desk) -> None:
    hands = Hands()

    async with consuming(images, desk, hands) as (broker, one, running):
        await broker.publish(await some_hints(images, 10))
        await hands.hold(SLOTS)
        one.stop()
        await broker.close()
        done, _ = await asyncio.wait([running], timeout=0.05)
        assert not done
        hands.may_let_go.set()
        await running

    assert (len(hands.taken), hands.now) == (SLOTS, 0)


async def test_a_message_is_acknowledged_between_the_claim_and_the_work(images: Images, desk: Desk) -> None:
    delivery = WatchedDelivery(images, await an_image(images))

    async def process(_: Claim) -> None:
        delivery.events.append("processed")

    await run(images, desk, process, delivery)

    assert delivery.events == ["acknowledged while processing", "processed"]


async def test_a_message_about_an_image_in_other_hands_is_acknowledged_and_forgotten(
    images: Images, desk: Desk, database: Database
) -> None:
    delivery = WatchedDelivery(images, await an_image(images))
    await claimed(another_worker(database), delivery.image_id)
    hands = Hands()

    await run(images, desk, hands, delivery)

    assert delivery.events == ["acknowledged while processing"]
    assert hands.taken == []


async def test_a_message_that_comes_twice_is_worked_on_once(images: Images, desk: Desk) -> None:
    image_id = await an_image(images)
    hands = Hands()
    hands.may_let_go.set()

    await run(images, desk, hands, *(WatchedDelivery(images, image_id) for _ in range(10)))

    assert hands.taken == [image_id]


async def test_a_bug_costs_its_image_the_lease_and_nobody_else_anything(images: Images, desk: Desk) -> None:
    deliveries = [WatchedDelivery(images, await an_image(images)) for _ in range(10)]
    outcomes: Counter[str] = Counter()

    async def process(claim: Claim) -> None:
        outcomes["started"] += 1
        if claim.image_id <= 5:
            raise ZeroDivisionError
        outcomes["ended"] += 1

    await run(images, desk, process, *deliveries)

    assert outcomes == {"started": 10, "ended": 5}
    assert await state_of(images, deliveries[0].image_id) == "processing"


async def test_what_comes_from_any_of_the_brokers_is_taken(images: Images, desk: Desk) -> None:
    hands = Hands()
    hands.may_let_go.set()
    deliveries = [WatchedDelivery(images, await an_image(images)) for _ in range(4)]
    brokers = [WatchedBroker(*deliveries[:2]), WatchedBroker(*deliveries[2:])]

    await Consumer(brokers, images, desk, hands, lambda: None).run()

    assert sorted(hands.taken) == [delivery.image_id for delivery in deliveries]


async def test_the_sweeper_is_told_whenever_there_may_be_room(images: Images, desk: Desk) -> None:
    woken: Counter[str] = Counter()
    hands = Hands()
    hands.may_let_go.set()

    async with consuming(images, desk, hands, wake=lambda: woken.update(["woken"])) as (broker, *_):
        await broker.publish(await some_hints(images, 10))
        await hands.hold(10)

    assert woken["woken"] == 10


async def test_a_consumer_that_is_cancelled_gives_back_what_it_has_in_hand(
    images: Images, desk: Desk, make_pipeline: MakePipeline
) -> None:
    kitchen = Kitchen()
    pipeline = make_pipeline(compress=kitchen)

    async with consuming(images, desk, pipeline.process) as (broker, _, running):
        hints = [Hint(None, await an_image(images, f"https://shop.example/{n}")) for n in range(SLOTS)]
        await broker.publish(hints)
        await kitchen.was_called(SLOTS)
        running.cancel()
        await asyncio.wait([running])

    rows = [await images.get(hint.image_id) for hint in hints]
    assert {row["state"] for row in rows} == {"pending"}
    assert {row["max_attempts"] - row["attempt"] for row in rows} == {5}


async def test_an_image_that_fails_is_no_reason_to_stop(
    images: Images, desk: Desk, make_pipeline: MakePipeline
) -> None:
    deliveries = [WatchedDelivery(images, await an_image(images)) for _ in range(5)]

    await run(images, desk, make_pipeline(failing(SourceGone("Not there."))).process, *deliveries)

    assert {await state_of(images, delivery.image_id) for delivery in deliveries} == {"failed"}
