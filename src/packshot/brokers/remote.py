"""
What brokers on the network have in common: they go away, and come back.

A `Line` knows one kind of broker: how to open a connection for publishing, and one for taking. This
module keeps the two connections, apart from each other. Any trouble ends a connection, and a new one
is made a moment later: what a client library repairs by itself, it repairs differently each time.
"""

import asyncio
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager, suppress
from time import monotonic
from typing import Final, Protocol, TypeVar

from packshot.brokers.messages import MessageUnreadable, decode
from packshot.errors import ServiceUnavailable
from packshot.models import Hint

log = logging.getLogger(__name__)

BATCH: Final = 500
CONNECT_SECONDS: Final = 10
CONFIRM_SECONDS: Final = 5
CLOSE_SECONDS: Final = 3
PAUSE_SECONDS: Final = 1  # between the end of a connection and the next
SILENT_SECONDS: Final = 15  # a connection may be doubted that has brought nothing for so long

Opened = TypeVar("Opened")
Publish = Callable[[Sequence[Hint]], Awaitable[None]]


class Parcel(Protocol):
    """A message as the client library has it."""

    @property
    def body(self) -> bytes:
        """What was published."""

    async def forget(self) -> None:
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


class RemoteDelivery:
    """A hint, and the message it came in."""

    def __init__(self, image_id: int, parcel: Parcel, troubles: tuple[type[Exception], ...]) -> None:
        self.image_id = image_id
        self._parcel = parcel
        self._troubles = troubles

    async def done(self) -> None:
        """Tell the broker; if it is away, the message comes a second time and finds nothing to do."""
        with suppress(*self._troubles), _own_cancellation_only():
            async with asyncio.timeout(CONFIRM_SECONDS):
                await self._parcel.forget()


class RemoteBroker:
    """A broker on the network, reached through a line. `count` is told of messages nobody understands."""

    def __init__(self, line: Line, count: Callable[[str], None]) -> None:
        self._line = line
        self._count = count
        self._publish: Publish | None = None
        self._publishing: asyncio.Task[None] | None = None
        self._broken = asyncio.Event()
        self._takers: set[Taker] = set()
        self._is_closed = False

    def room(self) -> int:
        """Ask for a batch while connected; otherwise see to that, and ask for nothing meanwhile."""
        if self._publishing is None and not self._is_closed:
            self._publishing = asyncio.create_task(self._keep_publishing())
        return BATCH if self._publish else 0

    async def publish(self, hints: Sequence[Hint]) -> None:
        """Return when the broker has confirmed all hints; raise ServiceUnavailable otherwise."""
        if self._publish is None:
            raise ServiceUnavailable(f"{self._line.name} is not connected.")
        try:
            with _own_cancellation_only():
                async with asyncio.timeout(CONFIRM_SECONDS):
                    await self._publish(hints)
        except self._line.troubles as error:
            self._publish = None
            self._broken.set()
            raise ServiceUnavailable(f"{self._line.name} did not take the messages: {error!r}") from error

    async def deliveries(self) -> AsyncGenerator[RemoteDelivery, None]:
        """Yield what arrives, until `close`; a connection that breaks is made anew."""
        if self._is_closed:
            return
        taker = Taker(self._line, self._count)
        self._takers.add(taker)
        try:
            while (delivery := await taker.mailbox.get()) is not None:
                yield delivery
        finally:
            self._takers.discard(taker)
            await taker.stop()

    def doubt(self) -> None:
        """Make those connections anew that have brought nothing for long."""
        for taker in self._takers:
            taker.doubt()

    async def close(self) -> None:
        """End the deliveries and the connections."""
        self._is_closed = True
        self._publish = None
        if self._publishing:
            await _end(self._publishing)
        for taker in list(self._takers):
            await taker.stop()

    async def _keep_publishing(self) -> None:
        reports = Reports(f"publishing to {self._line.name}")
        while True:
            with reports.trouble(self._line.troubles):
                self._broken.clear()
                async with _opened(self._line.publishing(self._broken)) as publish:
                    reports.connected()
                    self._publish = publish
                    await self._broken.wait()
                    self._publish = None
                reports.broken("the connection ended")
            await asyncio.sleep(PAUSE_SECONDS)


class Taker:
    """One stream of deliveries: a connection that is made anew whenever it breaks or is doubted."""

    def __init__(self, line: Line, count: Callable[[str], None]) -> None:
        self.mailbox: asyncio.Queue[RemoteDelivery | None] = asyncio.Queue(1)
        self._line = line
        self._count = count
        self._heard_at = monotonic()
        self._patience = asyncio.timeout(None)
        self._taking = asyncio.create_task(self._keep_taking())

    def doubt(self) -> None:
        """Make the connection anew if it has been silent for long."""
        if monotonic() - self._heard_at > SILENT_SECONDS and self.mailbox.empty():
            with suppress(RuntimeError):  # it is being made anew at this moment
                self._patience.reschedule(0)

    async def stop(self) -> None:
        """End the connection and the stream; what was not taken yet goes back to the broker."""
        await _end(self._taking)
        with suppress(asyncio.QueueEmpty):
            self.mailbox.get_nowait()
        self.mailbox.put_nowait(None)

    async def _keep_taking(self) -> None:
        reports = Reports(f"taking from {self._line.name}")
        while True:
            with reports.trouble(self._line.troubles):
                async with asyncio.timeout(None) as self._patience, _opened(self._line.taking()) as parcels:
                    reports.connected()
                    self._heard_at = monotonic()
                    async for parcel in parcels:
                        await self._take(parcel)
            await asyncio.sleep(PAUSE_SECONDS)

    async def _take(self, parcel: Parcel) -> None:
        try:
            hint = decode(parcel.body)
        except MessageUnreadable as error:
            self._count("unreadable_messages")
            log.warning("message ignored", extra={"reason": str(error)})
            await parcel.forget()
        else:
            await self.mailbox.put(RemoteDelivery(hint.image_id, parcel, self._line.troubles))
        self._heard_at = monotonic()


class Reports:
    """Says once that a connection is gone, and once that it is back."""

    def __init__(self, what: str) -> None:
        self._what = what
        self._is_broken = False

    def connected(self) -> None:
        """The connection stands."""
        if self._is_broken:
            log.warning("broker is back", extra={"what": self._what})
        self._is_broken = False

    def broken(self, reason: str) -> None:
        """The connection has ended, or cannot be made."""
        if not self._is_broken:
            log.warning("broker is away", extra={"what": self._what, "reason": reason})
        self._is_broken = True

    @contextmanager
    def trouble(self, kinds: tuple[type[Exception], ...]) -> Iterator[None]:
        """Survive the block's troubles, and a bug too: the next connection may be spared it."""
        try:
            with _own_cancellation_only():
                yield
        except kinds as error:
            self.broken(repr(error))
        except Exception:
            log.exception("broker failed", extra={"what": self._what})


@asynccontextmanager
async def _opened(connection: AbstractAsyncContextManager[Opened]) -> AsyncIterator[Opened]:
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
def _own_cancellation_only() -> Iterator[None]:
    """Turn a CancelledError that nobody asked for into what it is: aiormq raises it after a freeze."""
    try:
        yield
    except asyncio.CancelledError as error:
        task = asyncio.current_task()
        if task and task.cancelling():
            raise
        raise ConnectionError("the connection broke") from error


async def _end(task: "asyncio.Task[None]") -> None:
    task.cancel()
    await asyncio.wait([task], timeout=2 * CLOSE_SECONDS)
