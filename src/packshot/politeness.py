"""
Manners towards sources: a few downloads from one server at a time, and none while it asked for a pause.

A download that finds its server full waits a moment, if that promises a seat. Else it gives up with
SourceBusy, which costs no attempt, and is told when to come back: one after the other, as fast as the
server really serves, so that a long queue for a slow server causes no more claims than downloads. Each
process counts for itself; with Redis all of them count together as well, and hear of each other's pauses.

The server is host and port in the image's URL. Where its redirects lead is not counted.
"""

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from math import inf
from pathlib import Path
from time import monotonic
from typing import Final, Protocol
from urllib.parse import SplitResult
from uuid import uuid4

from packshot.addresses import check_url
from packshot.cache import Redis
from packshot.errors import (
    ImageError,
    SourceBusy,
    SourceThrottled,
    SourceUnavailable,
)
from packshot.models import Source

# Redis may take so long: a download takes longer, and the children need the cores.
VISIT_SECONDS: Final = 0.25
PATIENCE_SECONDS: Final = 2.0
SOONEST_SECONDS: Final = 1.0  # who is sent away does not come back before
# So far ahead a server is booked by its own speed, lest it idles once it is well; from there on so many of
# the queue ask again as the database hardly notices.
BOOKED_SECONDS: Final = 60.0
CROWD_SECONDS: Final = 0.05
NEWS: Final = 0.3  # how much the last visit counts in what a visit takes
MOST_SERVERS: Final = 1_000  # that we remember without being there
SCATTER_SECONDS: Final = 5.0  # after a pause, lest all its images come back together
POLL_SECONDS: Final = (0.02, 0.08)
LEASE_MARGIN_SECONDS: Final = 5  # over the longest download: what is left of a killed worker goes by then
USUAL_PORTS: Final = (None, 80, 443)

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


class Server:
    """One server: `limit` seats, who sits there, and what it has been like lately."""

    def __init__(self, name: str, limit: int) -> None:
        self.name = name
        self.limit = limit
        self._seats = asyncio.Semaphore(limit)
        self._seated_at: list[float] = []
        self._waiting = 0
        self._visit_seconds = 0.0
        self._booked_until = -inf
        self._pause_until = -inf

    @property
    def is_forgettable(self) -> bool:
        """Tell whether nobody is there, and nobody stays away for a pause."""
        return not self._seated_at and not self._waiting and self._pause_until < monotonic()

    @asynccontextmanager
    async def seat(self) -> AsyncIterator[None]:
        """Hold one of the seats of this process; raise SourceBusy if none can be had soon."""
        self.respect_pause()
        if self._wait_seconds() > PATIENCE_SECONDS:
            raise self.full()
        async with self._any_seat():
            self.respect_pause()
            now = monotonic()
            self._seated_at.append(now)
            try:
                yield
            finally:
                self._seated_at.remove(now)

    @contextmanager
    def visit(self) -> Iterator[None]:
        """Learn from the block how long a visit takes."""
        started = monotonic()
        try:
            yield
        finally:
            self._visit_seconds += NEWS * (monotonic() - started - self._visit_seconds)

    def pause(self, seconds: float) -> None:
        """Keep away for so long; a shorter pause does not end a longer one."""
        self._pause_until = max(self._pause_until, monotonic() + seconds)

    def respect_pause(self) -> None:
        """Raise SourceBusy while a pause goes on."""
        left = self._pause_until - monotonic()
        if left > 0:
            raise SourceBusy(f"{self.name} asked for a pause.", left + _by_chance(0, SCATTER_SECONDS))

    def full(self) -> SourceBusy:
        """Return what sends somebody away until it may be their turn."""
        now = monotonic()
        is_far = self._booked_until > now + BOOKED_SECONDS
        gap = min(self._gap_seconds(), CROWD_SECONDS) if is_far else self._gap_seconds()
        self._booked_until = max(now + SOONEST_SECONDS, self._booked_until + gap)
        return SourceBusy(
            f"{self.name} is giving us as many files as we may ask for.", self._booked_until - now
        )

    @asynccontextmanager
    async def _any_seat(self) -> AsyncIterator[None]:
        self._waiting += 1
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                await self._seats.acquire()
        except TimeoutError as error:
            raise self.full() from error
        finally:
            self._waiting -= 1
        try:
            yield
        finally:
            self._seats.release()

    def _wait_seconds(self) -> float:
        """Foretell how long somebody who comes now waits for a seat."""
        if not self._seats.locked():
            return 0
        ages = [monotonic() - moment for moment in self._seated_at]
        # Who is overdue takes about as long again; nothing is known but that it is slow.
        left = (self._visit_seconds - age if age < self._visit_seconds else age for age in ages)
        return min(left, default=0) + self._waiting * self._gap_seconds()

    def _gap_seconds(self) -> float:
        """Return the time from one seat that becomes free to the next."""
        youngest = monotonic() - max(self._seated_at, default=inf)
        return max(self._visit_seconds, youngest) / self.limit


class Manners:
    """How many downloads a server takes: `limits` of some hosts, `limit` of all others.

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
        self._servers: dict[str, Server] = {}  # the one that was looked up last comes last

    def polite(self, download: Download) -> Download:
        """Return a download that keeps to them; it raises SourceBusy besides."""

        async def politely(url: str, to: Path) -> Source:
            server = self._server(check_url(url))
            async with self._seat(server):
                try:
                    with server.visit():
                        return await download(url, to)
                except (SourceThrottled, SourceUnavailable) as error:
                    await self._pause(server, error)
                    raise

        return politely

    def _server(self, url: SplitResult) -> Server:
        host = (url.hostname or "").rstrip(".")
        name = host if url.port in USUAL_PORTS else f"{host}:{url.port}"
        server = self._servers.pop(name, None) or Server(name, self._limits.get(host, self._limit))
        if len(self._servers) >= MOST_SERVERS:
            oldest = self._servers.pop(next(iter(self._servers)))
            if not oldest.is_forgettable:
                self._servers[oldest.name] = oldest
        self._servers[name] = server
        return server

    @asynccontextmanager
    async def _seat(self, server: Server) -> AsyncIterator[None]:
        """Hold one of the server's seats for the block; raise SourceBusy if none can be had soon."""
        deadline = monotonic() + PATIENCE_SECONDS
        async with server.seat():
            lease = await self._share(server, deadline)
            try:
                yield
            finally:
                await self._leave(server, lease)

    async def _share(self, server: Server, deadline: float) -> str:
        """Take a seat among all processes and return its lease, which is empty without Redis."""
        lease = uuid4().hex
        while (answer := await self._take(server, lease)) is not None:
            if answer == 0:
                return lease
            if answer > 0:
                server.pause(answer / 1000)
                server.respect_pause()
            if monotonic() > deadline:
                raise server.full()
            await asyncio.sleep(_by_chance(*POLL_SECONDS))
        return ""

    async def _take(self, server: Server, lease: str) -> int | None:
        if self._redis is None:
            return None
        keys = (f"packshot:visits:{server.name}", f"packshot:pause:{server.name}")
        answer: int | None = await self._redis.ask(
            "EVAL", TAKE, 2, *keys, server.limit, self._lease_milliseconds, lease
        )
        return answer

    async def _leave(self, server: Server, lease: str) -> None:
        if self._redis and lease:
            await self._redis.ask("ZREM", f"packshot:visits:{server.name}", lease)

    async def _pause(self, server: Server, error: ImageError) -> None:
        """Keep everybody away from the server for as long as it asks, if it does."""
        seconds = min(error.retry_after_seconds or 0, self._longest_pause)
        if seconds <= 0:
            return
        server.pause(seconds)
        if self._redis:
            milliseconds = max(1, round(1000 * seconds))
            await self._redis.ask("EVAL", PAUSE, 1, f"packshot:pause:{server.name}", milliseconds)


def _by_chance(least: float, most: float) -> float:
    return random.uniform(least, most)  # noqa: S311 - spreads load, hides nothing
