"""
What brokers on the network have in common: they go away, and come back.

A `Line` knows one kind of broker: how to open a connection for publishing, and one for taking. This
module keeps the two connections, apart from each other. Any trouble ends a connection, and a new one
is made a moment later: what a client library repairs by itself, it repairs differently each time.
"""

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import suppress
from math import inf
from time import monotonic
from typing import Final

from packshot.brokers.line import Line, Parcel, Publish, Reports, end, opened, own_cancellation_only
from packshot.brokers.messages import MessageUnreadable, decode
from packshot.errors import ServiceUnavailable
from packshot.models import Hint
from packshot.reasons import reason_in

log = logging.getLogger(__name__)

BATCH: Final = 500
CONFIRM_SECONDS: Final = 5
PAUSE_SECONDS: Final = 1  # between the end of a connection and the next
SILENT_SECONDS: Final = 15  # a connection may be doubted that has brought nothing for so long
LONGEST_SILENCE_SECONDS: Final = 600  # doubled with each doubt up to this
REST_SECONDS: Final = 5  # after a refusal; doubled with each one
LONGEST_REST_SECONDS: Final = 60


class RemoteDelivery:
    """A hint, and the message it came in."""

    def __init__(self, image_id: int, parcel: Parcel) -> None:
        self.image_id = image_id
        self._parcel = parcel

    async def done(self) -> None:
        """Tell the broker; if that fails, the message comes a second time and finds nothing to do."""
        try:
            with own_cancellation_only():
                async with asyncio.timeout(CONFIRM_SECONDS):
                    await self._parcel.done()
        except Exception as error:  # noqa: BLE001 - whatever it is: the claim is ours, and the work goes on
            log.debug("message not acknowledged", extra={"reason": repr(error)})


class RemoteBroker:
    """A broker on the network, reached through a line. `count` is told of messages nobody understands."""

    def __init__(self, line: Line, count: Callable[[str], None]) -> None:
        self._line = line
        self._count = count
        self._publisher = Publisher(line)
        self._takers: set[Taker] = set()
        self._is_closed = False

    def room(self) -> int:
        """Ask for a batch while the broker takes messages; otherwise see to that, and ask for nothing."""
        if self._is_closed:
            return 0
        return BATCH if self._publisher.is_ready() else 0

    async def publish(self, hints: Sequence[Hint]) -> None:
        """Return when the broker has confirmed all hints; raise ServiceUnavailable otherwise."""
        await self._publisher.publish(hints)

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
        await asyncio.gather(self._publisher.stop(), *(taker.stop() for taker in self._takers))


class Publisher:
    """The connection for publishing.

    After a refusal it rests, longer each time: a broker that can be reached may still take nothing,
    for want of a permission or of disk, and meanwhile hints shall go another way.
    """

    def __init__(self, line: Line) -> None:
        self._line = line
        self._reports = Reports(f"publishing to {line.name}")
        self._send: Publish | None = None
        self._keeping: asyncio.Task[None] | None = None
        self._broken = asyncio.Event()
        self._refusals = 0
        self._rests_until = -inf

    def is_ready(self) -> bool:
        """Tell whether messages would be taken, as far as we know; begin to connect if nobody has."""
        if self._keeping is None:
            self._keeping = asyncio.create_task(self._keep())
        return self._send is not None and monotonic() >= self._rests_until

    async def publish(self, hints: Sequence[Hint]) -> None:
        """Return when all are confirmed; raise ServiceUnavailable otherwise."""
        send = self._send
        if send is None:
            raise ServiceUnavailable(f"{self._line.name} is not connected.")
        try:
            with own_cancellation_only():
                async with asyncio.timeout(CONFIRM_SECONDS):
                    await send(hints)
        except Exception as error:
            self._rest(send, error)
            raise ServiceUnavailable(
                f"{self._line.name} did not take the messages: {reason_in(error)}"
            ) from error
        self._refusals = 0
        self._reports.connected()

    async def stop(self) -> None:
        """End the connection."""
        self._send = None
        if self._keeping:
            await end(self._keeping)

    def _rest(self, send: Publish, error: Exception) -> None:
        if not isinstance(error, self._line.troubles):
            log.error("broker failed", exc_info=error)
        self._rests_until = monotonic() + min(REST_SECONDS * 2**self._refusals, LONGEST_REST_SECONDS)
        self._refusals += 1
        self._reports.broken(reason_in(error))
        if self._send is send:  # else there is a newer connection already
            self._send = None
            self._broken.set()

    async def _keep(self) -> None:
        while True:
            with self._reports.trouble(self._line.troubles):
                self._broken.clear()
                async with opened(self._line.publishing(self._broken)) as send:
                    if not self._refusals:  # else only a message that is taken proves anything
                        self._reports.connected()
                    self._send = send
                    await self._broken.wait()
                    self._send = None
                self._reports.broken("the connection ended")
            await asyncio.sleep(PAUSE_SECONDS)


class Taker:
    """One stream of deliveries: a connection that is made anew whenever it breaks or is doubted."""

    def __init__(self, line: Line, count: Callable[[str], None]) -> None:
        self.mailbox: asyncio.Queue[RemoteDelivery | None] = asyncio.Queue(1)
        self._line = line
        self._count = count
        self._heard_at = monotonic()
        self._doubts = 0
        self._patience: asyncio.Timeout | None = None
        self._taking = asyncio.create_task(self._keep_taking())

    def doubt(self) -> None:
        """Make the connection anew if it has been silent for long, and longer still the next time.

        It may be right to be silent: others have the partitions, or the messages.
        """
        patience = min(SILENT_SECONDS * 2**self._doubts, LONGEST_SILENCE_SECONDS)
        if self._patience and monotonic() - self._heard_at > patience and self.mailbox.empty():
            with suppress(RuntimeError):  # it is being made anew at this moment
                self._patience.reschedule(0)
                self._doubts += 1

    async def stop(self) -> None:
        """End the connection and the stream; what was not taken yet goes back to the broker."""
        await end(self._taking)
        with suppress(asyncio.QueueEmpty):
            self.mailbox.get_nowait()
        self.mailbox.put_nowait(None)

    async def _keep_taking(self) -> None:
        reports = Reports(f"taking from {self._line.name}")
        while True:
            with reports.trouble(self._line.troubles):
                async with opened(self._line.taking()) as parcels:
                    reports.connected()
                    self._heard_at = monotonic()
                    async with asyncio.timeout(None) as self._patience:
                        async for parcel in parcels:
                            await self._take(parcel)
            await asyncio.sleep(PAUSE_SECONDS)

    async def _take(self, parcel: Parcel) -> None:
        try:
            hint = decode(parcel.body)
        except MessageUnreadable as error:
            self._count("unreadable_messages")
            log.warning("message ignored", extra={"reason": str(error)})
            await parcel.done()
        else:
            await self.mailbox.put(RemoteDelivery(hint.image_id, parcel))
        self._heard_at = monotonic()
        self._doubts = 0
