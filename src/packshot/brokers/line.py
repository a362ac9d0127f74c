"""
A line leads to one kind of broker.

Here is also what holds the end of one: time limits, what is said of trouble, and whose cancellation it is.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager, suppress
from time import monotonic
from typing import Final, Protocol, TypeVar

from packshot.models import Hint
from packshot.reasons import reason_in

log = logging.getLogger(__name__)

CONNECT_SECONDS: Final = 10
CLOSE_SECONDS: Final = 3
REMINDER_SECONDS: Final = 600

Opened = TypeVar("Opened")
Act = Callable[[], Coroutine[None, None, None]]
Publish = Callable[[Sequence[Hint]], Awaitable[None]]


class Parcel(Protocol):
    """A message as the client library has it."""

    @property
    def body(self) -> bytes:
        """What was published."""

    async def done(self) -> None:
        """Tell the broker that the message has been taken care of; may raise the line's troubles."""


class Line(Protocol):
    """The way to one kind of broker."""

    @property
    def name(self) -> str:
        """What a person calls it."""

    @property
    def troubles(self) -> tuple[type[Exception], ...]:
        """What its client library raises when the broker is away."""

    def publishing(self, broken: asyncio.Event, /) -> AbstractAsyncContextManager[Publish]:
        """Open a connection for the block; what it yields returns once the broker has the messages.

        Sets `broken` if it notices by itself that the connection has ended.
        """

    def taking(self) -> AbstractAsyncContextManager[AsyncIterator[Parcel]]:
        """Open a connection for the block; what it yields brings a few messages ahead at most."""


class Clients:
    """Starts clients of a library, and ends them."""

    def __init__(self) -> None:
        self._leaving: set[asyncio.Task[None]] = set()

    @asynccontextmanager
    async def started(self, start: Act, end: Act) -> AsyncIterator[None]:
        """Have a client started in the block.

        aiokafka and aiormq never close the connection of a start that was cancelled: who leaves early lets
        it go on behind our back. The end waits for brokers that may be gone, so it gets little of our time.
        """
        starting = asyncio.create_task(start())
        try:
            await asyncio.shield(starting)
            yield
        finally:
            leaving = asyncio.create_task(_end_after(starting, end))
            self._leaving.add(leaving)
            leaving.add_done_callback(self._leaving.discard)
            await asyncio.wait([leaving], timeout=CLOSE_SECONDS / 2)


class Reports:
    """Says that a connection is gone, every ten minutes, and once that it is back."""

    def __init__(self, what: str) -> None:
        self._what = what
        self._is_broken = False
        self._said_at = 0.0

    def connected(self) -> None:
        """The connection stands."""
        if self._is_broken:
            log.warning("broker is back", extra={"what": self._what})
        self._is_broken = False

    def broken(self, reason: str) -> None:
        """The connection has ended, or cannot be made; it is said again if that lasts."""
        if not self._is_broken or monotonic() - self._said_at > REMINDER_SECONDS:
            log.warning("broker is away", extra={"what": self._what, "reason": reason})
            self._said_at = monotonic()
        self._is_broken = True

    @contextmanager
    def trouble(self, kinds: tuple[type[Exception], ...]) -> Iterator[None]:
        """Survive the block's troubles, and a bug too: the next connection may be spared it."""
        try:
            with own_cancellation_only():
                yield
        except kinds as error:
            self.broken(reason_in(error))
        except Exception:
            log.exception("broker failed", extra={"what": self._what})


@asynccontextmanager
async def opened(connection: AbstractAsyncContextManager[Opened]) -> AsyncIterator[Opened]:
    """Open and close with a time limit: a frozen broker answers neither."""
    async with asyncio.timeout(CONNECT_SECONDS):
        opened = await connection.__aenter__()
    try:
        yield opened
    finally:
        with suppress(TimeoutError):
            async with asyncio.timeout(CLOSE_SECONDS):
                await connection.__aexit__(None, None, None)


@contextmanager
def own_cancellation_only() -> Iterator[None]:
    """Turn a CancelledError that nobody asked for into what it is: aiormq raises it after a freeze."""
    try:
        yield
    except asyncio.CancelledError as error:
        task = asyncio.current_task()
        if task and task.cancelling():
            raise
        raise ConnectionError("the connection broke") from error


async def _end_after(starting: "asyncio.Task[None]", end: Act) -> None:
    await asyncio.gather(starting, return_exceptions=True)
    try:
        await end()
    except Exception as error:  # noqa: BLE001 - it is over, however it ended
        log.debug("broker left in trouble", extra={"reason": repr(error)})


async def end(task: "asyncio.Task[None]") -> None:
    """Cancel a task and wait until it has ended, within limits."""
    task.cancel()
    await asyncio.wait([task], timeout=2 * CLOSE_SECONDS)
