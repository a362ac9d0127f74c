"""Brokers on the network in tests: queues of one test alone, who publishes, takes, and listens to the log."""

import asyncio
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import aclosing, asynccontextmanager, contextmanager
from typing import Final
from urllib.parse import urlsplit
from uuid import uuid4

from servers.cable import Cable
from tests.rows import eventually

from packshot.brokers import Broker, Delivery, open_broker
from packshot.errors import ServiceUnavailable
from packshot.models import Hint

LONG_SECONDS: Final = 40  # a server that was killed is back by then


class Taken:
    """What a taker has got, in the order of arrival."""

    def __init__(self) -> None:
        self.deliveries: list[Delivery] = []

    @property
    def image_ids(self) -> list[int]:
        return [delivery.image_id for delivery in self.deliveries]

    async def has(self, *image_ids: int, times: int = 1) -> None:
        """Return once all of these have arrived so many times."""

        async def arrived() -> bool:
            return all(self.image_ids.count(image_id) >= times for image_id in image_ids)

        await eventually(arrived, LONG_SECONDS)


class Turnstile(Cable):
    """A cable that counts who has come in."""

    came_in = 0

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.came_in += 1
        super()._accept(reader, writer)


class Words(logging.Handler):
    """What brokers have logged: the event, and of what; each line with all its details in `lines`."""

    def __init__(self) -> None:
        super().__init__()
        self.said: list[tuple[str, str]] = []
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.said.append((record.getMessage(), getattr(record, "what", "")))
        self.lines.append(f"{record.__dict__}")

    async def has(self, event: str) -> None:
        """Return once somebody has said that."""

        async def was_said() -> bool:
            return event in [said for said, _ in self.said]

        await eventually(was_said, LONG_SECONDS)


@contextmanager
def listening() -> Iterator[Words]:
    """Listen to what brokers log, for the length of the block."""
    words, brokers = Words(), logging.getLogger("packshot.brokers")
    brokers.addHandler(words)
    try:
        yield words
    finally:
        brokers.removeHandler(words)


def queue_of_ones_own(url: str, partitions: int = 1) -> str:
    """The same server, with a queue or topic that nobody else uses."""
    parts, name = urlsplit(url), uuid4().hex
    said = parts.query and f"{parts.query}&"
    if parts.scheme == "kafka":
        return parts._replace(path=f"/{name}", query=f"{said}partitions={partitions}&group={name}").geturl()
    return parts._replace(query=f"{said}queue={name}").geturl()


def hints(*image_ids: int) -> list[Hint]:
    return [Hint(product_id=image_id, image_id=image_id) for image_id in image_ids]


@asynccontextmanager
async def opened(url: str, slots: int = 500, counted: list[str] | None = None) -> AsyncIterator[Broker]:
    """A broker that is closed at the end of the block."""
    ignored: list[str] = []
    broker = open_broker(url, slots, (ignored if counted is None else counted).append)
    try:
        yield broker
    finally:
        await broker.close()


async def connected(broker: Broker) -> None:
    async def has_room() -> bool:
        return broker.room() > 0

    await eventually(has_room, LONG_SECONDS)


async def publish(broker: Broker, *image_ids: int) -> None:
    """Publish as the sweeper does: when there is room, and again if it did not succeed."""

    async def published() -> bool:
        await connected(broker)
        try:
            await broker.publish(hints(*image_ids))
        except ServiceUnavailable:
            return False
        return True

    await eventually(published, LONG_SECONDS)


@asynccontextmanager
async def taking(broker: Broker, *, done: bool = True) -> AsyncIterator[Taken]:
    """Take what arrives for the length of the block; unless `done`, keep it in hand."""
    taken = Taken()

    async def take(deliveries: AsyncGenerator[Delivery, None]) -> None:
        async with aclosing(deliveries):
            async for delivery in deliveries:
                taken.deliveries.append(delivery)
                if done:
                    await delivery.done()

    task = asyncio.create_task(take(broker.deliveries()))
    try:
        yield taken
    finally:
        task.cancel()
        await asyncio.wait([task])
