"""
The API's connections: what a client may send, and how long it may take.

uvicorn waits for a request for as long as the client likes, keeps as much of it as the client sends, and
never gives up on one that does not read. Here a head, a body and the reading of an answer have their limits,
in bytes and in seconds. What a head or a body says is not looked at; see `heads` and `bodies`. All of them
together: see `crowd`.
"""

from asyncio import AbstractEventLoop, BaseTransport
from enum import Enum, auto
from http import HTTPStatus
from typing import Any, Final, NoReturn

import httptools
from uvicorn import Config
from uvicorn._types import ASGI3Application
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle
from uvicorn.server import ServerState

from packshot.web.crowd import Crowd
from packshot.web.heads import (
    HEAD_TOO_LONG,
    MAX_HEAD_BYTES,
    MAX_URL_BYTES,
    URL_TOO_LONG,
    Head,
    Rejection,
    body_rejection,
    rejection,
)
from packshot.web.journal import ID_HEADER, count_refused, refused
from packshot.web.problems import LATER, STRICT, problem

MAX_PIPELINED: Final = 16  # requests that come before the answer to the first

HEAD_SECONDS: Final = 10
BODY_SECONDS: Final = 30
READING_SECONDS: Final = 10  # in which a client must take this much of its answers:
MIN_READ_BYTES: Final = 50_000
LINGER_SECONDS: Final = 2  # for those still sending to hear why they were refused; a reset would swallow it


class Awaited(Enum):
    """What a client owes us."""

    HEAD = auto()
    BODY = auto()
    GOODBYE = auto()  # it was refused
    NOTHING = auto()  # it is our turn


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
        self._held: dict[RequestResponseCycle, int] = {}  # by each request that is not answered yet
        self._answering = self.cycle
        self._crowd = crowd
        self._awaited = Awaited.HEAD
        self._awaited_since = 0.0
        self._body_bytes = 0
        self._head: Head | None = None  # of the request whose body comes just now
        self._idle_bytes = 0  # received since the last request, or piece of a body
        self._reason: Rejection | None = None
        self._unread_bytes = 0
        self._unread_since = 0.0

    @property
    def held_bytes(self) -> int:
        """Return the bytes of all bodies that wait for their answer."""
        return sum(self._held.values())

    def connection_made(self, transport: BaseTransport) -> None:
        """Begin to wait for a request, in somebody else's place if there are too many."""
        super().connection_made(transport)  # type: ignore[arg-type]  # uvicorn narrows the type
        self._wait_for(Awaited.HEAD)
        if len(self.connections) > self._crowd.most:
            self._crowd.make_room()

    def connection_lost(self, exc: Exception | None) -> None:
        """Leave nothing behind."""
        self._crowd.leave(self)
        for cycle in list(self._held):
            self._release(cycle)
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
        except Rejection as reason:
            self._refuse(reason)

    def _parse(self, data: bytes) -> None:
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserCallbackError as error:
            raise (self._reason or Rejection(400, "The request has no path.")) from error
        except httptools.HttpParserError as error:
            raise Rejection(400, f"This is not HTTP/1.1: {error}.") from error

    def on_message_begin(self) -> None:
        """Take a request, unless too many are in line."""
        if len(self.pipeline) >= MAX_PIPELINED:
            self._reject(Rejection(503, "Too many requests were sent before the first was answered."))
        if self._awaited is Awaited.NOTHING:
            self._wait_for(Awaited.HEAD)
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """Take the head of a request, or refuse it before its body is read."""
        parser = self.parser
        head = Head(
            parser.get_method(), self.url, parser.get_http_version(), self.headers, parser.should_upgrade()
        )
        self._head = head
        if reason := rejection(head):
            count_refused(reason, head, self.config.app)
            self._reject(reason)
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
        if reason := body_rejection(self.url, self._body_bytes):
            self._reject(reason)
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
        self._release(self._answering)
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
            self._leave(Rejection(503, "Packshot is being stopped; try again."))

    def give_way(self) -> None:
        """Make room for another client."""
        if self._idle_bytes or self._owes_an_answer():
            self._leave(Rejection(503, "Others came while this request took its time; try again."))
        else:
            self.transport.close()
        self._crowd.leave(self)

    def check(self, now: float) -> None:
        """Refuse what takes too long; called again and again."""
        waited = now - self._awaited_since
        if self._awaited is Awaited.HEAD and waited > HEAD_SECONDS:
            self._refuse(Rejection(408, f"The head of the request took longer than {HEAD_SECONDS} seconds."))
        elif self._awaited is Awaited.BODY and waited > BODY_SECONDS:
            self._refuse(Rejection(408, f"The body took longer than {BODY_SECONDS} seconds."))
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
            raise Rejection(414, URL_TOO_LONG)
        raise Rejection(431, HEAD_TOO_LONG)

    def _hold(self, size: int) -> None:
        self._held[self.cycle] = self._held.get(self.cycle, 0) + size
        self._crowd.held_bytes += size
        if not self._crowd.make_room_for_bodies() or self._awaited is Awaited.GOODBYE:
            self._reject(Rejection(503, "Too many large bodies are being worked on; try again."))

    def _release(self, cycle: RequestResponseCycle) -> None:
        self._crowd.held_bytes -= self._held.pop(cycle, 0)

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: ASGI3Application) -> None:
        self._answering = cycle
        super()._start_asgi_task(cycle, app)

    def _wait_for(self, awaited: Awaited) -> None:
        self._head = None if awaited is Awaited.HEAD else self._head
        self._awaited = awaited
        self._awaited_since = self.loop.time()
        self._crowd.wait(self)

    def _owes_an_answer(self) -> bool:
        return self.cycle is not None and not (self.cycle.response_complete or self.cycle.disconnected)

    def _reject(self, reason: Rejection) -> NoReturn:
        """Raise through the parser, which would hide the reason."""
        self._reason = reason
        raise reason

    def _leave(self, reason: Rejection) -> None:
        """Refuse, and do not stay to hear the rest."""
        self._refuse(reason)
        if not self._owes_an_answer():
            self.transport.close()

    def _refuse(self, reason: Rejection) -> None:
        """Give the reason, if the answers to the requests before this one do not stand in the way."""
        if self._awaited is Awaited.GOODBYE:
            return
        if self._is_next():
            self._say(reason)
        else:
            self._drop_what_is_unfinished()
            self._answer_and_close()

    def _is_next(self) -> bool:
        """Tell whether an answer to the request that comes just now would be the next one to be sent."""
        if self._awaited is Awaited.BODY:
            return not (self.pipeline or self.cycle.response_started)
        return not self._owes_an_answer()

    def _drop_what_is_unfinished(self) -> None:
        if self._awaited is Awaited.BODY and self.pipeline:
            self._release(self.cycle)
            self.pipeline.popleft()
            self.cycle = self.pipeline[0][0] if self.pipeline else self._answering

    def _answer_and_close(self) -> None:
        """Answer what has been asked, and hear no more."""
        self.cycle.keep_alive = False
        self._wait_for(Awaited.GOODBYE)
        if not self._owes_an_answer():
            self.transport.close()

    def _say(self, reason: Rejection) -> None:
        """Answer in the application's place, and only then end the connection."""
        later = LATER if reason.status == HTTPStatus.SERVICE_UNAVAILABLE else {}
        with refused(reason, self._head, self.config.app) as request_id:
            headers = {"Connection": "close", ID_HEADER: request_id, **later}
            answer = problem(reason.status, str(reason), headers)
        head = [*self.server_state.default_headers, *STRICT, *answer.raw_headers]
        lines = [b"%b: %b\r\n" % header for header in head]
        self.transport.write(b"".join([STATUS_LINE[answer.status_code], *lines, b"\r\n", answer.body]))
        self.transport.write_eof()
        if self.cycle:
            self.cycle.disconnected = True
            self.cycle.message_event.set()
            self._release(self.cycle)
        self.flow.resume_reading()
        self._wait_for(Awaited.GOODBYE)
