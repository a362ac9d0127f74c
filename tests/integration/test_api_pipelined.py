"""Requests in line behind others: whatever becomes of the last one, those before it are answered."""

import asyncio
import logging
from collections.abc import AsyncIterator, Iterator

import pytest
from fastapi import FastAPI, Request, Response
from fastapi.responses import StreamingResponse
from tests.callers import Caller, ask, request, served_promptly, serving
from tests.fetching import BOTH_LOOPS

SOON = 0.05
SLOW = request("GET /slow")
UNFINISHED = request("POST /slow", "Content-Length: 1000000")
BROKEN = request("POST /slow", "Transfer-Encoding: chunked") + b"zz\r\n"


class Kitchen:
    """Takes orders, and answers each only when it is told to."""

    def __init__(self) -> None:
        self.ordered = asyncio.Semaphore(0)
        self.may_answer = asyncio.Semaphore(0)

    async def answer(self, asked: Request) -> Response:
        await asked.body()
        self.ordered.release()
        await self.may_answer.acquire()
        return Response("done")

    async def answer_in_two(self) -> Response:
        async def halves() -> AsyncIterator[str]:
            yield "half "
            await self.may_answer.acquire()
            yield "done"

        return StreamingResponse(halves(), headers={"Content-Length": "9"})


@pytest.fixture(params=BOTH_LOOPS)
def anyio_backend(request: pytest.FixtureRequest) -> object:
    return request.param


@pytest.fixture
async def kitchen() -> Kitchen:
    return Kitchen()


@pytest.fixture
async def port(kitchen: Kitchen, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[int]:
    monkeypatch.setattr("packshot.daemon.MAX_CONNECTIONS", 2)
    monkeypatch.setattr("packshot.web.crowd.MAX_HELD_BYTES", 70_000)
    api = FastAPI()
    api.add_api_route("/healthz", lambda: Response("well"), methods=["GET"])
    api.add_api_route("/slow", kitchen.answer, methods=["GET", "POST"])
    api.add_api_route("/halves", kitchen.answer_in_two, methods=["POST"])
    async with serving(api) as port:
        yield port
        for _ in range(20):  # for what a failed test has left
            kitchen.may_answer.release()


@pytest.fixture(autouse=True)
def nothing_in_the_log(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    yield
    assert [record.message for record in caplog.records if record.levelno > logging.INFO] == []


@pytest.mark.parametrize("before", [1, 2, 5])
async def test_what_came_before_a_body_that_breaks_is_answered(
    port: int, kitchen: Kitchen, before: int
) -> None:
    async with Caller.calling(port) as caller:
        await caller.say(SLOW * before + BROKEN)
        for _ in range(before):
            kitchen.may_answer.release()
        answers = [await caller.hear() for _ in range(before)]

        assert [answer.status for answer in answers] == [200] * before
        assert answers[-1].headers["connection"] == "close"
        assert await caller.hear_the_end() == b""


async def test_what_came_before_a_body_that_does_not_come_is_answered(
    port: int, kitchen: Kitchen, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with Caller.calling(port) as caller, Caller.calling(port) as later:
        await caller.say(SLOW + UNFINISHED)
        await kitchen.ordered.acquire()
        await later.say(UNFINISHED)
        monkeypatch.setattr("packshot.web.clients.BODY_SECONDS", SOON)
        assert (await later.hear()).status == 408

        kitchen.may_answer.release()

        assert (await caller.hear()).status == 200
        assert await caller.hear_the_end() == b""


@pytest.mark.parametrize("unfinished", [UNFINISHED, b"POST /slow HTTP/1.1\r\n"])
async def test_who_gives_way_is_answered_what_came_before(
    port: int, kitchen: Kitchen, unfinished: bytes
) -> None:
    async with Caller.calling(port) as caller:
        await caller.say(SLOW + unfinished)
        await kitchen.ordered.acquire()
        async with Caller.calling(port):
            assert await served_promptly(port)

        kitchen.may_answer.release()

        assert (await caller.hear()).status == 200
        assert await caller.hear_the_end() == b""


async def test_an_answer_that_has_begun_is_finished_though_the_body_does_not_come(
    port: int, kitchen: Kitchen, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with Caller.calling(port) as caller, Caller.calling(port) as later:
        await caller.say(request("POST /halves", "Content-Length: 10"))
        await caller.hear_head()
        await later.say(UNFINISHED)
        monkeypatch.setattr("packshot.web.clients.BODY_SECONDS", SOON)
        assert (await later.hear()).status == 408

        kitchen.may_answer.release()

        assert await caller.hear_the_end() == b"half done"


async def test_a_body_counts_until_its_own_request_is_answered(port: int, kitchen: Kitchen) -> None:
    large = request("POST /slow", body=b" " * 40_000)
    async with Caller.calling(port) as caller:
        await caller.say(SLOW + large)
        await kitchen.ordered.acquire()
        kitchen.may_answer.release()
        await caller.hear()
        await kitchen.ordered.acquire()

        assert (await ask(port, large)).status == 503
        kitchen.may_answer.release()
        await caller.hear()
        kitchen.may_answer.release()
        assert (await ask(port, large)).status == 200


async def test_a_body_counts_no_longer_than_that(port: int, kitchen: Kitchen) -> None:
    large = request("POST /slow", body=b" " * 40_000)
    async with Caller.calling(port) as caller:
        await caller.say(SLOW + large + SLOW)
        for _ in range(2):
            kitchen.may_answer.release()
            await caller.hear()
        for _ in range(3):
            await kitchen.ordered.acquire()
        other = asyncio.create_task(ask(port, large))
        await kitchen.ordered.acquire()

        kitchen.may_answer.release()
        kitchen.may_answer.release()
        assert (await other).status == 200
        assert (await caller.hear()).status == 200


async def test_a_body_that_is_dropped_counts_no_more(port: int, kitchen: Kitchen) -> None:
    async with Caller.calling(port) as caller:
        await caller.say(SLOW + UNFINISHED + b" " * 40_000)
        await kitchen.ordered.acquire()

        other = asyncio.create_task(ask(port, request("POST /slow", body=b" " * 60_000)))
        await kitchen.ordered.acquire()

        kitchen.may_answer.release()
        kitchen.may_answer.release()
        assert (await other).status == 200
        assert (await caller.hear()).status == 200
