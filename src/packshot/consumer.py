"""Takes deliveries, a few at a time, until the broker is closed."""

import asyncio
import logging
from collections.abc import Awaitable, Callable

from packshot.brokers import Broker, Delivery
from packshot.images import Images
from packshot.models import Claim

log = logging.getLogger(__name__)


class Consumer:
    """Keeps up to `slots` images in hand. `wake` is called when the broker may have room again."""

    def __init__(
        self,
        broker: Broker,
        images: Images,
        process: Callable[[Claim], Awaitable[None]],
        slots: int,
        wake: Callable[[], None],
    ) -> None:
        self._broker = broker
        self._images = images
        self._process = process
        self._slots = asyncio.Semaphore(slots)
        self._wake = wake

    async def run(self) -> None:
        """Return once the broker is closed and every image in hand has its next state.

        When cancelled, images in hand are given back without using up their attempt.
        """
        deliveries = self._broker.deliveries()
        async with asyncio.TaskGroup() as in_hand:
            while True:
                await self._slots.acquire()
                delivery = await anext(deliveries, None)
                if delivery is None:
                    return
                in_hand.create_task(self._handle(delivery))
                self._wake()

    async def _handle(self, delivery: Delivery) -> None:
        try:
            claim = await self._claim(delivery)
            if claim is not None:  # else it is done already, or in another worker's hands
                await self._process(claim)
        except Exception:
            # A bug or a lost database. The row still says "processing", so the sweeper brings the
            # image back when its lease runs out.
            log.exception("image left to its lease", extra={"image_id": delivery.image_id})
        finally:
            self._slots.release()

    async def _claim(self, delivery: Delivery) -> Claim | None:
        """Acknowledge right after the claim: from here on the lease protects the work."""
        try:
            return await self._images.claim(delivery.image_id)
        finally:
            await delivery.done()
