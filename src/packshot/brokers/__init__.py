"""
Brokers carry hints from where images are due to the workers.

A message is a hint, never the truth: the truth is the image's row. So a broker may lose, repeat or
delay a message (the sweeper hands it out again, the claim tells doubles apart), and that is why this
contract is so small: no delays, no retries, no dead letters.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from typing import Final, Protocol

from packshot.brokers.line import Line, opened, own_cancellation_only
from packshot.brokers.memory import MemoryBroker
from packshot.errors import ConfigError, ServiceUnavailable
from packshot.models import LARGEST_BIGINT, Hint
from packshot.reasons import reason_in
from packshot.server_urls import split_url

MEMORY: Final = "memory:"


class Delivery(Protocol):
    """A message received."""

    @property
    def image_id(self) -> int:
        """The image to look at."""

    async def done(self) -> None:
        """Tell the broker to forget the message. Never raises."""


class Broker(Protocol):
    """Carries hints to whoever takes deliveries."""

    def room(self) -> int:
        """Return how many hints it takes now: 0 while it is away or has enough."""

    async def publish(self, hints: Sequence[Hint]) -> None:
        """Return when the broker has them for sure; raise ServiceUnavailable if it has not."""

    def deliveries(self) -> AsyncGenerator[Delivery, None]:
        """Yield what arrives, until `close`."""

    def doubt(self) -> None:
        """Look into it: messages seem to be missing."""

    async def close(self) -> None:
        """End the deliveries and the connections."""


def open_local(slots: int) -> MemoryBroker:
    """Open a queue inside this process, for a worker with that many slots."""
    return MemoryBroker(capacity=max(16, 2 * slots))


def open_broker(url: str, slots: int, count: Callable[[str], None]) -> Broker:
    """Open the broker at `url` for a worker with that many slots; raise ConfigError for a wrong URL.

    `count` is told the name of what is worth counting.
    """
    if url == MEMORY:
        return open_local(slots)
    line = _open_line(url, slots)
    from packshot.brokers.remote import RemoteBroker  # noqa: PLC0415 - not for everybody

    return RemoteBroker(line, count)


async def try_broker(url: str) -> str:
    """Connect as publishers do, publish a hint about no image, and return the broker's name.

    Raises ConfigError for a wrong URL, ServiceUnavailable that says what failed.
    """
    line = _open_line(url, slots=1)
    try:
        with own_cancellation_only():
            async with opened(line.publishing(asyncio.Event())) as send:
                await send([Hint(None, LARGEST_BIGINT)])
    except Exception as error:
        raise ServiceUnavailable(f"{line.name}: {reason_in(error)}") from error
    return line.name


def _open_line(url: str, slots: int) -> Line:
    """Each library is heavy, and not for everybody."""
    try:
        match split_url(url).scheme:
            case "amqp" | "amqps":
                from packshot.brokers.rabbitmq import RabbitLine  # noqa: PLC0415 - see above

                return RabbitLine(url, slots)
            case "kafka":
                from packshot.brokers.kafka import KafkaLine  # noqa: PLC0415 - see above
                from packshot.brokers.kafka_address import KafkaAddress  # noqa: PLC0415 - see above

                return KafkaLine(KafkaAddress.read(url))
    except (OSError, ValueError) as error:
        raise ConfigError(f"PACKSHOT_BROKER_URL: {error}") from error
    raise ConfigError("PACKSHOT_BROKER_URL: use memory:, amqp://, amqps:// or kafka://")
