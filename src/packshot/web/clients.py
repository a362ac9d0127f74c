"""
The API's connections: what a client may send, and how long it may take.

uvicorn waits for a request for as long as the client likes, keeps as much of it as the client sends, and
never gives up on one that does not read. Here a head, a body and the reading of an answer have their limits,
in bytes and in seconds. What a body says is not looked at; see `bodies`. All of them together: see `crowd`.
"""

from asyncio import AbstractEventLoop, BaseTransport
from enum import Enum, auto
from http import HTTPStatus
from typing import Any, Final, NoReturn

import httptools
from fastapi import Response
from uvicorn import Config
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol
from uvicorn.server import ServerState

from packshot.web.crowd import Crowd
from packshot.web.problems import LATER, STRICT, problem

MAX_URL_BYTES: Final = 8_000  # what everybody should be able to take (RFC 9110, 4.1)
MAX_HEAD_BYTES: Final = 32_000
MAX_HEADERS: Final = 100
MAX_BODY_BYTES: Final = 6_000_000  # the largest product fits, even with every character written as \uXXXX
MAX_PIPELINED: Final = 16  # requests that come before the answer to the first

HEAD_SECONDS: Final = 10
BODY_SECONDS: Final = 30
READING_SECONDS: Final = 10  # in which a client must take this much of its answers:
MIN_READ_BYTES: Final = 50_000
LINGER_SECONDS: Final = 2  # for those still sending to hear why they were refused; a reset would swallow it

URL_TOO_LONG: Final = f"The URL has more than {MAX_URL_BYTES:,} bytes."
HEAD_TOO_LONG: Final = f"The head of the request has more than {MAX_HEAD_BYTES:,} bytes."
BODY_TOO_LONG: Final = f"The body has more than {MAX_BODY_BYTES:,} bytes."


class Awaited(Enum):
    """What a client owes us."""

    HEAD = auto()
    BODY = auto()
    GOODBYE = auto()  # it was refused
    NOTHING = auto()  # it is our turn


class Refused(Exception):
    """A request that no route will answer: the status, and a sentence."""

    def __init__(self, status: int, detail: str) -> None:
        super().__init__(detail)
        self.status = status


class Connection(HttpToolsProtocol):
    """A connection that keeps its client to the limits."""

    def __init__(
        self,
        crowd: Crowd,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self.held_bytes = 0
        self._crowd = crowd
        self._awaited = Awaited.HEAD
        self._awaited_since = 0.0
        self._body_bytes = 0
        self._idle_bytes = 0  # received since the last request, or piece of a body
        self._reason: Refused | None = None
        self._unread_bytes = 0
        self._unread_since = 0.0

    def connection_made(self, transport: BaseTransport) -> None:
        """Begin to wait for a request, in somebody else's place if there are too many."""
        super().connection_made(transport)  # type: ignore[arg-type]  # uvicorn narrows the type
        self._wait_for(Awaited.HEAD)
        if len(self.connections) > self._crowd.most:
            self._crowd.make_room()

    def connection_lost(self, exc: Exception | None) -> None:
        """Leave nothing behind."""
        self._crowd.leave(self)
        self._release_body()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Read on, or refuse."""
        if self._awaited is Awaited.GOODBYE:
            return
        self._unset_keepalive_if_required()
        self._idle_bytes += len(data)
        try:
            self._parse(data)
            self._check_idle_bytes()
        except httptools.HttpParserUpgrade:
            self._answer_and_close()
        except Refused as reason:
            self._refuse(reason)

    def _parse(self, data: bytes) -> None:
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserCallbackError as error:
            raise (self._reason or Refused(400, "The request has no path.")) from error
        except httptools.HttpParserError as error:
            raise Refused(400, f"This is not HTTP/1.1: {error}.") from error

    def on_message_begin(self) -> None:
        """Take a request, unless too many are in line."""
        if len(self.pipeline) >= MAX_PIPELINED:
            self._reject(503, "Too many requests were sent before the first was answered.")
        if self._awaited is Awaited.NOTHING:
            self._wait_for(Awaited.HEAD)
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """Take the head of a request, or refuse it before its body is read."""
        self._check_head()
        super().on_headers_complete()
        self._body_bytes = 0
        self._wait_for(Awaited.BODY)

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header; those after a body could only forge what is known."""
        if self._awaited is not Awaited.BODY:
            super().on_header(name, value)

    def on_body(self, body: bytes) -> None:
        """Take a piece of a body, as long as there is room for it."""
        self._idle_bytes = 0
        self._body_bytes += len(body)
        if self._body_bytes > MAX_BODY_BYTES:
            self._reject(413, BODY_TOO_LONG)
        if not self.cycle.response_complete:
            self._hold(len(body))
        super().on_body(body)

    def on_message_complete(self) -> None:
        """It is our turn, unless the answer is out already."""
        super().on_message_complete()
        self._idle_bytes = 0
        if self.cycle.response_complete:
            self._wait_for(Awaited.HEAD)
        else:
            self._awaited = Awaited.NOTHING
            self._crowd.leave(self)

    def on_response_complete(self) -> None:
        """Wait for the next request, if the last one is through."""
        self._release_body()
        super().on_response_complete()
        if self._awaited is Awaited.NOTHING and self.cycle.response_complete:
            self._wait_for(Awaited.HEAD)

    def resume_writing(self) -> None:
        """The client reads."""
        self._unread_bytes = 0
        super().resume_writing()

    def shutdown(self) -> None:
        """End after the answer, but do not wait for what has not been sent."""
        super().shutdown()
        if self._awaited is Awaited.BODY:
            self._refuse(Refused(503, "Packshot is being stopped; try again."))
            self.transport.close()

    def give_way(self) -> None:
        """Make room for another client."""
        if self._idle_bytes or self._awaited is Awaited.BODY:
            self._refuse(Refused(503, "Others came while this request took its time; try again."))
        self.transport.close()
        self._crowd.leave(self)

    def check(self, now: float) -> None:
        """Refuse what takes too long; called again and again."""
        waited = now - self._awaited_since
        if self._awaited is Awaited.HEAD and waited > HEAD_SECONDS:
            self._refuse(Refused(408, f"The head of the request took longer than {HEAD_SECONDS} seconds."))
        elif self._awaited is Awaited.BODY and waited > BODY_SECONDS:
            self._refuse(Refused(408, f"The body took longer than {BODY_SECONDS} seconds."))
        elif self._awaited is Awaited.GOODBYE and waited > LINGER_SECONDS and not self._owes_an_answer():
            self.transport.close()
        self._check_reading(now)

    def _check_reading(self, now: float) -> None:
        unread = self.transport.get_write_buffer_size()
        if unread == 0 or unread > self._unread_bytes:  # or there is another answer
            self._unread_bytes, self._unread_since = unread, now
        elif now - self._unread_since > READING_SECONDS:
            if self._unread_bytes - unread < MIN_READ_BYTES:
                self.transport.abort()
            self._unread_bytes, self._unread_since = unread, now

    def _check_idle_bytes(self) -> None:
        if self._idle_bytes <= MAX_HEAD_BYTES or self._awaited is Awaited.NOTHING:
            return
        if self.headers == [] and len(self.url) > MAX_URL_BYTES:
            raise Refused(414, URL_TOO_LONG)
        raise Refused(431, HEAD_TOO_LONG)

    def _check_head(self) -> None:
        if len(self.url) > MAX_URL_BYTES:
            self._reject(414, URL_TOO_LONG)
        if not self.url.isascii():
            self._reject(400, "The URL has characters that are written as %XX.")
        if sum(len(name) + len(value) for name, value in self.headers) > MAX_HEAD_BYTES:
            self._reject(431, HEAD_TOO_LONG)
        if len(self.headers) > MAX_HEADERS:
            self._reject(431, f"The request has more than {MAX_HEADERS} headers.")
        self._check_headers([name for name, _ in self.headers], dict(self.headers))

    def _check_headers(self, names: list[bytes], headers: dict[bytes, bytes]) -> None:
        version, coding = self.parser.get_http_version(), headers.get(b"transfer-encoding")
        if version not in ("1.0", "1.1"):
            self._reject(400, "Packshot speaks HTTP/1.1 and HTTP/1.0.")
        if names.count(b"host") != 1 and version == "1.1":
            self._reject(400, "A request of HTTP/1.1 has one Host header.")
        if coding and (version == "1.0" or coding.lower() != b"chunked"):
            self._reject(400, "The only Transfer-Encoding is chunked, in HTTP/1.1.")
        if int(headers.get(b"content-length", 0)) > MAX_BODY_BYTES:
            self._reject(413, BODY_TOO_LONG)
        if self.parser.should_upgrade() and (coding or b"content-length" in headers):
            self._reject(400, "A request with a body cannot ask for an Upgrade; leave that header out.")

    def _hold(self, size: int) -> None:
        self.held_bytes += size
        self._crowd.held_bytes += size
        if not self._crowd.make_room_for_bodies() or self._awaited is Awaited.GOODBYE:
            self._reject(503, "Too many large bodies are being worked on; try again.")

    def _release_body(self) -> None:
        self._crowd.held_bytes -= self.held_bytes
        self.held_bytes = 0

    def _wait_for(self, awaited: Awaited) -> None:
        self._awaited = awaited
        self._awaited_since = self.loop.time()
        self._crowd.wait(self)

    def _owes_an_answer(self) -> bool:
        return self.cycle is not None and not (self.cycle.response_complete or self.cycle.disconnected)

    def _reject(self, status: int, detail: str) -> NoReturn:
        """Raise through the parser, which would hide the reason."""
        self._reason = Refused(status, detail)
        raise self._reason

    def _refuse(self, reason: Refused) -> None:
        """Give the reason, if the answers to the requests before this one do not stand in the way."""
        if self._awaited is Awaited.GOODBYE:
            return
        in_body = self._awaited is Awaited.BODY
        if self._owes_an_answer() and not in_body:
            self._answer_and_close()
        elif in_body and (self.pipeline or self.cycle.response_started):
            self.transport.close()
        else:
            later = LATER if reason.status == HTTPStatus.SERVICE_UNAVAILABLE else {}
            self._say(problem(reason.status, str(reason), {"Connection": "close", **later}))
        self._release_body()
        self._wait_for(Awaited.GOODBYE)

    def _answer_and_close(self) -> None:
        """Answer what has been asked, and hear no more."""
        self.cycle.keep_alive = False
        self._wait_for(Awaited.GOODBYE)

    def _say(self, answer: Response) -> None:
        """Answer in the application's place, and only then end the connection."""
        headers = [*self.server_state.default_headers, *STRICT, *answer.raw_headers]
        lines = [b"%b: %b\r\n" % header for header in headers]
        self.transport.write(b"".join([STATUS_LINE[answer.status_code], *lines, b"\r\n", answer.body]))
        if self.cycle:
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        self.transport.write_eof()
        self.flow.resume_reading()
