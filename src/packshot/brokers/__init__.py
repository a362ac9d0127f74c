"""
Brokers carry hints from where images are due to the workers.

A message is a hint, never the truth: the truth is the image's row. So a broker may lose, repeat or
delay a message (the sweeper hands it out again, the claim tells doubles apart), and that is why this
contract is so small: no delays, no retries, no dead letters.
"""

from collections.abc import AsyncGenerator, Callable, Sequence
from typing import Protocol
from urllib.parse import urlsplit

from packshot.brokers.memory import MemoryBroker
from packshot.errors import ConfigError
from packshot.models import Hint


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
    try:
        match urlsplit(url).scheme:
            case "memory" if url == "memory:":
                return open_local(slots)
            case "amqp" | "amqps":
                return _open_rabbitmq(url, slots, count)
            case "kafka":
                return _open_kafka(url, count)
    except (OSError, ValueError) as error:
        raise ConfigError(f"PACKSHOT_BROKER_URL: {error}") from error
    raise ConfigError("PACKSHOT_BROKER_URL: use memory:, amqp://, amqps:// or kafka://")


def _open_rabbitmq(url: str, slots: int, count: Callable[[str], None]) -> Broker:
    from packshot.brokers.rabbitmq import RabbitLine  # noqa: PLC0415 - heavy, and not for everybody
    from packshot.brokers.remote import RemoteBroker  # noqa: PLC0415 - likewise

    return RemoteBroker(RabbitLine(url, slots), count)


def _open_kafka(url: str, count: Callable[[str], None]) -> Broker:
    from packshot.brokers.kafka import KafkaLine  # noqa: PLC0415 - heavy, and not for everybody
    from packshot.brokers.kafka_address import KafkaAddress  # noqa: PLC0415 - likewise
    from packshot.brokers.remote import RemoteBroker  # noqa: PLC0415 - likewise

    return RemoteBroker(KafkaLine(KafkaAddress.read(url)), count)
