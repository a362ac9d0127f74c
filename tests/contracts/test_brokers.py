"""
What every broker promises. The same sentences for each; a new one is one more line in BROKERS.

Order is not promised, and a message may arrive twice.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Final
from uuid import uuid4

import pytest
from tests.rows import eventually

from packshot.brokers import Broker, Delivery, open_broker
from packshot.errors import ConfigError, ServiceUnavailable
from packshot.models import Hint

BROKERS: Final = {"memory": "memory:", "rabbitmq": "{url}?queue={name}", "kafka": "{url}/{name}?partitions=4"}

DEADLINE_SECONDS: Final = 30


def nobody_counts(_: str) -> None:
    """Nothing here is worth counting."""


@pytest.fixture(params=BROKERS)
def broker_url(request: pytest.FixtureRequest) -> str:
    """A queue of this test alone, on the server of the test run."""
    url = "" if request.param == "memory" else str(request.getfixturevalue(request.param).url)
    return BROKERS[request.param].format(url=url.removesuffix("/packshot.images"), name=uuid4().hex)


@pytest.fixture
async def broker(broker_url: str) -> AsyncIterator[Broker]:
    broker = open_broker(broker_url, slots=500, count=nobody_counts)
    yield broker
    await broker.close()


def hints(*image_ids: int) -> list[Hint]:
    return [Hint(product_id=1, image_id=image_id) for image_id in image_ids]


async def publish(broker: Broker, messages: Sequence[Hint]) -> None:
    """Publish as the sweeper does: when there is room."""

    async def has_room() -> bool:
        return broker.room() >= max(1, len(messages))

    await eventually(has_room)
    await broker.publish(messages)


@asynccontextmanager
async def taking(broker: Broker, takers: int = 1) -> AsyncIterator[list[Delivery]]:
    """Take deliveries for the length of the block, which ends with the broker closed."""
    taken: list[Delivery] = []

    async def take() -> None:
        async for delivery in broker.deliveries():
            taken.append(delivery)
            await delivery.done()

    async with asyncio.timeout(DEADLINE_SECONDS), asyncio.TaskGroup() as tasks:
        for _ in range(takers):
            tasks.create_task(take())
        yield taken
        await broker.close()


async def arrived(taken: list[Delivery], image_ids: set[int]) -> None:
    async def is_complete() -> bool:
        return {delivery.image_id for delivery in taken} == image_ids

    await eventually(is_complete)


async def test_what_is_published_arrives(broker: Broker) -> None:
    async with taking(broker) as taken:
        await publish(broker, hints(1, 2, 3))

        await arrived(taken, {1, 2, 3})


async def test_an_image_without_a_product_arrives_too(broker: Broker) -> None:
    async with taking(broker) as taken:
        await publish(broker, [Hint(product_id=None, image_id=7)])

        await arrived(taken, {7})


async def test_publishing_nothing_is_fine(broker: Broker) -> None:
    async with taking(broker) as taken:
        await publish(broker, [])
        await publish(broker, hints(1))

        await arrived(taken, {1})


async def test_nothing_is_lost_when_many_publish_at_once(broker: Broker) -> None:
    async with taking(broker) as taken:
        batches = [hints(*range(start, start + 20)) for start in range(1, 1001, 20)]
        await asyncio.gather(*(publish(broker, batch) for batch in batches))

        await arrived(taken, set(range(1, 1001)))


async def test_nothing_is_lost_between_several_takers(broker: Broker) -> None:
    async with taking(broker, takers=3) as taken:
        await publish(broker, hints(*range(1, 101)))

        await arrived(taken, set(range(1, 101)))


async def test_closing_ends_every_wait_for_deliveries(broker: Broker) -> None:
    async with taking(broker, takers=3):
        await publish(broker, hints(1))


async def test_who_asks_for_deliveries_after_the_close_gets_none(broker: Broker) -> None:
    await broker.close()

    async with taking(broker) as taken:
        pass

    assert taken == []


async def test_a_closed_broker_takes_nothing(broker: Broker) -> None:
    async with taking(broker):
        await publish(broker, hints(1))

    with pytest.raises(ServiceUnavailable):
        await broker.publish(hints(2))


async def test_a_doubt_loses_nothing(broker: Broker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("packshot.brokers.remote.SILENT_SECONDS", -1)
    async with taking(broker) as taken:
        await publish(broker, hints(1))
        await arrived(taken, {1})

        broker.doubt()
        await publish(broker, hints(2))

        await arrived(taken, {1, 2})


async def test_done_never_raises(broker: Broker) -> None:
    async with taking(broker) as taken:
        await publish(broker, hints(1))
        await arrived(taken, {1})

        await taken[0].done()
    await taken[0].done()


@pytest.mark.parametrize("url", ["", "memory", "memory:x", "http://shop.example", "amq://shop.example"])
def test_an_address_that_is_no_broker_is_the_settings_fault(url: str) -> None:
    with pytest.raises(ConfigError, match="PACKSHOT_BROKER_URL"):
        open_broker(url, slots=1, count=nobody_counts)
