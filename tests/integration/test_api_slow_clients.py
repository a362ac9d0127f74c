"""Clients that take their time, and crowds of them: each is given up some day, and others are served."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack

import pytest
from fastapi import FastAPI, Response
from tests.callers import GOOD, Caller, request, served_promptly, serving
from tests.fetching import BOTH_LOOPS

from packshot import daemon
from packshot.web import clients, crowd

SOON = 0.05
PAUSE = 0.01
UNFINISHED = request("POST /users", "Content-Length: 1000000")
PICTURE = b"x" * 20_000_000  # more than the buffers of a socket hold

Turn = Callable[..., None]


@pytest.fixture(params=BOTH_LOOPS)
def anyio_backend(request: pytest.FixtureRequest) -> object:
    return request.param


@pytest.fixture
def turn(monkeypatch: pytest.MonkeyPatch) -> Turn:
    """Turn a limit of the server that is started next."""

    def turn(**limits: object) -> None:
        for name, value in limits.items():
            module = next(module for module in (daemon, clients, crowd) if hasattr(module, name))
            monkeypatch.setattr(module, name, value)

    return turn


@pytest.fixture
async def port(routes: FastAPI) -> AsyncIterator[int]:
    async with serving(routes) as port:
        yield port


async def drip(caller: Caller, data: bytes) -> None:
    """Send one byte after the other until nobody listens."""
    for byte in data:
        await caller.say(bytes([byte]))
        await asyncio.sleep(PAUSE)


async def while_dripping(caller: Caller, data: bytes, listen: Callable[[], Awaitable[object]]) -> None:
    """Listen while dripping, and stop with the answer."""
    dripping = asyncio.create_task(drip(caller, data))
    await listen()
    dripping.cancel()


@pytest.mark.parametrize("said", [b"", b"\r\n", b"GET / HTTP/1.1\r\n", b"GET / HTTP/1.1\r\nHost: x\r\nX-A: "])
async def test_a_head_that_does_not_come_is_not_waited_for(port: int, turn: Turn, said: bytes) -> None:
    turn(HEAD_SECONDS=SOON)
    async with Caller.calling(port) as caller:
        await caller.say(said)
        answer = await caller.hear()

        assert answer.status == 408
        assert "The head of the request" in answer.problem["detail"]
        assert answer.headers["connection"] == "close"
        assert await caller.hear_the_end() == b""


@pytest.mark.parametrize("drops", [b"GET /" + b"a" * 5_000, b"\r\n" * 5_000])
async def test_a_head_that_drips_is_not_waited_for(port: int, turn: Turn, drops: bytes) -> None:
    turn(HEAD_SECONDS=SOON)
    async with Caller.calling(port) as caller:
        await while_dripping(caller, drops, caller.hear_the_end)


async def test_the_second_request_has_no_more_time_than_the_first(port: int, turn: Turn) -> None:
    turn(HEAD_SECONDS=SOON)
    async with Caller.calling(port) as caller:
        await caller.say(GOOD)
        assert (await caller.hear()).status == 200

        await caller.say(b"GET / HTTP/1.1\r\n")

        assert (await caller.hear()).status == 408


@pytest.mark.parametrize("method", ["POST /users", "GET /healthz", "DELETE /products/1"])
@pytest.mark.parametrize("length", ["Content-Length: 5000", "Transfer-Encoding: chunked"])
async def test_a_body_that_does_not_come_is_not_waited_for(
    port: int, turn: Turn, method: str, length: str
) -> None:
    turn(BODY_SECONDS=SOON)
    async with Caller.calling(port) as caller:
        await caller.say(request(method, length))

        await caller.hear_the_end()


async def test_who_sends_half_a_body_is_told_that_the_rest_is_missing(port: int, turn: Turn) -> None:
    turn(BODY_SECONDS=SOON)
    async with Caller.calling(port) as caller:
        await caller.say(UNFINISHED, b'{"name": ')
        answer = await caller.hear()

        assert answer.status == 408
        assert "The body took longer" in answer.problem["detail"]


async def test_a_body_that_drips_is_not_waited_for(port: int, turn: Turn) -> None:
    turn(BODY_SECONDS=SOON)
    async with Caller.calling(port) as caller:
        await caller.say(UNFINISHED)

        await while_dripping(caller, b" " * 5_000, caller.hear)


async def test_who_says_nothing_after_a_refusal_is_left(port: int, turn: Turn) -> None:
    turn(LINGER_SECONDS=SOON)
    async with Caller.calling(port) as caller:
        await caller.say(b"nonsense\r\n\r\n")

        assert b"400" in await caller.hear_the_end()
        await while_dripping(caller, b"x" * 5_000, caller.hung_up)


async def test_who_does_not_read_is_left(turn: Turn) -> None:
    turn(READING_SECONDS=SOON)
    api = FastAPI()
    api.add_api_route("/picture", lambda: Response(PICTURE), methods=["GET"])
    async with serving(api) as port, Caller.calling(port) as caller:
        await caller.say(request("GET /picture"))
        await caller.hear_head()

        await while_dripping(caller, b"\r\n" * 5_000, caller.hung_up)


async def test_who_reads_slowly_gets_all_of_it(turn: Turn) -> None:
    turn(READING_SECONDS=SOON, MIN_READ_BYTES=1)
    api = FastAPI()
    api.add_api_route("/picture", lambda: Response(PICTURE), methods=["GET"])
    async with serving(api) as port, Caller.calling(port) as caller:
        await caller.say(request("GET /picture"))

        assert (await caller.hear(PAUSE)).body == PICTURE


async def test_when_there_are_too_many_who_waited_longest_goes_first(turn: Turn, routes: FastAPI) -> None:
    turn(MAX_CONNECTIONS=10)
    async with serving(routes) as port, AsyncExitStack() as stack:
        crowd = [await stack.enter_async_context(Caller.calling(port)) for _ in range(10)]
        for caller in crowd:
            await caller.say(b"GET / HTTP/1.1\r\n")

        assert await served_promptly(port)
        assert (await crowd[0].hear()).status == 503
        await crowd[-1].say(b"Host: localhost\r\n\r\n")
        assert (await crowd[-1].hear()).status == 404


async def test_a_thousand_silent_clients_keep_nobody_waiting(turn: Turn, routes: FastAPI) -> None:
    turn(MAX_CONNECTIONS=100)
    async with serving(routes) as port, AsyncExitStack() as stack:
        for _ in range(1_000):
            await stack.enter_async_context(Caller.calling(port))

        assert await served_promptly(port)


async def test_when_bodies_take_too_much_room_the_oldest_unfinished_goes(port: int, turn: Turn) -> None:
    turn(MAX_HELD_BYTES=1_000_000)
    async with AsyncExitStack() as stack:
        first, second = [await stack.enter_async_context(Caller.calling(port)) for _ in range(2)]
        await first.say(UNFINISHED, b" " * 600_000)
        await second.say(UNFINISHED, b" " * 600_000)

        answer = await first.hear()
        await second.say(b" " * 400_000)

        assert answer.status == 503
        assert (await second.hear()).status == 400


async def test_what_bodies_took_is_given_back(port: int, turn: Turn) -> None:
    turn(MAX_HELD_BYTES=1_000_000)
    for _ in range(5):
        async with Caller.calling(port) as caller:
            await caller.say(request("POST /users", body=b" " * 600_000))
            assert (await caller.hear()).status == 400


async def test_a_connection_that_cannot_be_checked_ends_alone(
    port: int, turn: Turn, caplog: pytest.LogCaptureFixture
) -> None:
    async with Caller.calling(port) as caller:
        turn(HEAD_SECONDS="a bug")
        await caller.hear_the_end()
        turn(HEAD_SECONDS=10)

        assert await served_promptly(port)
        assert "connection closed: it could not be checked" in caplog.messages


async def test_half_a_body_does_not_delay_the_end_of_the_server(routes: FastAPI) -> None:
    async with AsyncExitStack() as stack:
        async with serving(routes) as port:
            caller = await stack.enter_async_context(Caller.calling(port))
            await caller.say(UNFINISHED)
            assert await served_promptly(port)

        assert (await caller.hear()).status == 503
