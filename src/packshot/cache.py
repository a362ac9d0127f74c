"""
Redis, for what may be lost at any time: finished answers, and who visits which source (`politeness`).

Without Redis everything still works, so nobody waits for it. A question has a limit of milliseconds. After
three late answers, or at once when the connection breaks, nobody asks any more, until one task of ours
finds that Redis answers in good time again.

Nothing is ever taken out of the cache. An entry carries the version of what it shows, and whoever reads it
has asked PostgreSQL for the version before. There is no way to keep an old answer alive.
"""

import asyncio
import logging
import re
import sys
from collections.abc import AsyncIterator, Awaitable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final, Self
from urllib.parse import urlsplit

from packshot.errors import ConfigError
from packshot.reasons import reason_in
from packshot.redaction import place_of

# Where OpenTelemetry's SDK is installed, redis loads it, with 3 MB, for figures that nobody asks it for.
sys.modules.setdefault("opentelemetry.sdk", None)  # type: ignore[arg-type]  # Python's own way to say: not there
from redis.asyncio.connection import Connection, parse_url  # noqa: E402 - after that line
from redis.asyncio.retry import Retry  # noqa: E402 - likewise
from redis.backoff import NoBackoff  # noqa: E402 - likewise
from redis.exceptions import RedisError  # noqa: E402 - likewise
from redis.maint_notifications import MaintNotificationsConfig  # noqa: E402 - likewise

if sys.modules["opentelemetry.sdk"] is None:
    del sys.modules["opentelemetry.sdk"]  # type: ignore[unreachable]  # whoever wants it now may have it

log = logging.getLogger(__name__)

Command = tuple[str | bytes | float, ...]

ANSWER_SECONDS: Final = 0.01
LATE_IN_A_ROW: Final = 3  # and Redis is away; where the cores are busy, one late answer says nothing
CONNECT_SECONDS: Final = 1
PAUSE_SECONDS: Final = 1  # between two looks at a Redis that is away
MOST_AT_ONCE: Final = 16  # more of them, with large answers, would be late only because they are many
TURNS: Final = 3  # of the event loop, from bytes that have come to the task that waits for them
ENTRY_SECONDS: Final = 86_400

QUIET: Final[Mapping[str, Any]] = {  # sends nothing of its own, and the limits are ours
    "socket_timeout": None,
    "socket_connect_timeout": None,
    "retry": Retry(NoBackoff(), 0),
    "protocol": 2,
    "driver_info": None,
    "maint_notifications_config": MaintNotificationsConfig(enabled=False),
}
PROBE: Final = ("SET", "packshot:probe", "1", "EX", "1")  # what is full, or a replica, refuses to write
PATH: Final = re.compile(r"(?:/\d*)?")
WRONG_URL: Final = (
    "PACKSHOT_CACHE_URL: use redis://host:6379/0 or rediss://user:password@host:6379/0;"
    " the number at the end is the database's."
)


class Redis:
    """A line to Redis that says None rather than keep anybody waiting.

    It has one connection, and none of the client around it, which takes longer than Redis does. While
    questions are on their way, others gather and go together next: under load that costs a fraction, and
    nobody's patience is used up by a queue of our own.
    """

    def __init__(self, connection: Connection, seconds: float, server: str) -> None:
        self._connection = connection
        self._seconds = seconds
        self.server = server
        self.is_there = False
        self.trouble = ""  # why it is not
        self._is_known_to_be_away = False
        self._late_in_a_row = 0
        self._waiting: list[tuple[Command, asyncio.Future[Any]]] = []
        self._somebody_waits = asyncio.Event()

    @classmethod
    @asynccontextmanager
    async def open(cls, url: str, seconds: float = ANSWER_SECONDS) -> AsyncIterator[Self]:
        """Connect to `redis://…` or `rediss://…`, now or when it answers; raise ConfigError for a wrong URL.

        `seconds` is the limit for each exchange.
        """
        redis = cls(_connection(url), seconds, place_of(url))
        await redis._look()
        carrying = asyncio.create_task(redis._carry())
        try:
            yield redis
        finally:
            carrying.cancel()
            await asyncio.wait([carrying])
            await redis._connection.disconnect()

    async def ask(self, *command: str | bytes | float) -> Any:  # noqa: ANN401 - each command has its own
        """Return the answer to a command, or None if Redis is away, refuses, or takes too long."""
        answer = self.tell(*command)
        return None if answer is None else await answer

    def tell(self, *command: str | bytes | float) -> "asyncio.Future[Any] | None":
        """Send a command with the next exchange; its answer need not be waited for."""
        if not self.is_there:
            return None
        answer = asyncio.get_running_loop().create_future()
        self._waiting.append((command, answer))
        self._somebody_waits.set()
        return answer

    async def _carry(self) -> None:
        """Carry questions there and answers back while Redis is there, look for it while it is away."""
        try:
            while True:
                if self.is_there:
                    await self._somebody_waits.wait()
                    await self._exchange()
                else:
                    await asyncio.sleep(PAUSE_SECONDS)
                    await self._look()
        finally:
            self._hang_up()

    async def _exchange(self) -> None:
        """Ask what is waiting, and tell everybody the answer."""
        batch, self._waiting = self._waiting[:MOST_AT_ONCE], self._waiting[MOST_AT_ONCE:]
        if not self._waiting:
            self._somebody_waits.clear()
        answers: Sequence[Any] = [None] * len(batch)
        try:
            answers = await _within(self._seconds, self._send([command for command, _ in batch]))
        except (RedisError, OSError) as error:
            await self._fail(error)
        else:
            self._late_in_a_row = 0
        finally:
            _tell(batch, answers)

    async def _send(self, commands: Sequence[Command]) -> Sequence[Any]:
        await self._connection.send_packed_command(self._connection.pack_commands(commands))
        return [await self._connection.read_response() for _ in commands]

    async def _look(self) -> None:
        """Connect, which may take its time, and see whether an answer comes in time."""
        try:
            await _within(CONNECT_SECONDS, self._send([PROBE]))
            await _within(self._seconds, self._send([PROBE]))
        except (RedisError, OSError) as error:
            await self._fail(error)
            return
        if self._is_known_to_be_away:
            log.info("Redis is back", extra={"server": self.server})
        self._is_known_to_be_away = False
        self._late_in_a_row = 0
        self.is_there = True

    async def _fail(self, error: Exception) -> None:
        """End the connection, because a late answer must not meet the next question; maybe give up."""
        await self._connection.disconnect(nowait=True)
        self._late_in_a_row += 1
        if not isinstance(error, TimeoutError) or self._late_in_a_row >= LATE_IN_A_ROW or not self.is_there:
            self._lose(reason_in(error))

    def _lose(self, reason: str) -> None:
        self.trouble = reason
        if not self._is_known_to_be_away:
            facts = {"server": self.server, "reason": reason}
            log.warning("Redis is away; going on without", extra=facts)
        self._is_known_to_be_away = True
        self._hang_up()

    def _hang_up(self) -> None:
        self.is_there = False
        batch, self._waiting = self._waiting, []
        self._somebody_waits.clear()
        _tell(batch, [None] * len(batch))


class Cache:
    """Finished answers, each with the version of what it shows."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    @property
    def is_there(self) -> bool:
        """Whether Redis is asked at all."""
        return self._redis.is_there

    async def probe(self) -> None:
        """Ask something, because who asks nothing does not notice that Redis has gone."""
        for _ in range(LATE_IN_A_ROW):
            if await self._redis.ask("PING"):
                return

    async def get(self, key: str, version: str) -> bytes | None:
        """Return the answer of exactly this version, if it is there."""
        entry: bytes | None = await self._redis.ask("GET", f"packshot:answer:{key}")
        label = version.encode() + b"\n"
        return entry.removeprefix(label) if entry and entry.startswith(label) else None

    def put(self, key: str, version: str, answer: bytes) -> None:
        """Keep an answer for a day, or until Redis needs the room; nobody waits for that."""
        entry = version.encode() + b"\n" + answer
        self._redis.tell("SET", f"packshot:answer:{key}", entry, "EX", ENTRY_SECONDS)


async def _within(seconds: float, reply: Awaitable[Any]) -> Any:  # noqa: ANN401 - whatever comes
    """Wait for an answer; raise TimeoutError if it is late, but not if only our own event loop is.

    Under load a turn of the loop takes longer than the limit. Then the answer may have come when time is
    up, and the task that reads it just had no turn yet.
    """
    task = asyncio.ensure_future(reply)
    try:
        await asyncio.wait([task], timeout=seconds)
        for _ in range(TURNS):
            if not task.done():
                await asyncio.sleep(0)
        if task.done():
            return task.result()
        raise TimeoutError
    finally:
        if task.cancel():
            await asyncio.wait([task])  # and not for its result: that would swallow our own cancellation


def _tell(batch: Sequence[tuple[Command, "asyncio.Future[Any]"]], answers: Sequence[Any]) -> None:
    for (_, future), answer in zip(batch, answers, strict=True):
        if not future.done():  # who asked may have gone
            future.set_result(answer)


def _connection(url: str) -> Connection:
    try:
        parts = urlsplit(url)
        if parts.scheme not in ("redis", "rediss") or not parts.hostname or not PATH.fullmatch(parts.path):
            raise ConfigError(WRONG_URL)
        options: dict[str, Any] = {"connection_class": Connection, **parse_url(url)}
        return options.pop("connection_class")(**QUIET, **options)  # type: ignore[no-any-return]
    except (TypeError, ValueError) as error:
        raise ConfigError(WRONG_URL) from error
