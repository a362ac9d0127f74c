"""
The broker inside one process: a bounded queue between its sweeper and its consumer.

It forgets everything when the process ends, which costs only time: the backlog is in the database.
Because it takes a few hints at a time, several processes on one database share the work.
"""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Sequence

from packshot.errors import ServiceUnavailable
from packshot.models import Hint


class MemoryDelivery:
    """A hint that has left the queue; it counts as `left` until it is done."""

    def __init__(self, hint: Hint, taken: dict["MemoryDelivery", Hint]) -> None:
        self.image_id = hint.image_id
        self._taken = taken
        taken[self] = hint

    async def done(self) -> None:
        """Forget the hint."""
        self._taken.pop(self, None)


class MemoryBroker:
    """Holds at most `capacity` hints, and none while nobody takes deliveries."""

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._hints: deque[Hint] = deque()
        self._taken: dict[MemoryDelivery, Hint] = {}
        self._changed = asyncio.Condition()
        self._is_taken_from = False
        self._is_closed = False

    @property
    def left(self) -> Sequence[Hint]:
        """What nobody has taken yet, or taken and not done."""
        return *self._taken.values(), *self._hints

    def room(self) -> int:
        """Ask for more when half empty: one query for a batch, not one for each image."""
        room = self._capacity - len(self._hints) if self._is_taken_from else 0
        return room if 2 * room >= self._capacity else 0

    async def publish(self, hints: Sequence[Hint]) -> None:
        """Queue all of the hints, or none and raise ServiceUnavailable."""
        async with self._changed:
            if not self._is_taken_from or len(self._hints) + len(hints) > self._capacity:
                raise ServiceUnavailable("The queue in this process is closed or full.")
            self._hints.extend(hints)
            self._changed.notify_all()

    async def deliveries(self) -> AsyncGenerator[MemoryDelivery, None]:
        """Yield hints in the order they came, until `close`."""
        self._is_taken_from = not self._is_closed
        while True:
            async with self._changed:
                await self._changed.wait_for(lambda: self._hints or self._is_closed)
                if self._is_closed:
                    return
                hint = self._hints.popleft()
            yield MemoryDelivery(hint, self._taken)

    def doubt(self) -> None:
        """Nothing gets lost here."""

    async def close(self) -> None:
        """End the deliveries, also those that somebody asks for later; what is queued stays in `left`."""
        async with self._changed:
            self._is_closed = True
            self._is_taken_from = False
            self._changed.notify_all()
