"""
Publishes what is due, rescues what was lost. Runs in every process, all of them on the same rows.

Only as many messages as the broker has room for are out at a time; the backlog stays in PostgreSQL.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from math import inf
from time import monotonic
from typing import Final

from packshot.backlog import Backlog
from packshot.brokers import Broker
from packshot.errors import PackshotError, ServiceUnavailable
from packshot.workers import Desk, Workers

log = logging.getLogger(__name__)

PUBLISH_SECONDS: Final = 0.5  # how late a retry can be
RESCUE_SECONDS: Final = 2
SILENT_SECONDS: Final = 30  # a worker without a heartbeat for so long is gone
IGNORED_SECONDS: Final = 1e9  # nobody is silent for so long
LOST_MESSAGE_SECONDS: Final = 60  # a message without a claim for so long is published again


class Sweeper:
    """Keeps the rows moving."""

    def __init__(self, backlog: Backlog, workers: Workers, broker: Broker, desk: Desk) -> None:
        self._backlog = backlog
        self._workers = workers
        self._broker = broker
        self._desk = desk
        self._woken = asyncio.Event()
        self._heard_at = self._hearing_since = -inf

    def wake(self) -> None:
        """Publish now: something became due, or the broker has room."""
        self._woken.set()

    async def run(self) -> None:
        """Sweep until cancelled, whatever happens to the database or the broker."""
        async with asyncio.TaskGroup() as loops:
            loops.create_task(self._publish_when_woken())
            loops.create_task(self._rescue_regularly())

    async def publish(self) -> None:
        """Publish due images until the broker has no more room or nothing is due."""
        while room := self._broker.room():
            hints = await self._backlog.publish_due(room)
            if not hints:
                return
            try:
                await self._broker.publish(hints)
            except ServiceUnavailable:
                await self._backlog.unpublish(hints)
                raise

    async def rescue(self) -> None:
        """Say that we live; take back what belonged to those who do not."""
        await self._workers.heartbeat(self._desk.worker)
        dead = self._desk.dead_neighbours()
        lost = await self._backlog.rescue(dead, SILENT_SECONDS if self._has_listened() else IGNORED_SECONDS)
        if lost:
            log.warning("images taken back from lost workers", extra={"image_ids": lost})
        await self._backlog.forget_published(LOST_MESSAGE_SECONDS)
        await self._workers.forget(dead)
        self._desk.clear(dead)

    def _has_listened(self) -> bool:
        """Say whether we would have heard the others: after an outage, nobody has been seen for long."""
        now = monotonic()
        if now - self._heard_at > SILENT_SECONDS / 2:
            self._hearing_since = now
        self._heard_at = now
        return now - self._hearing_since >= SILENT_SECONDS

    async def _publish_when_woken(self) -> None:
        while True:
            await _surviving(self.publish)
            try:
                async with asyncio.timeout(PUBLISH_SECONDS):
                    await self._woken.wait()
            except TimeoutError:
                continue
            finally:
                self._woken.clear()

    async def _rescue_regularly(self) -> None:
        while True:
            await asyncio.sleep(RESCUE_SECONDS)
            await _surviving(self.rescue)


async def _surviving(sweep: Callable[[], Awaitable[None]]) -> None:
    try:
        await sweep()
    except PackshotError as error:
        log.warning("sweep postponed", extra={"reason": str(error)})
        await asyncio.sleep(RESCUE_SECONDS)
    except Exception:
        log.exception("sweep failed")
        await asyncio.sleep(RESCUE_SECONDS)
