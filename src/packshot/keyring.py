"""
The keys that work, in memory: whether a key is good costs no query, and a wrong one costs nobody anything.

All of them are read again once a second, while anybody asks. So a new key works, and a revoked or expired one
stops working, within a second, in every process. While the database does not answer, nobody is let in,
but for who asks with `old_will_do`: there the keys do that were read last.

No secret is compared with another. A key is looked up by its hash, and how long that takes tells only of
hashes, which nobody can choose.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from contextlib import asynccontextmanager, suppress
from math import inf
from time import monotonic
from typing import Any, Final, Self

from packshot.errors import ServiceUnavailable
from packshot.keys import Caller, Keys, hash_of

log = logging.getLogger(__name__)

REMEMBER_SECONDS: Final = 1
PATIENCE_SECONDS: Final = 0.5  # with a database that hangs, where old keys do
NOTE_SECONDS: Final = 60


class Keyring:
    """Tells who a key belongs to."""

    def __init__(self, keys: Keys, clock: Callable[[], float]) -> None:
        self.keys = keys
        self._clock = clock
        self._callers: Mapping[bytes, Caller] = {}
        self._is_new = False
        self._old_at = -inf
        self._noted: dict[int, float] = {}
        self._reading: asyncio.Task[None] | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    @classmethod
    @asynccontextmanager
    async def open(cls, keys: Keys, clock: Callable[[], float] = monotonic) -> AsyncIterator[Self]:
        """Give a keyring for the block; what it does on its own ends with it."""
        keyring = cls(keys, clock)
        try:
            yield keyring
        finally:
            for task in keyring._tasks:
                task.cancel()
            await asyncio.gather(*keyring._tasks, return_exceptions=True)

    async def is_new(self, *, old_will_do: bool = False) -> bool:
        """Tell whether no key was ever made; raise ServiceUnavailable."""
        return not await self._current(old_will_do=old_will_do) and self._is_new

    async def is_empty(self, *, old_will_do: bool = False) -> bool:
        """Tell whether no key works; raise ServiceUnavailable."""
        return not await self._current(old_will_do=old_will_do)

    async def verify(self, secret: str, *, old_will_do: bool = False) -> Caller | None:
        """Return who has this key, None if it is no key that works; raise ServiceUnavailable."""
        caller = (await self._current(old_will_do=old_will_do)).get(hash_of(secret))
        if caller and caller.key_id:
            self._note(caller.key_id)
        return caller

    async def _current(self, *, old_will_do: bool) -> Mapping[bytes, Caller]:
        if self._clock() < self._old_at:
            return self._callers
        was_ever_read = self._old_at > -inf  # before that, an empty ring says nothing
        if old_will_do and was_ever_read:
            with suppress(ServiceUnavailable, TimeoutError):
                async with asyncio.timeout(PATIENCE_SECONDS):
                    await self._refresh()
        else:
            await self._refresh()
        return self._callers

    async def _refresh(self) -> None:
        if self._reading is None or self._reading.done():
            self._reading = self._start(self._read())
        await asyncio.shield(self._reading)  # others wait for it, too

    async def _read(self) -> None:
        began = self._clock()
        callers = {row["sha256"]: Caller.of(row) for row in await self.keys.usable()}
        self._is_new = not callers and not await self.keys.were_made()
        self._callers = callers
        self._old_at = began + REMEMBER_SECONDS

    def _note(self, key_id: int) -> None:
        """Let the time of use be written, but keep nobody waiting for that."""
        now = self._clock()
        if now - self._noted.get(key_id, -NOTE_SECONDS) >= NOTE_SECONDS:
            self._noted[key_id] = now
            self._start(self._write_note(key_id))

    async def _write_note(self, key_id: int) -> None:
        try:
            await self.keys.note_use(key_id)
        except ServiceUnavailable as error:
            log.warning("last use of a key not written", extra={"key_id": key_id, "reason": str(error)})

    def _start(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task
