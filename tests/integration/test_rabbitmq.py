"""What only RabbitMQ can do to us: heartbeats, queues that are deleted or purged, and messages ahead."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from time import monotonic

import aio_pika
import pytest
from aio_pika.abc import AbstractChannel
from aio_pika.exceptions import ChannelPreconditionFailed
from servers.cable import Cable
from servers.rabbitmq import RabbitMQ
from tests.remote import (
    connected,
    hints,
    listening,
    opened,
    publish,
    queue_of_ones_own,
    taking,
)
from tests.rows import eventually

from packshot.brokers import remote
from packshot.brokers.rabbitmq import QUEUE_ARGUMENTS
from packshot.errors import ServiceUnavailable


@pytest.fixture
def url(rabbitmq: RabbitMQ) -> str:
    return queue_of_ones_own(rabbitmq.url)


@pytest.fixture
def name(url: str) -> str:
    return url.rpartition("=")[2]


@asynccontextmanager
async def channel_to(url: str) -> AsyncIterator[AbstractChannel]:
    """The server as its operator sees it."""
    async with await aio_pika.connect(url) as connection:
        yield await connection.channel()


async def waiting_in(channel: AbstractChannel, name: str) -> int:
    """How many messages have been given to nobody."""
    queue = await channel.declare_queue(name, passive=True)
    return queue.declaration_result.message_count or 0


async def test_the_queue_is_a_durable_quorum_queue(url: str, name: str) -> None:
    async with opened(url) as broker:
        await connected(broker)

    async with channel_to(url) as channel:
        classic = {**QUEUE_ARGUMENTS, "x-queue-type": "classic"}
        with pytest.raises(ChannelPreconditionFailed, match=r"x-queue-type.*'quorum'"):
            await channel.declare_queue(name, durable=True, arguments=classic)


async def test_messages_are_persistent_json_that_names_product_and_image(url: str, name: str) -> None:
    async with opened(url) as broker:
        await publish(broker, 17)

    async with channel_to(url) as channel:
        message = await (await channel.get_queue(name)).get()
    assert message.delivery_mode == aio_pika.DeliveryMode.PERSISTENT
    assert message.content_type == "application/json"
    assert json.loads(message.body) == {"version": 1, "product_id": 17, "image_id": 17}


async def test_the_queue_is_in_the_vhost_that_the_url_names(url: str) -> None:
    nowhere = url.replace("/packshot?", "/?")
    async with opened(nowhere) as broker:
        with listening() as words:
            assert broker.room() == 0
            await words.has("broker is away")

        assert broker.room() == 0


async def test_no_more_is_taken_ahead_than_there_are_slots(url: str, name: str) -> None:
    async with opened(url, slots=3) as broker, channel_to(url) as channel:
        await publish(broker, *range(1, 11))
        async with taking(broker, done=False) as taken:
            await taken.has(1, 2, 3)
            assert await waiting_in(channel, name) == 7
            assert len(taken.deliveries) == 3

            await taken.deliveries[0].done()

            await taken.has(4)


async def test_what_was_not_done_waits_in_the_queue_after_the_close(url: str, name: str) -> None:
    async with opened(url) as broker, taking(broker, done=False) as taken:
        await publish(broker, 1, 2, 3)
        await taken.has(1, 2, 3)
        await taken.deliveries[0].done()

    async with channel_to(url) as channel:

        async def two_are_back() -> bool:
            return await waiting_in(channel, name) == 2

        await eventually(two_are_back)


async def test_a_deleted_queue_refuses_and_is_made_anew(url: str, name: str) -> None:
    async with opened(url) as broker, channel_to(url) as channel:
        await connected(broker)
        await channel.queue_delete(name)

        with pytest.raises(ServiceUnavailable):
            await broker.publish(hints(1))

        await publish(broker, 2)
        assert await waiting_in(channel, name) == 1


async def test_a_taker_whose_queue_was_deleted_goes_on_with_the_new_one(url: str, name: str) -> None:
    async with opened(url) as broker, taking(broker) as taken, channel_to(url) as channel:
        await publish(broker, 1)
        await taken.has(1)
        await channel.queue_delete(name)

        with listening() as words:
            await words.has("broker is back")
            await publish(broker, 2)

        await taken.has(2)


async def test_a_purged_queue_goes_on(url: str, name: str) -> None:
    async with opened(url, slots=1) as broker, channel_to(url) as channel:
        async with taking(broker, done=False) as taken:
            await publish(broker, 1, 2, 3)
            await taken.has(1)
            await (await channel.get_queue(name)).purge()
            await taken.deliveries[0].done()
            await publish(broker, 4)
            await taken.has(4)

        assert taken.image_ids == [1, 4]


async def test_a_taker_whose_line_is_frozen_notices_by_the_heartbeat(
    rabbitmq: RabbitMQ, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("packshot.brokers.line.CONNECT_SECONDS", 1)
    async with (
        Cable(rabbitmq.url) as cable,
        opened(queue_of_ones_own(f"{cable.url}?heartbeat=1")) as broker,
        taking(broker) as taken,
    ):
        await publish(broker, 1)
        await taken.has(1)

        with listening() as words:
            cable.freeze()
            await words.has("broker is away")
            cable.thaw()
            await publish(broker, 2)
            await taken.has(2)


async def test_a_frozen_line_refuses_and_is_used_again_after(
    rabbitmq: RabbitMQ, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(remote, "CONFIRM_SECONDS", 0.3)
    monkeypatch.setattr("packshot.brokers.line.CLOSE_SECONDS", 0.3)
    async with Cable(rabbitmq.url) as cable, opened(queue_of_ones_own(cable.url)) as broker:
        await connected(broker)
        cable.freeze()
        started = monotonic()
        with pytest.raises(ServiceUnavailable, match="did not take the messages"):
            await broker.publish(hints(1))

        assert monotonic() - started < 2
        assert broker.room() == 0
        cable.thaw()
        await publish(broker, 2)
