"""
RabbitMQ: one durable quorum queue, persistent messages, each publish confirmed.

`amqp://user:password@host:5672/vhost`, or `amqps://` for TLS. What the URL may carry after `?`:
`queue` (packshot.images), `heartbeat` in seconds, and aiormq's own for certificates (`cafile`,
`certfile`, `keyfile`, `no_verify_ssl`).

The queue is declared again on every connection, so one that was deleted comes back. Messages that
wait too long in a broken system are dropped at LONGEST_QUEUE, the oldest first: they are hints.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any, Final
from urllib.parse import SplitResult, parse_qsl, unquote, urlencode, urlsplit

import aio_pika
from aio_pika.abc import AbstractChannel, AbstractIncomingMessage, AbstractQueue
from aio_pika.connection import make_url
from aio_pika.exceptions import AMQPError

from packshot.brokers.line import CLOSE_SECONDS, CONNECT_SECONDS, Clients, Publish
from packshot.brokers.messages import encode
from packshot.models import Hint

QUEUE: Final = "packshot.images"
LONGEST_QUEUE: Final = 100_000
FILES: Final = frozenset({"cafile", "certfile", "keyfile"})
PARAMETERS: Final = FILES | {"queue", "heartbeat", "no_verify_ssl"}
HEARTBEAT_SECONDS: Final = "5"  # aiormq notices a frozen broker after three of these, and three seconds
QUEUE_ARGUMENTS: Final[dict[str, Any]] = {"x-queue-type": "quorum", "x-max-length": LONGEST_QUEUE}


class RabbitParcel:
    """An unacknowledged message."""

    def __init__(self, message: AbstractIncomingMessage) -> None:
        self.body = message.body
        self._message = message

    async def done(self) -> None:
        """Acknowledge."""
        await self._message.ack()


class RabbitLine:
    """The way to one queue of a RabbitMQ server; at most `slots` messages are taken ahead."""

    troubles = (AMQPError, OSError, TimeoutError, RuntimeError)  # a closed channel is a RuntimeError

    def __init__(self, url: str, slots: int) -> None:
        address = urlsplit(url)
        query = {"heartbeat": HEARTBEAT_SECONDS, **dict(parse_qsl(address.query, keep_blank_values=True))}
        _check(address, query)
        self._queue = query.pop("queue", QUEUE)
        vhost = unquote(address.path.removeprefix("/")) or "/"
        self.name = (
            f"RabbitMQ at {address.hostname}:{address.port or 5672}, vhost {vhost}, queue {self._queue}"
        )
        self._url = address._replace(query=urlencode(query)).geturl()
        self._slots = slots
        self._declaring = asyncio.Lock()
        self._clients = Clients()

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
        connection = aio_pika.Connection(make_url(self._url))

        async def close() -> None:
            with suppress(TimeoutError):  # a frozen server does not say goodbye
                async with asyncio.timeout(CLOSE_SECONDS):
                    await connection.close()

        async with self._clients.started(partial(connection.connect, CONNECT_SECONDS), close):
            yield await connection.channel(on_return_raises=True)

    async def _declare(self, channel: AbstractChannel) -> AbstractQueue:
        async with self._declaring:  # two at once that make a quorum queue are an internal error to 3.10
            return await channel.declare_queue(self._queue, durable=True, arguments=QUEUE_ARGUMENTS)

    async def _send(self, channel: AbstractChannel, hint: Hint) -> None:
        message = aio_pika.Message(
            encode(hint), content_type="application/json", delivery_mode=aio_pika.DeliveryMode.PERSISTENT
        )
        await channel.default_exchange.publish(message, self._queue, mandatory=True)


def _check(address: SplitResult, query: Mapping[str, str]) -> None:
    """Raise ValueError or OSError for what aiormq would stumble over again with every connection."""
    if not _names_a_server(address):
        raise ValueError(
            "names no server; write amqp://user:password@host:5672/vhost, with %23, %2F, %3A and %40 for"
            " # / : @ in a password"
        )
    if unknown := sorted(query.keys() - PARAMETERS):
        raise ValueError(f"{', '.join(unknown)}: unknown; there are {', '.join(sorted(PARAMETERS))}")
    if not query["heartbeat"].isdecimal() or int(query["heartbeat"]) == 0:
        raise ValueError("heartbeat is a number of seconds, from 1")
    for name in FILES & query.keys():
        Path(query[name]).read_bytes()


def _names_a_server(address: SplitResult) -> bool:
    """Tell without repeating anything: a character that is not escaped makes a port of half a password."""
    try:
        return bool(address.hostname) and address.port != 0 and not address.fragment
    except ValueError:
        return False


async def _parcels(arrived: "asyncio.Queue[AbstractIncomingMessage | None]") -> AsyncIterator[RabbitParcel]:
    while (message := await arrived.get()) is not None:
        yield RabbitParcel(message)
    raise ConnectionError("the connection ended, or the queue was deleted")
