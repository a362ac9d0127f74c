"""What becomes of a broker whose client library breaks its promises: a line that breaks as it is told."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress

import pytest
from tests.remote import connected, hints, taking

from packshot.brokers import remote
from packshot.brokers.line import Publish
from packshot.brokers.messages import encode
from packshot.brokers.remote import RemoteBroker
from packshot.errors import ServiceUnavailable
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


class Refuser(BrokenLine):
    """A broker that can be reached and takes nothing, until it is told to."""

    takes = False

    async def _send(self, _: Sequence[Hint]) -> None:
        if not self.takes:
            raise OSError("no permission")


async def test_a_broker_that_refuses_is_left_alone_though_it_can_be_reached() -> None:
    line = Refuser()
    broker = RemoteBroker(line, print)
    await connected(broker)

    with pytest.raises(ServiceUnavailable, match="no permission"):
        await broker.publish(hints(1))
    while line.published == 1:  # noqa: ASYNC110 - it is connected again then
        await asyncio.sleep(0)
    await asyncio.sleep(0)

    assert broker.room() == 0
    await broker.close()


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The time, in its only element."""
    now = [0.0]
    monkeypatch.setattr(remote, "monotonic", lambda: now[0])
    return now


async def seconds_of_rest(broker: RemoteBroker, clock: list[float]) -> float:
    """Publish once there is room, and return how long there is none afterwards."""
    await connected(broker)
    with suppress(ServiceUnavailable):
        await broker.publish(hints(1))
    started = clock[0]
    while not broker.room():
        await asyncio.sleep(0)
        clock[0] += 1
    return clock[0] - started


async def test_each_refusal_is_rested_from_for_longer_until_a_message_is_taken(clock: list[float]) -> None:
    line = Refuser()
    broker = RemoteBroker(line, print)

    assert [await seconds_of_rest(broker, clock) for _ in range(6)] == [5, 10, 20, 40, 60, 60]
    line.takes = True
    assert await seconds_of_rest(broker, clock) == 0
    line.takes = False
    assert await seconds_of_rest(broker, clock) == 5
    await broker.close()


async def test_a_broker_that_refuses_is_not_called_back_before_it_takes_a_message(
    clock: list[float], caplog: pytest.LogCaptureFixture
) -> None:
    line = Refuser()
    broker = RemoteBroker(line, print)

    for line.takes in (False, False, True):
        await seconds_of_rest(broker, clock)

    assert [record.message for record in caplog.records] == ["broker is away", "broker is back"]
    await broker.close()


async def test_a_bug_in_publishing_is_an_unavailable_broker_and_worth_a_traceback(
    caplog: pytest.LogCaptureFixture,
) -> None:
    class Buggy(BrokenLine):
        async def _send(self, _: Sequence[Hint]) -> None:
            raise ZeroDivisionError

    broker = RemoteBroker(Buggy(), print)
    await connected(broker)

    with pytest.raises(ServiceUnavailable):
        await broker.publish(hints(1))

    assert ("broker failed", True) in [(line.message, bool(line.exc_info)) for line in caplog.records]
    await broker.close()


async def a_buggy_letter() -> AsyncIterator[Letter]:
    class Buggy(Letter):
        async def done(self) -> None:
            raise ZeroDivisionError

    yield Buggy(7)
    await asyncio.Event().wait()


async def test_done_never_raises_whatever_the_library_does() -> None:
    broker = RemoteBroker(BrokenLine(a_buggy_letter), print)

    async with taking(broker, done=False) as taken:
        await taken.has(7)
        await taken.deliveries[0].done()

    await broker.close()


async def test_a_connection_that_is_being_opened_is_not_doubted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remote, "SILENT_SECONDS", -1)
    may_open = asyncio.Event()

    class Slow(BrokenLine):
        @asynccontextmanager
        async def taking(self) -> AsyncIterator[AsyncIterator[Letter]]:
            self.opened += 1
            self.is_taking.set()
            await may_open.wait()
            yield one_letter()

    line = Slow()
    broker = RemoteBroker(line, print)

    async with taking(broker, done=False) as taken:
        await line.is_taking.wait()
        for _ in range(10):
            broker.doubt()
            await asyncio.sleep(0)
        may_open.set()
        await taken.has(7)

    assert line.opened == 1
    await broker.close()


async def test_each_doubt_waits_for_longer(clock: list[float]) -> None:
    line = BrokenLine()
    broker = RemoteBroker(line, print)
    opened = []

    async with taking(broker, done=False):
        for second in range(100):
            clock[0] = float(second)
            broker.doubt()
            for _ in range(5):
                await asyncio.sleep(0)
            opened.append(line.opened)

    assert [second for second in range(1, 100) if opened[second] > opened[second - 1]] == [16, 47]
    await broker.close()
