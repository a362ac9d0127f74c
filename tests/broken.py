"""A line to a broker whose client library breaks its promises, as it is told to."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager

from packshot.brokers.line import Publish
from packshot.brokers.messages import encode
from packshot.models import Hint


class Letter:
    """A message that cannot be acknowledged."""

    def __init__(self, image_id: int) -> None:
        self.body = encode(Hint(None, image_id))

    async def done(self) -> None:
        raise asyncio.CancelledError


class BrokenLine:
    """Publishes with `send`, and takes from each of `takings` in turn, then from nowhere."""

    name = "Line"
    troubles = (OSError, TimeoutError)

    def __init__(self, *takings: Callable[[], AsyncIterator[Letter]]) -> None:
        self.opened = 0
        self.published = 0
        self.is_sending = asyncio.Event()
        self.is_taking = asyncio.Event()
        self._takings = list(takings)

    @asynccontextmanager
    async def publishing(self, _: asyncio.Event) -> AsyncIterator[Publish]:
        self.published += 1
        yield self._send

    @asynccontextmanager
    async def taking(self) -> AsyncIterator[AsyncIterator[Letter]]:
        self.opened += 1
        self.is_taking.set()
        yield self._takings.pop(0)() if self._takings else silence()

    async def _send(self, hints: Sequence[Hint]) -> None:
        self.is_sending.set()
        if hints:
            raise asyncio.CancelledError
        await asyncio.Event().wait()


async def silence() -> AsyncIterator[Letter]:
    await asyncio.Event().wait()
    yield Letter(0)


async def one_letter() -> AsyncIterator[Letter]:
    yield Letter(7)
    await asyncio.Event().wait()


async def a_letter_and_an_end() -> AsyncIterator[Letter]:
    yield Letter(1)
    raise asyncio.CancelledError
