"""What stands before and behind a consumer in tests: deliveries that are watched, and hands that hold."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import Final

from tests.rows import eventually, state_of

from packshot.brokers.memory import MemoryBroker
from packshot.consumer import Consumer
from packshot.images import Images
from packshot.models import Claim
from packshot.workers import Desk

Process = Callable[[Claim], Awaitable[None]]

SLOTS: Final = 4  # of the desk


class Hands:
    """Processes claims: counts how many are in hand, and holds them until it is let go."""

    def __init__(self) -> None:
        self.taken: list[int] = []
        self.now = 0
        self.most = 0
        self.may_let_go = asyncio.Event()

    async def __call__(self, claim: Claim) -> None:
        self.taken.append(claim.image_id)
        self.now += 1
        self.most = max(self.most, self.now)
        await self.may_let_go.wait()
        self.now -= 1

    async def hold(self, count: int) -> None:
        """Return once that many have been taken."""

        async def taken() -> bool:
            return len(self.taken) == count

        await eventually(taken)


class WatchedDelivery:
    """Notes what state its image is in when the message is acknowledged."""

    def __init__(self, images: Images, image_id: int) -> None:
        self.image_id = image_id
        self.events: list[str] = []
        self._images = images

    async def done(self) -> None:
        self.events.append(f"acknowledged while {await state_of(self._images, self.image_id)}")


class WatchedBroker(MemoryBroker):
    """Delivers what it is given, then ends."""

    def __init__(self, *deliveries: WatchedDelivery) -> None:
        super().__init__(capacity=1)
        self._deliveries = deliveries

    async def deliveries(self) -> AsyncGenerator[WatchedDelivery, None]:  # type: ignore[override]
        for delivery in self._deliveries:
            yield delivery


async def run(images: Images, desk: Desk, process: Process, *deliveries: WatchedDelivery) -> None:
    await Consumer([WatchedBroker(*deliveries)], images, desk, process, lambda: None).run()
