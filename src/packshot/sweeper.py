"""
Publishes what is due, rescues what was lost. Runs in every process, all of them on the same rows.

Only a window of messages is out at a time; the backlog stays in PostgreSQL. While the broker is away,
and when a message takes too long to arrive, a hint goes the short way instead: into the local queue
of this process. So a broker can only make us faster.
"""

import asyncio
import logging
from collections.abc import Sequence
from math import inf
from time import monotonic
from typing import Final

from packshot.backlog import SILENT_SECONDS, Backlog
from packshot.brokers import Broker
from packshot.errors import ServiceUnavailable
from packshot.images import Images
from packshot.lifeline import Lifeline
from packshot.models import Hint
from packshot.workers import Desk, Workers

log = logging.getLogger(__name__)

PUBLISH_SECONDS: Final = 0.5  # how late a retry can be
RESCUE_SECONDS: Final = 2
IGNORED_SECONDS: Final = 1e9  # nobody is silent for so long
LOST_MESSAGE_SECONDS: Final = 30  # a message without a claim for so long is handed out again


class Sweeper:
    """Keeps the rows moving: to `broker`, or to `local`, which is the same one if there is no other."""

    def __init__(
        self, backlog: Backlog, images: Images, workers: Workers, broker: Broker, local: Broker, desk: Desk
    ) -> None:
        self._backlog = backlog
        self._images = images
        self._workers = workers
        self._broker = broker
        self._local = local
        self._desk = desk
        self._woken = asyncio.Event()
        self._heard_at = self._hearing_since = -inf
        # Messages that are older than this are not waited for. What was in a local queue may have
        # ended with its process; what is in a broker is still there, as far as we know.
        self._trusting_since = monotonic() if broker is local else -inf
        self._was_there = False

    def wake(self) -> None:
        """Publish now: something became due, or the broker has room."""
        self._woken.set()

    async def run(self, lifeline: Lifeline) -> None:
        """Sweep until cancelled, whatever happens to the database or the broker."""
        async with asyncio.TaskGroup() as loops:
            loops.create_task(self._publish_when_woken(lifeline))
            loops.create_task(self._rescue_regularly(lifeline))

    async def publish(self) -> None:
        """Publish due images until nobody has room or nothing is due."""
        broker = self._reachable()
        while room := await self._room_of(broker):
            hints = await self._backlog.publish_due(room)
            if not hints:
                return
            await self._hand_over(hints, broker)

    async def rescue(self) -> None:
        """Say that we live; take back what belonged to those who do not, and what got lost on the way."""
        await self._workers.heartbeat(self._desk.worker, self._desk.counts)
        await self._images.release_forgotten(self._desk.in_hand)
        dead = self._desk.dead_neighbours()
        lost = await self._backlog.rescue(dead, SILENT_SECONDS if self._has_listened() else IGNORED_SECONDS)
        if lost:
            log.warning("images taken back from lost workers", extra={"image_ids": lost})
        await self._workers.forget(dead)
        self._desk.clear(dead)
        if dead and self._broker is self._local:
            self._trusting_since = monotonic()
        await self._deliver_overdue()

    def _reachable(self) -> Broker:
        """Return the broker, or the local queue while it is away."""
        if self._broker is self._local:
            return self._local
        is_there = self._broker.room() > 0
        if self._was_there and not is_there:
            self._trusting_since = monotonic()
        self._was_there = is_there
        return self._broker if is_there else self._local

    async def _room_of(self, broker: Broker) -> int:
        if broker is self._local:
            return broker.room()
        return min(broker.room(), await self._backlog.window_left())

    async def _deliver_overdue(self) -> None:
        patience = min(LOST_MESSAGE_SECONDS, monotonic() - self._trusting_since)
        room = self._local.room()
        overdue = await self._backlog.publish_overdue(room, patience) if room else ()
        if overdue:
            log.info("messages did not arrive", extra={"image_ids": [hint.image_id for hint in overdue]})
            self._broker.doubt()
            await self._hand_over(overdue, self._local)

    async def _hand_over(self, hints: Sequence[Hint], broker: Broker) -> None:
        try:
            await broker.publish(hints)
        except ServiceUnavailable:
            await self._backlog.unpublish(hints)
            raise

    def _has_listened(self) -> bool:
        """Say whether we would have heard the others: after an outage, nobody has been seen for long."""
        now = monotonic()
        if now - self._heard_at > SILENT_SECONDS / 2:
            self._hearing_since = now
        self._heard_at = now
        return now - self._hearing_since >= SILENT_SECONDS

    async def _publish_when_woken(self, lifeline: Lifeline) -> None:
        while True:
            async with lifeline.surviving("sweep"):
                await self.publish()
            try:
                async with asyncio.timeout(PUBLISH_SECONDS):
                    await self._woken.wait()
            except TimeoutError:
                continue
            finally:
                self._woken.clear()

    async def _rescue_regularly(self, lifeline: Lifeline) -> None:
        while True:
            await asyncio.sleep(RESCUE_SECONDS)
            async with lifeline.surviving("sweep"):
                await self.rescue()
