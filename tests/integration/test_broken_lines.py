"""What becomes of a broker whose client library breaks its promises."""

import asyncio
from collections.abc import AsyncIterator
from urllib.parse import urlsplit

import psutil
import pytest
from tests.broken import BrokenLine, Letter, a_letter_and_an_end, one_letter, silence
from tests.remote import connected, hints, opened, queue_of_ones_own, taking
from tests.rows import eventually

from packshot.brokers import remote
from packshot.brokers.remote import RemoteBroker
from packshot.errors import ServiceUnavailable


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


@pytest.fixture(params=["rabbitmq", "kafka"])
def url(request: pytest.FixtureRequest) -> str:
    return queue_of_ones_own(request.getfixturevalue(request.param).url)


async def test_whoever_gives_up_connecting_at_any_moment_leaves_no_connection_open(url: str) -> None:
    async def nothing_is_open() -> bool:
        ours = psutil.Process().net_connections("tcp")
        return not any(end.raddr and end.raddr.port == urlsplit(url).port for end in ours)

    for milliseconds in range(0, 60, 2):
        async with opened(url) as broker:
            broker.room()  # begins to connect
            await asyncio.sleep(milliseconds / 1000)

    await eventually(nothing_is_open)
