"""
Brokers carry hints from where images are due to the workers.

A message is a hint, never the truth: the truth is the image's row. So a broker may lose, repeat or
delay a message (the sweeper publishes again, the claim tells doubles apart), and that is why this
contract is so small: no delays, no retries, no dead letters.
"""

from collections.abc import AsyncIterator, Sequence
from typing import Protocol

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
        """Return how many hints it wants now; more would only wait in it."""

    async def publish(self, hints: Sequence[Hint]) -> None:
        """Return when the broker has them for sure; raise ServiceUnavailable if it has not."""

    def deliveries(self) -> AsyncIterator[Delivery]:
        """Yield what arrives, until `close`."""

    async def close(self) -> None:
        """End the deliveries."""


def open_broker(url: str, slots: int) -> Broker:
    """Open a broker for a worker with that many slots; raise ConfigError for an unknown URL."""
    if url == "memory:":
        return MemoryBroker(capacity=max(16, 2 * slots))
    raise ConfigError(f"PACKSHOT_BROKER_URL: {url!r} is not a broker; use memory:")
