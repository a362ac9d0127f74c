"""
How the system is: the queue, and whether each part answers. Looked up when somebody asks, and remembered.

A look has a second, and a part that has not answered by then counts as down; so the figures always come.
What cannot be known (the queue while the database is away) is NaN, and no number that looks like one.
"""

import asyncio
from collections.abc import Awaitable
from math import inf, nan
from time import monotonic
from typing import Final, TypeVar

from packshot.brokers import Broker
from packshot.cache import Cache
from packshot.census import Census
from packshot.errors import NotFound, PackshotError
from packshot.metrics import Metrics
from packshot.stores import ANY_KEY, Store
from packshot.workers import Desk

LOOK_SECONDS: Final = 1
REMEMBERED_SECONDS: Final = 5

Answer = TypeVar("Answer")


class Vitals:
    """Keeps the gauges of `metrics` true for whoever reads them.

    `broker` and `cache` are None where there is none.
    """

    def __init__(
        self,
        metrics: Metrics,
        census: Census,
        broker: Broker | None,
        store: Store,
        cache: Cache | None,
        desk: Desk,
    ) -> None:
        self._metrics = metrics
        self._gauges = metrics.gauges
        self._census = census
        self._broker = broker
        self._store = store
        self._cache = cache
        self._desk = desk
        self._up: dict[str, bool] = {}
        self._looking = asyncio.Lock()
        self._looked_at = -inf

    async def exposition(self) -> bytes:
        """Return all metrics, with figures that are at most some seconds old."""
        await self._look()
        return self._metrics.exposition()

    async def parts(self) -> dict[str, bool]:
        """Tell of each part whether it answers, or did some seconds ago."""
        await self._look()
        return dict(self._up)

    async def _look(self) -> None:
        async with self._looking:
            if monotonic() - self._looked_at > REMEMBERED_SECONDS:
                await asyncio.gather(self._look_at_database(), self._look_at_store(), self._look_at_cache())
                self._looked_at = monotonic()
        self._look_around()

    async def _look_at_database(self) -> None:
        figures = await _in_time(self._census.figures())
        self._note("database", is_up=figures is not None)
        for state in ("due", "later", "processing", "failed"):
            self._gauges.queue.labels(state).set(figures[state] if figures else nan)
        self._gauges.oldest_due.set(figures["oldest_due_seconds"] if figures else nan)
        self._gauges.oldest_message.set(figures["oldest_message_seconds"] if figures else nan)
        self._gauges.workers.set(figures["workers"] if figures else nan)
        self._gauges.admin_key.set(figures["admin_key_seconds"] if figures else nan)

    async def _look_at_store(self) -> None:
        self._note("store", is_up=await _in_time(self._has_no_such_file()) is not None)

    async def _look_at_cache(self) -> None:
        if self._cache:
            await _in_time(self._cache.probe())

    async def _has_no_such_file(self) -> bool:
        """Ask the store for something small: that it is not there is an answer."""
        try:
            await self._store.get(ANY_KEY)
        except NotFound:
            return True
        return False

    def _look_around(self) -> None:
        """Look at what is in this process, or near it."""
        if self._broker:
            self._note("broker", is_up=self._broker.room() > 0)
        if self._cache:
            self._note("cache", is_up=self._cache.is_there)
        self._gauges.slots.set(self._desk.worker.slots)
        self._gauges.in_hand.set(len(self._desk.in_hand))
        self._gauges.disk_free.set(self._desk.free_bytes())

    def _note(self, part: str, *, is_up: bool) -> None:
        self._up[part] = is_up
        self._gauges.up.labels(part).set(is_up)


async def _in_time(answer: Awaitable[Answer]) -> Answer | None:
    try:
        async with asyncio.timeout(LOOK_SECONDS):
            return await answer
    except (PackshotError, TimeoutError):
        return None
