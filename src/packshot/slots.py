"""
Slots: how many images are worked on at once, and where those go that only wait.

A slot is for work. An image that waits for somebody else (a server that does not answer, a twin that is just
being made) steps aside after a moment: its slot goes to the next image, and it takes one again when its
waiting is over. So the slots stay with images that get on, however many others hang.

Nothing here knows what the images are, or what they wait for.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from math import inf
from time import monotonic
from typing import Final

from packshot.errors import SourceBusy

MOMENT_SECONDS: Final = 0.05  # much less than the pixels of one picture take
LONG_SECONDS: Final = 2.0  # most good sources have sent everything by then
PLACES_PER_SLOT: Final = 32
MOST_PLACES: Final = 512  # each may hold a socket, an open file, and as many bytes as a source may have
SOONEST_SECONDS: Final = 5.0  # who was sent away does not come back before,
CROWD_SECONDS: Final = 0.05  # and then one after the other


class Slots:
    """At most `count` images hold a slot, and at most `places` wait aside; half of these for long.

    Who finds no place is sent away, lest many that hang take all slots; and who waits for long leaves half
    of the places to others, so that a good source always has its two seconds.

    Who comes back goes before who is new, so that no more is begun than can be finished.
    """

    def __init__(self, count: int, places: int | None = None) -> None:
        self._free = count  # less than none while somebody who fails is still leaving
        self._places = min(PLACES_PER_SLOT * count, MOST_PLACES) if places is None else places
        self._long_places = self._places // 2
        self._returning: deque[asyncio.Future[None]] = deque()
        self._arriving: deque[asyncio.Future[None]] = deque()
        self._booked_until = -inf

    async def take(self) -> None:
        """Wait for a slot and take it."""
        await self._stand_in(self._arriving)

    def leave(self) -> None:
        """Give the slot back."""
        self._free += 1
        for line in (self._returning, self._arriving):
            while line and self._free > 0:
                turn = line.popleft()
                if not turn.cancelled():
                    self._free -= 1
                    turn.set_result(None)

    @asynccontextmanager
    async def stepping_aside(self) -> AsyncIterator[None]:
        """Do without the slot if the block takes long; have one again after it, whatever happens.

        Raises SourceBusy, and ends the block, if too many others are waiting.
        """
        wait = Wait()
        stepping = asyncio.create_task(self._step_aside(wait))
        try:
            async with wait.patience:
                yield
        except BaseException as error:
            self._end(wait, stepping)
            self._free -= wait.is_aside  # it has little left to do: it shall not wait for that
            if isinstance(error, TimeoutError) and wait.patience.expired():
                raise self._crowded() from error
            raise
        self._end(wait, stepping)
        if wait.is_aside:
            await self._come_back()

    async def _step_aside(self, wait: "Wait") -> None:
        await asyncio.sleep(MOMENT_SECONDS)
        if not self._places:
            wait.is_over()
            return
        self._places -= 1
        wait.is_aside = True
        self.leave()
        await asyncio.sleep(LONG_SECONDS)
        if not self._long_places:
            wait.is_over()
            return
        self._long_places -= 1
        wait.is_long = True

    def _end(self, wait: "Wait", stepping: "asyncio.Task[None]") -> None:
        stepping.cancel()
        self._places += wait.is_aside
        self._long_places += wait.is_long

    async def _come_back(self) -> None:
        try:
            await self._stand_in(self._returning)
        except asyncio.CancelledError:
            self._free -= 1
            raise

    async def _stand_in(self, line: deque[asyncio.Future[None]]) -> None:
        if self._free > 0:  # then nobody stands in a line
            self._free -= 1
            return
        turn = asyncio.get_running_loop().create_future()
        line.append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if not turn.cancelled():  # it was our turn in the same moment
                self.leave()
            raise

    def _crowded(self) -> SourceBusy:
        now = monotonic()
        self._booked_until = max(now + SOONEST_SECONDS, self._booked_until + CROWD_SECONDS)
        return SourceBusy(
            "Too many images wait already, for slow sources or for their twins.", self._booked_until - now
        )


class Wait:
    """One image's wait: whether it is without its slot, and for long."""

    def __init__(self) -> None:
        self.is_aside = False
        self.is_long = False
        self.patience = asyncio.timeout(None)

    def is_over(self) -> None:
        """End it, whatever it is for."""
        self.patience.reschedule(asyncio.get_running_loop().time())
