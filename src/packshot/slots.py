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
from typing import Final

MOMENT_SECONDS: Final = 0.1  # much less than the pixels of one picture take
PLACES_PER_SLOT: Final = 16
MOST_PLACES: Final = 256  # each may hold a socket, an open file, and as many bytes as a source may have


class Slots:
    """At most `count` images hold a slot, and at most `places` wait aside.

    When all places are taken, who waits keeps its slot until there is one: then fewer new images are begun.
    Who comes back goes before who is new, so that no more is begun than can be finished.
    """

    def __init__(self, count: int, places: int | None = None) -> None:
        self._free = count  # less than none while somebody who fails is still leaving
        self._places = asyncio.Semaphore(
            min(PLACES_PER_SLOT * count, MOST_PLACES) if places is None else places
        )
        self._returning: deque[asyncio.Future[None]] = deque()
        self._arriving: deque[asyncio.Future[None]] = deque()

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
        """Do without the slot if the block takes long; have one again after it, whatever happens."""
        stepping = asyncio.create_task(self._step_aside())
        try:
            yield
        except BaseException:
            if _has_happened(stepping):
                self._places.release()
                self._free -= 1  # it has little left to do: it shall not wait for that
            raise
        if _has_happened(stepping):
            self._places.release()  # first: who waits for this place may have the slot that we wait for
            await self._come_back()

    async def _step_aside(self) -> None:
        await asyncio.sleep(MOMENT_SECONDS)
        await self._places.acquire()
        self.leave()

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


def _has_happened(task: "asyncio.Task[None]") -> bool:
    """Tell whether the task is done, and prevent it if it is not."""
    return not task.cancel()
