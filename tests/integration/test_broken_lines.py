"""What becomes of a broker whose client library breaks its promises: a line that breaks as it is told."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager

import pytest
from tests.remote import connected, hints, taking

from packshot.brokers import remote
from packshot.brokers.messages import encode
from packshot.brokers.remote import Publish, RemoteBroker
from packshot.errors import ServiceUnavailable
from packshot.models import Hint


class Letter:
    """A message that cannot be acknowledged."""

    def __init__(self, image_id: int) -> None:
        self.body = encode(Hint(None, image_id))

    async def forget(self) -> None:
        raise asyncio.CancelledError


class BrokenLine:
    """Publishes with `send`, and takes from each of `takings` in turn, then from nowhere."""

    name = "Line"
    troubles = (OSError, TimeoutError)

    def __init__(self, *takings: Callable[[], AsyncIterator[Letter]]) -> None:
        self.opened = 0
        self.is_sending = asyncio.Event()
        self.is_taking = asyncio.Event()
        self._takings = list(takings)

    @asynccontextmanager
    async def publishing(self, _: asyncio.Event) -> AsyncIterator[Publish]:
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


@pytest.fixture(autouse=True)
def no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remote, "PAUSE_SECONDS", 0)


async def test_a_cancellation_that_nobody_asked_for_is_an_unavailable_broker() -> None:
    broker = RemoteBroker(BrokenLine(), print)
    await connected(broker)

    with pytest.raises(ServiceUnavailable, match="the connection broke"):
        await broker.publish(hints(1))

    await broker.close()


async def test_a_cancellation_that_somebody_asked_for_stays_one() -> None:
    line = BrokenLine()
    broker = RemoteBroker(line, print)
    await connected(broker)
    publishing = asyncio.create_task(broker.publish([]))
    await line.is_sending.wait()

    publishing.cancel()

    with pytest.raises(asyncio.CancelledError):
        await publishing
    await broker.close()


async def test_a_cancellation_that_nobody_asked_for_does_not_end_the_deliveries() -> None:
    broker = RemoteBroker(BrokenLine(a_letter_and_an_end, one_letter), print)

    async with taking(broker, done=False) as taken:
        await taken.has(1, 7)

    await broker.close()


async def test_a_message_whose_end_is_cancelled_by_nobody_is_done_all_the_same() -> None:
    broker = RemoteBroker(BrokenLine(one_letter), print)

    async with taking(broker, done=False) as taken:
        await taken.has(7)
        await taken.deliveries[0].done()

    await broker.close()


async def test_a_doubted_line_that_hangs_is_opened_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    line = BrokenLine(silence, one_letter)
    broker = RemoteBroker(line, print)

    async with taking(broker, done=False) as taken:
        await line.is_taking.wait()
        broker.doubt()
        assert line.opened == 1
        monkeypatch.setattr(remote, "SILENT_SECONDS", -1)
        broker.doubt()
        await taken.has(7)

    await broker.close()


async def a_letter_and_a_bug() -> AsyncIterator[Letter]:
    yield Letter(1)
    raise ZeroDivisionError


async def test_a_bug_of_the_library_is_worth_a_traceback_and_a_new_connection(
    caplog: pytest.LogCaptureFixture,
) -> None:
    broker = RemoteBroker(BrokenLine(a_letter_and_a_bug, one_letter), print)

    async with taking(broker, done=False) as taken:
        await taken.has(1, 7)

    assert [(line.message, bool(line.exc_info)) for line in caplog.records] == [("broker failed", True)]
    await broker.close()
