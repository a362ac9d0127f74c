"""What only the broker inside a process promises: how many hints it holds, and in which order."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from packshot.brokers import open_broker
from packshot.brokers.memory import MemoryBroker, MemoryDelivery
from packshot.errors import ServiceUnavailable
from packshot.models import Hint


def hints(count: int) -> list[Hint]:
    return [Hint(None, image_id) for image_id in range(count)]


@asynccontextmanager
async def taken(broker: MemoryBroker) -> AsyncIterator[AsyncIterator[MemoryDelivery]]:
    """Somebody takes deliveries: one has been taken already, so that the doors are open."""
    deliveries = broker.deliveries()
    first = asyncio.ensure_future(anext(deliveries))
    await asyncio.sleep(0)
    await broker.publish(hints(1))
    await first
    yield deliveries


async def test_there_is_no_room_while_nobody_takes_deliveries() -> None:
    broker = MemoryBroker(capacity=16)

    assert broker.room() == 0
    with pytest.raises(ServiceUnavailable):
        await broker.publish(hints(1))


async def test_more_is_asked_for_when_half_is_gone() -> None:
    broker = MemoryBroker(capacity=16)
    async with taken(broker) as deliveries:
        assert broker.room() == 16
        await broker.publish(hints(16))
        rooms = []
        for _ in range(10):
            rooms.append(broker.room())
            await anext(deliveries)

    assert rooms == [0, 0, 0, 0, 0, 0, 0, 0, 8, 9]


async def test_more_than_there_is_room_for_is_refused_as_a_whole() -> None:
    broker = MemoryBroker(capacity=16)
    async with taken(broker):
        with pytest.raises(ServiceUnavailable):
            await broker.publish(hints(17))

        assert broker.room() == 16


async def test_hints_come_in_the_order_they_went() -> None:
    broker = MemoryBroker(capacity=16)
    async with taken(broker) as deliveries:
        await broker.publish(hints(16))

        assert [(await anext(deliveries)).image_id for _ in range(16)] == list(range(16))


async def test_what_is_queued_is_dropped_at_the_close() -> None:
    broker = MemoryBroker(capacity=16)
    async with taken(broker) as deliveries:
        await broker.publish(hints(16))
        await broker.close()

        assert [delivery async for delivery in deliveries] == []


async def test_what_was_not_done_is_left() -> None:
    broker = MemoryBroker(capacity=16)
    async with taken(broker) as deliveries:
        await broker.publish([Hint(None, 7), Hint(None, 8), Hint(None, 9)])
        await (await anext(deliveries)).done()
        await anext(deliveries)

        await broker.close()

    assert [hint.image_id for hint in broker.left] == [0, 8, 9]


async def test_a_closed_broker_has_no_room_even_for_who_still_comes() -> None:
    broker = MemoryBroker(capacity=16)
    await broker.close()

    assert [delivery async for delivery in broker.deliveries()] == []
    assert broker.room() == 0


@pytest.mark.parametrize(("slots", "room"), [(1, 16), (8, 16), (100, 200)])
async def test_two_hints_wait_for_each_slot_and_never_fewer_than_sixteen(slots: int, room: int) -> None:
    broker = open_broker("memory:", slots, count=lambda _: None)
    assert isinstance(broker, MemoryBroker)

    async with taken(broker):
        assert broker.room() == room
