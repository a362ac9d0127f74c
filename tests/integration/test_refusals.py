"""What becomes of a broker that can be reached and takes nothing, or brings nothing."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress

import pytest
from tests.broken import BrokenLine, Letter, one_letter
from tests.remote import connected, hints, taking

from packshot.brokers import remote
from packshot.brokers.remote import RemoteBroker
from packshot.errors import ServiceUnavailable
from packshot.models import Hint


@pytest.fixture(autouse=True)
def no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remote, "PAUSE_SECONDS", 0)


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
