"""
Manners towards sources: a few downloads from one host at a time, and none while it asked for a pause.

A download that finds its host full waits a moment. Then it gives up with SourceBusy, which costs no attempt,
so that a crowded host cannot keep all the hands of a worker. Each process counts for itself; with Redis
all of them count together as well, and hear of each other's pauses.

The host is the one in the image's URL. Where its redirects lead is not counted.
"""

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Mapping
from contextlib import asynccontextmanager
from math import inf
from pathlib import Path
from time import monotonic
from typing import Final, Protocol
from uuid import uuid4
from weakref import WeakValueDictionary

from packshot.addresses import check_url
from packshot.cache import Redis
from packshot.errors import ImageError, SourceBusy, SourceThrottled, SourceUnavailable
from packshot.models import Source

VISIT_SECONDS: Final = (
    0.25  # Redis may take so long: a download takes longer, and the children need the cores
)
PATIENCE_SECONDS: Final = 2.0
BUSY_SECONDS: Final = (1.0, 5.0)  # then the image is due again, by chance somewhere in between
SCATTER_SECONDS: Final = 5.0  # after a pause, lest all its images come back together
POLL_SECONDS: Final = (0.02, 0.08)
LEASE_MARGIN_SECONDS: Final = 5  # over the longest download: what is left of a killed worker goes by then

# A lease is a member whose score is its end, in the milliseconds of Redis' own clock. Answers with the
# milliseconds of a pause that goes on, or 0 for a seat, or -1 if all are taken.
TAKE: Final = """
local pause = redis.call('PTTL', KEYS[2])
if pause > 0 then return pause end
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now)
if redis.call('ZCARD', KEYS[1]) >= tonumber(ARGV[1]) then return -1 end
redis.call('ZADD', KEYS[1], now + ARGV[2], ARGV[3])
if redis.call('PTTL', KEYS[1]) < tonumber(ARGV[2]) then redis.call('PEXPIRE', KEYS[1], ARGV[2]) end
return 0
"""
PAUSE: Final = """
if redis.call('PTTL', KEYS[1]) < tonumber(ARGV[1]) then redis.call('SET', KEYS[1], 1, 'PX', ARGV[1]) end
return 0
"""


class Download(Protocol):
    """Fetches a URL into a file; raises ImageError."""

    def __call__(self, url: str, to: Path, /) -> Awaitable[Source]:
        """Return what arrived."""


class Manners:
    """How many downloads a host takes: `limits` of some hosts, `limit` of all others.

    No download takes longer than `longest_seconds`, and no pause either than `longest_pause_seconds`.
    """

    def __init__(
        self,
        limit: int,
        limits: Mapping[str, int],
        *,
        longest_seconds: float,
        longest_pause_seconds: float,
        redis: Redis | None = None,
    ) -> None:
        self._limit = limit
        self._limits = limits
        self._lease_milliseconds = round(1000 * (longest_seconds + LEASE_MARGIN_SECONDS))
        self._longest_pause = longest_pause_seconds
        self._redis = redis
        self._seats: WeakValueDictionary[str, asyncio.Semaphore] = WeakValueDictionary()
        self._pauses: dict[str, float] = {}  # host -> when it ends

    def polite(self, download: Download) -> Download:
        """Return a download that keeps to them; it raises SourceBusy besides."""

        async def politely(url: str, to: Path) -> Source:
            host = (check_url(url).hostname or "").rstrip(".")
            async with self._seat(host):
                try:
                    return await download(url, to)
                except (SourceThrottled, SourceUnavailable) as error:
                    await self._pause(host, error)
                    raise

        return politely

    @asynccontextmanager
    async def _seat(self, host: str) -> AsyncIterator[None]:
        """Hold one of the host's seats for the block; raise SourceBusy if none can be had soon."""
        limit = self._limits.get(host, self._limit)
        deadline = monotonic() + PATIENCE_SECONDS
        self._respect_pause(host)
        async with self._seat_here(host, limit):
            self._respect_pause(host)
            lease = await self._share(host, limit, deadline)
            try:
                yield
            finally:
                await self._leave(host, lease)

    @asynccontextmanager
    async def _seat_here(self, host: str, limit: int) -> AsyncIterator[None]:
        """Hold one of the seats of this process."""
        seats = self._seats.setdefault(host, asyncio.Semaphore(limit))
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                await seats.acquire()
        except TimeoutError as error:
            raise _full(host) from error
        try:
            yield
        finally:
            seats.release()

    async def _share(self, host: str, limit: int, deadline: float) -> str:
        """Take a seat among all processes and return its lease, which is empty without Redis."""
        lease = uuid4().hex
        while (answer := await self._take(host, limit, lease)) is not None:
            if answer == 0:
                return lease
            if answer > 0:
                self._note_pause(host, answer / 1000)
                self._respect_pause(host)
            if monotonic() > deadline:
                raise _full(host)
            await asyncio.sleep(_by_chance(*POLL_SECONDS))
        return ""

    async def _take(self, host: str, limit: int, lease: str) -> int | None:
        if self._redis is None:
            return None
        keys = (f"packshot:visits:{host}", f"packshot:pause:{host}")
        answer: int | None = await self._redis.ask(
            "EVAL", TAKE, 2, *keys, limit, self._lease_milliseconds, lease
        )
        return answer

    async def _leave(self, host: str, lease: str) -> None:
        if self._redis and lease:
            await self._redis.ask("ZREM", f"packshot:visits:{host}", lease)

    async def _pause(self, host: str, error: ImageError) -> None:
        """Keep everybody away from the host for as long as it asks, if it does."""
        seconds = min(error.retry_after_seconds or 0, self._longest_pause)
        if seconds <= 0:
            return
        self._note_pause(host, seconds)
        if self._redis:
            milliseconds = max(1, round(1000 * seconds))
            await self._redis.ask("EVAL", PAUSE, 1, f"packshot:pause:{host}", milliseconds)

    def _note_pause(self, host: str, seconds: float) -> None:
        now = monotonic()
        self._pauses = {other: end for other, end in self._pauses.items() if end > now}
        self._pauses[host] = max(self._pauses.get(host, -inf), now + seconds)

    def _respect_pause(self, host: str) -> None:
        left = self._pauses.get(host, -inf) - monotonic()
        if left > 0:
            raise SourceBusy(f"{host} asked for a pause.", left + _by_chance(0, SCATTER_SECONDS))


def _full(host: str) -> SourceBusy:
    return SourceBusy(f"{host} is giving us as many files as we may ask for.", _by_chance(*BUSY_SECONDS))


def _by_chance(least: float, most: float) -> float:
    return random.uniform(least, most)  # noqa: S311 - spreads load, hides nothing
