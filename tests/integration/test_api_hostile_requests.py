"""Requests that are no requests: each is refused with a sentence, and the connection ends."""

from collections.abc import AsyncIterator
from typing import Final

import pytest
from fastapi import FastAPI
from tests.callers import GOOD, Caller, ask, request, served_promptly, serving
from tests.fetching import BOTH_LOOPS

CHUNKED: Final = "Transfer-Encoding: chunked"

HOSTILE: Final = {
    "nothing but zeros": (b"\0" * 100, 400, "Invalid method"),
    "TLS": (b"\x16\x03\x01\x00\xf1\x01\x00\x00\xed\x03\x03" + b"\0" * 50, 400, "Invalid method"),
    "a password for FTP": (b"USER root\r\nPASS secret\r\n", 400, "Invalid method"),
    "HTTP/0.9": (b"GET /healthz\r\n\r\n", 400, "speaks HTTP/1.1"),
    "HTTP/2": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400, "not HTTP/1.1"),
    "HTTP/3.0": (b"GET /healthz HTTP/3.0\r\nHost: x\r\n\r\n", 400, "Invalid HTTP version"),
    "lines that end as on Unix": (b"GET /healthz HTTP/1.1\nHost: x\n\n", 400, "Expected CRLF"),
    "an unknown method": (request("BREW /healthz"), 400, "Invalid method"),
    "TRACE": (request("TRACE /healthz"), 405, "TRACE is not possible"),
    "a method of WebDAV": (request("PROPFIND /products"), 405, "only GET, POST"),
    "CONNECT": (request("CONNECT example.com:443"), 400, "no path"),
    "a whole URL without a path": (request("GET http://example.com"), 400, "no path"),
    "an asterisk": (request("OPTIONS *"), 404, "nothing at *"),
    "a path with a space": (request("GET /a b"), 400, "Expected HTTP/"),
    "a path in UTF-8": (request("GET /käse"), 400, "Invalid char in url path"),
    "a query that is not UTF-8": (b"GET /products?a=\xff HTTP/1.1\r\nHost: x\r\n\r\n", 400, "Invalid char"),
    "a URL of 9 kB": (request(f"GET /{'a' * 9_000}"), 414, "8,000 bytes"),
    "a query of 100 kB": (request(f"GET /products?product_name={'a' * 100_000}"), 414, "8,000 bytes"),
    "a URL that does not end": (b"GET /" + b"a" * 1_000_000, 414, "8,000 bytes"),
    "no Host": (b"GET /healthz HTTP/1.1\r\n\r\n", 400, "one Host"),
    "two Hosts": (request("GET /healthz", "Host: other"), 400, "one Host"),
    "If-None-Match of 64 kB": (
        request("GET /products/1", "If-None-Match: " + '"a",' * 16_000),
        431,
        "32,000",
    ),
    "Range of 64 kB": (request("GET /images/1/large", "Range: bytes=" + "0-1," * 16_000), 431, "32,000"),
    "two hundred headers": (request("GET /healthz", *["X: y"] * 200), 431, "100 headers"),
    "a header that does not end": (b"GET /healthz HTTP/1.1\r\nX: " + b"a" * 1_000_000, 431, "32,000 bytes"),
    "a header's name that does not end": (b"GET / HTTP/1.1\r\n" + b"a" * 1_000_000, 431, "32,000 bytes"),
    "headers that do not end": (b"GET / HTTP/1.1\r\n" + b"a: b\r\n" * 100_000, 431, "32,000 bytes"),
    "empty lines that do not end": (b"\r\n" * 100_000, 431, "32,000 bytes"),
    "a space before the colon": (b"GET /healthz HTTP/1.1\r\nHost : x\r\n\r\n", 400, "Invalid header token"),
    "a header without a name": (request("GET /healthz", ": x"), 400, "Invalid header token"),
    "a header without a colon": (request("GET /healthz", "x"), 400, "Invalid header token"),
    "a header over two lines": (request("GET /healthz", "X: a\r\n b"), 400, "whitespace after header value"),
    "a header with half a line end": (request("GET /healthz", "X: a\rb"), 400, "Missing expected LF"),
    "a header with a NUL": (request("GET /healthz", "X: a\0b"), 400, "Invalid header value"),
    "two lengths": (request("POST /users", "Content-Length: 5", body=b"{}"), 400, "Duplicate"),
    "two lengths in one": (request("POST /users", "Content-Length: 2, 2"), 400, "Content-Length"),
    "a negative length": (request("POST /users", "Content-Length: -2"), 400, "Content-Length"),
    "a hexadecimal length": (request("POST /users", "Content-Length: 0x2"), 400, "Content-Length"),
    "a length beyond 64 bits": (request("POST /users", "Content-Length: " + "9" * 30), 400, "overflow"),
    "a length and chunks": (request("POST /users", CHUNKED, body=b"0\r\n\r\n"), 400, "Transfer-Encoding"),
    "packed chunks": (request("POST /users", "Transfer-Encoding: gzip, chunked"), 400, "only Transfer-Enc"),
    "something like chunks": (
        request("POST /users", "Transfer-Encoding: xchunked"),
        400,
        "Transfer-Encoding",
    ),
    "two encodings": (request("POST /users", CHUNKED, "Transfer-Encoding: identity"), 400, "Transfer-Enc"),
    "chunks in HTTP/1.0": (b"POST /users HTTP/1.0\r\n" + CHUNKED.encode() + b"\r\n\r\n", 400, "in HTTP/1.1"),
    "a chunk without a size": (request("POST /users", CHUNKED) + b"zz\r\n\r\n", 400, "chunk size"),
    "a chunk beyond 64 bits": (request("POST /users", CHUNKED) + b"f" * 17 + b"\r\n", 400, "overflow"),
    "a chunk longer than its size": (request("POST /users", CHUNKED) + b"2\r\n{}X0\r\n\r\n", 400, "chunk"),
    "a chunk's endless extension": (request("POST /users", CHUNKED) + b"2;" + b"a" * 90_000, 431, "32,000"),
    "a body that is too long": (request("POST /users", "Content-Length: 6000001"), 413, "6,000,000 bytes"),
    "a body too long for a GET": (request("GET /healthz", "Content-Length: 6000001"), 413, "6,000,000"),
    "a body too long for a DELETE": (
        request("DELETE /products/1", "Content-Length: 6000001"),
        413,
        "6,000,000",
    ),
    "a body too long to continue": (
        request("POST /users", "Expect: 100-continue", "Content-Length: 6000001"),
        413,
        "6,000,000",
    ),
    "chunks that do not end": (
        request("POST /users", CHUNKED) + (b"10000\r\n" + b" " * 65_536 + b"\r\n") * 100,
        413,
        "6,000,000 bytes",
    ),
    "an upgrade with a body": (
        request("POST /users", "Connection: Upgrade", "Upgrade: h2c", body=b"{}"),
        400,
        "leave that header out",
    ),
}


@pytest.fixture(scope="module", params=BOTH_LOOPS)
def anyio_backend(request: pytest.FixtureRequest) -> object:
    return request.param


@pytest.fixture(scope="module")
async def port(routes: FastAPI) -> AsyncIterator[int]:
    async with serving(routes) as port:
        yield port


@pytest.mark.parametrize("name", HOSTILE)
async def test_a_request_that_is_none_is_refused_and_others_are_served(port: int, name: str) -> None:
    said, status, word = HOSTILE[name]

    answer = await ask(port, said)

    assert answer.status == status
    assert word in answer.problem["detail"]
    assert len(answer.body) < 400
    assert await served_promptly(port)


@pytest.mark.parametrize(
    "name", [name for name, (_, status, _) in HOSTILE.items() if status not in (404, 405)]
)
async def test_whoever_does_not_speak_http_hears_no_more(port: int, name: str) -> None:
    async with Caller.calling(port) as caller:
        await caller.say(HOSTILE[name][0], GOOD)
        answer = await caller.hear()

        assert answer.headers["connection"] == "close"
        assert await caller.hear_the_end() == b""


async def test_a_refusal_is_heard_by_those_who_are_still_sending(port: int) -> None:
    async with Caller.calling(port) as caller:
        await caller.say(request("POST /users", "Content-Length: 9000000"), b" " * 5_000_000)

        assert (await caller.hear()).status == 413


async def test_requests_may_follow_each_other_before_the_first_is_answered(port: int) -> None:
    async with Caller.calling(port) as caller:
        await caller.say(GOOD * 5)

        assert [(await caller.hear()).status for _ in range(5)] == [200] * 5


async def test_who_sends_too_many_requests_at_once_is_answered_some(port: int) -> None:
    async with Caller.calling(port) as caller:
        await caller.say(GOOD * 5_000)
        answers = (await caller.hear_the_end()).count(b"200 OK")

    assert 16 <= answers < 25


async def test_what_came_before_nonsense_is_answered(port: int) -> None:
    async with Caller.calling(port) as caller:
        await caller.say(GOOD + b"nonsense\r\n\r\n")
        answer = await caller.hear()

        assert answer.status == 200
        assert answer.headers["connection"] == "close"
        assert await caller.hear_the_end() == b""


async def test_headers_after_a_body_change_nothing(port: int) -> None:
    body = b"2\r\n{}\r\n0\r\nSec-Fetch-Site: cross-site\r\n\r\n"

    assert (await ask(port, request("POST /users", CHUNKED) + body)).status == 422


async def test_who_asks_for_another_protocol_gets_this_one(port: int) -> None:
    asked = request("GET /healthz", "Connection: Upgrade", "Upgrade: websocket")
    async with Caller.calling(port) as caller:
        await caller.say(asked)
        answer = await caller.hear()

        assert answer.status == 200
        assert answer.headers["connection"] == "close"
        assert await caller.hear_the_end() == b""


async def test_who_asks_first_whether_a_body_is_welcome_is_told_to_go_on(port: int) -> None:
    async with Caller.calling(port) as caller:
        await caller.say(request("POST /users", "Expect: 100-continue", "Content-Length: 2"))
        assert (await caller.hear()).status == 100

        await caller.say(b"{}")
        assert (await caller.hear()).status == 422


@pytest.mark.parametrize("line", ["GET http://packshot/healthz", "GET //healthz/../x", "GET /products/%20"])
async def test_an_odd_target_is_no_reason_to_hang_up(port: int, line: str) -> None:
    async with Caller.calling(port) as caller:
        await caller.say(request(line), GOOD)

        assert (await caller.hear()).status in (200, 404, 422)
        assert (await caller.hear()).status == 200


@pytest.mark.parametrize("host", ["[", "[::1", "a:b:c", "a:99999999", "ü", "%00", "a b", ""])
async def test_a_host_that_is_none_is_no_reason_to_fail(port: int, host: str) -> None:
    asked = f"GET /products HTTP/1.1\r\nHost: {host}\r\n\r\n".encode()

    assert (await ask(port, asked)).status == 403
