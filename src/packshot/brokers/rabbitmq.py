"""
RabbitMQ: one durable quorum queue, persistent messages, each publish confirmed.

`amqp://user:password@host:5672/vhost`, or `amqps://` for TLS. What the URL may carry after `?`:
`queue` (packshot.images), `heartbeat` in seconds, and aiormq's own for certificates (`cafile`,
`certfile`, `keyfile`, `no_verify_ssl`).

The queue is declared again on every connection, so one that was deleted comes back. Messages that
wait too long in a broken system are dropped at LONGEST_QUEUE, the oldest first: they are hints.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final
from urllib.parse import parse_qsl, urlencode, urlsplit

import aio_pika
from aio_pika.abc import AbstractChannel, AbstractIncomingMessage, AbstractQueue
from aio_pika.exceptions import AMQPError

from packshot.brokers.messages import encode
from packshot.brokers.remote import Publish
from packshot.models import Hint

QUEUE: Final = "packshot.images"
LONGEST_QUEUE: Final = 100_000
HEARTBEAT_SECONDS: Final = "5"  # aiormq notices a frozen broker after three of these, and three seconds
QUEUE_ARGUMENTS: Final[dict[str, Any]] = {"x-queue-type": "quorum", "x-max-length": LONGEST_QUEUE}


class RabbitParcel:
    """An unacknowledged message."""

    def __init__(self, message: AbstractIncomingMessage) -> None:
        self.body = message.body
        self._message = message

    async def forget(self) -> None:
        """Acknowledge."""
        await self._message.ack()


class RabbitLine:
    """The way to one queue of a RabbitMQ server; at most `slots` messages are taken ahead."""

    name = "RabbitMQ"
    troubles = (AMQPError, OSError, TimeoutError, RuntimeError)  # a closed channel is a RuntimeError

    def __init__(self, url: str, slots: int) -> None:
        address = urlsplit(url)
        query = {"heartbeat": HEARTBEAT_SECONDS, **dict(parse_qsl(address.query))}
        self._queue = query.pop("queue", QUEUE)
        self._url = address._replace(query=urlencode(query)).geturl()
        self._slots = slots
        self._declaring = asyncio.Lock()

    @asynccontextmanager
    async def publishing(self, broken: asyncio.Event) -> AsyncIterator[Publish]:
        """Open a connection whose publishes are confirmed, or refused if the queue is gone."""
        async with self._channel() as channel:
            channel.close_callbacks.add(lambda *_: broken.set())
            await self._declare(channel)

            async def publish(hints: Sequence[Hint]) -> None:
                await asyncio.gather(*(self._send(channel, hint) for hint in hints))

            yield publish

    @asynccontextmanager
    async def taking(self) -> AsyncIterator[AsyncIterator[RabbitParcel]]:
        """Open a connection that consumes, until it breaks or the queue is deleted."""
        async with self._channel() as channel:
            arrived: asyncio.Queue[AbstractIncomingMessage | None] = asyncio.Queue()
            channel.close_callbacks.add(lambda *_: arrived.put_nowait(None))
            underlay = await channel.get_underlay_channel()
            underlay.on_consumer_cancel_callbacks.add(lambda _: arrived.put_nowait(None))
            await channel.set_qos(prefetch_count=self._slots)
            queue = await self._declare(channel)
            await queue.consume(arrived.put)
            yield _parcels(arrived)

    @asynccontextmanager
    async def _channel(self) -> AsyncIterator[AbstractChannel]:
        connection = await aio_pika.connect(self._url)
        async with connection:
            yield await connection.channel(on_return_raises=True)

    async def _declare(self, channel: AbstractChannel) -> AbstractQueue:
        async with self._declaring:  # two at once that make a quorum queue are an internal error to 3.10
            return await channel.declare_queue(self._queue, durable=True, arguments=QUEUE_ARGUMENTS)

    async def _send(self, channel: AbstractChannel, hint: Hint) -> None:
        message = aio_pika.Message(
            encode(hint), content_type="application/json", delivery_mode=aio_pika.DeliveryMode.PERSISTENT
        )
        await channel.default_exchange.publish(message, self._queue, mandatory=True)


async def _parcels(arrived: "asyncio.Queue[AbstractIncomingMessage | None]") -> AsyncIterator[RabbitParcel]:
    while (message := await arrived.get()) is not None:
        yield RabbitParcel(message)
    raise ConnectionError("the connection ended, or the queue was deleted")
