"""A broker that only keeps what it gets, and has trouble when told to: for tests of who publishes."""

from collections.abc import AsyncGenerator, Sequence
from typing import Final

from tests.rows import eventually

from packshot.backlog import Backlog
from packshot.brokers import Broker
from packshot.brokers.memory import MemoryBroker, MemoryDelivery
from packshot.database import Database
from packshot.errors import ServiceUnavailable
from packshot.images import Images
from packshot.models import Hint
from packshot.sweeper import Sweeper
from packshot.workers import Desk, Workers

ROOM: Final = 10


class Post:
    """Has room for ten, always, unless it is away; it refuses as often as it is told to."""

    def __init__(
        self, *, is_away: bool = False, refusals: int = 0, error: type[Exception] = ServiceUnavailable
    ) -> None:
        self.arrived: list[int] = []
        self.doubts = 0
        self.is_away = is_away
        self._refusals = refusals
        self._error = error

    def room(self) -> int:
        return 0 if self.is_away else ROOM

    async def publish(self, hints: Sequence[Hint]) -> None:
        if self._refusals:
            self._refusals -= 1
            raise self._error("refused")
        self.arrived += [hint.image_id for hint in hints]

    def deliveries(self) -> AsyncGenerator[MemoryDelivery, None]:
        raise NotImplementedError

    def doubt(self) -> None:
        self.doubts += 1

    async def close(self) -> None:
        """Nothing to close."""

    async def got(self, *image_ids: int) -> None:
        """Return once exactly these have arrived."""

        async def arrived() -> bool:
            return sorted(self.arrived) == list(image_ids)

        await eventually(arrived)


def images_of(database: Database, desk: Desk) -> Images:
    """The images in the hands of the worker at that desk."""
    return Images(database, desk.worker.worker_id, lease_seconds=60, max_attempts=5)


def a_sweeper(database: Database, desk: Desk, broker: Broker, local: Broker | None = None) -> Sweeper:
    """A sweeper between a broker and a local queue; from its own one nobody takes anything."""
    return Sweeper(
        Backlog(database),
        images_of(database, desk),
        Workers(database),
        broker,
        local or MemoryBroker(capacity=16),
        desk,
    )
