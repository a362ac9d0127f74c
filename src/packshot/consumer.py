"""
Takes deliveries, a few at a time, until it is told to stop.

An image may give its slot away while it waits (`slots`); it stays in hand, and is given back with the others.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection
from contextlib import aclosing
from typing import Final

from packshot.brokers import Broker, Delivery
from packshot.errors import ServiceUnavailable
from packshot.images import Images
from packshot.models import Claim
from packshot.telemetry import from_here_about
from packshot.workers import Desk

log = logging.getLogger(__name__)

BACK_OFF_SECONDS: Final = 1


class Consumer:
    """Works on as many images as its desk has slots, from whichever of the brokers they come.

    `wake` is called when a broker may have room again.
    """

    def __init__(
        self,
        brokers: Collection[Broker],
        images: Images,
        desk: Desk,
        process: Callable[[Claim], Awaitable[None]],
        wake: Callable[[], None],
    ) -> None:
        self._brokers = brokers
        self._images = images
        self._desk = desk
        self._process = process
        self._wake = wake
        self._is_stopping = False

    def stop(self) -> None:
        """Take nothing new in hand."""
        self._is_stopping = True

    async def run(self) -> None:
        """Return once the brokers are closed and every image in hand has its next state.

        When cancelled, images in hand are given back without using up their attempt.
        """
        async with asyncio.TaskGroup() as in_hand:
            for broker in self._brokers:
                in_hand.create_task(self._take_from(broker, in_hand))

    async def _take_from(self, broker: Broker, in_hand: asyncio.TaskGroup) -> None:
        async with aclosing(broker.deliveries()) as deliveries:
            async for delivery in deliveries:
                await self._desk.slots.take()
                if self._is_stopping:  # the message is not acknowledged, and goes to somebody else
                    self._desk.slots.leave()
                    return
                in_hand.create_task(self._handle(delivery))
                self._wake()

    async def _handle(self, delivery: Delivery) -> None:
        image_id = delivery.image_id
        self._desk.take(image_id)
        try:
            await self._claim_and_process(delivery)
        except ServiceUnavailable as error:
            log.warning("image put aside", extra={"reason": str(error)})
            self._desk.let_go(image_id)  # the sweeper gives it back once the database answers
        except Exception:  # a bug: it stays on the desk until its lease is over, lest it comes straight back
            log.exception("image left to its lease")
        else:
            self._desk.let_go(image_id)
        finally:
            self._desk.slots.leave()

    async def _claim_and_process(self, delivery: Delivery) -> None:
        from_here_about(image_id=delivery.image_id)
        while not self._is_stopping:
            try:
                claim = await self._images.claim(delivery.image_id)
            except ServiceUnavailable:
                await asyncio.sleep(BACK_OFF_SECONDS)
                continue
            await delivery.done()  # right after the claim: from here on the lease protects the work
            if claim is not None:  # else it is done already, or in another worker's hands
                await self._process(claim)
            return
