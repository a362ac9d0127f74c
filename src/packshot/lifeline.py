"""
Keeps what runs in the background alive, whatever happens to the database.

The first to run into trouble asks the database whether it is away. If it is, that is said once, with the
server's name, and once that it is back; meanwhile one asks it once a second, and the others wait for that.
Trouble of any other kind is said by whoever has it. What was begun and failed is left as it is: its next
turn begins anew.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from time import monotonic
from typing import Final

from packshot.errors import PackshotError, ServiceUnavailable

log = logging.getLogger(__name__)

ASK_SECONDS: Final = 1
TROUBLE_SECONDS: Final = 2  # until the next turn, after trouble that is not the database's


class Lifeline:
    """Holds every background loop of a process; `check` raises ServiceUnavailable while `server` is away."""

    def __init__(self, check: Callable[[], Awaitable[None]], server: str) -> None:
        self._check = check
        self._server = server
        self._asking = asyncio.Lock()
        self._outages = 0
        self._well_at = monotonic()

    @asynccontextmanager
    async def surviving(self, what: str, **facts: object) -> AsyncIterator[None]:
        """Log what goes wrong in the block, and let the next turn begin when it may go well."""
        outages = self._outages
        try:
            yield
            self._well_at = monotonic()
        except PackshotError as error:
            if not await self._has_waited(outages):
                log.warning("%s postponed", what, extra={"reason": str(error), **facts})
                await asyncio.sleep(TROUBLE_SECONDS)
        except Exception:
            log.exception("%s failed", what, extra=facts)
            await asyncio.sleep(TROUBLE_SECONDS)

    async def _has_waited(self, outages: int) -> bool:
        """Wait while the database is away; tell whether it was, since there had been so many outages."""
        async with self._asking:
            if outages == self._outages:  # nobody else has waited for us
                await self._wait()
            return outages != self._outages

    async def _wait(self) -> None:
        reason = await self._reason()
        if reason is None:
            return
        log.warning("the database is away", extra={"server": self._server, "reason": reason})
        while await self._reason() is not None:  # noqa: ASYNC110 - a database has no event
            await asyncio.sleep(ASK_SECONDS)
        self._outages += 1
        seconds = round(monotonic() - self._well_at)
        log.info("the database is back", extra={"server": self._server, "seconds": seconds})

    async def _reason(self) -> str | None:
        """Tell why the database does not take a write, if it does not."""
        try:
            await self._check()
        except ServiceUnavailable as error:
            return str(error)
        except Exception:
            log.exception("the database answers with something unexpected")
        return None
