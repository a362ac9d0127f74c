"""
Writes down every request: one line when its answer is out, and a count.

It gives each request an id, which is in the answer, on every line about it, and in the rows that it makes.

Of what a client sends, only the method and the path are written; a query may hold anything.
"""

import logging
import re
from collections.abc import Collection, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from functools import lru_cache
from secrets import token_hex
from time import perf_counter
from typing import Any, Final

from fastapi.routing import iter_route_contexts
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from packshot.metrics import Metrics
from packshot.telemetry import NO_SPAN, Note, about, from_here_about
from packshot.web.backend import Backend
from packshot.web.heads import Head, Rejection
from packshot.web.problems import MOST_CHARACTERS_SAID

log = logging.getLogger(__name__)

ID_HEADER: Final = "X-Request-Id"
RAW_ID_HEADER: Final = b"x-request-id"
TRACEPARENT: Final = b"traceparent"
PLAIN_ID: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:-]{0,63}")
QUIET: Final = frozenset({"/healthz", "/readyz", "/metrics"})  # asked all day long by machines
METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
OTHER: Final = "other"
NO_ROUTE: Final = "none"
NO_ANSWER: Final = 499  # the client has gone before there was one


class Journal:
    """Stands around everything else that a request passes."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: D102 - ASGI's
        entry = Entry(scope)
        from_here_about(request_id=entry.request_id)  # to the end of its task, where uvicorn may report a bug

        async def send_noting(message: Message) -> None:
            entry.note(message)
            await send(message)

        with entry.span() as note:
            try:
                await self._app(scope, receive, send_noting)
            finally:
                entry.close(note)


class Entry:
    """One request."""

    def __init__(self, scope: Scope) -> None:
        self.request_id = request_id_in(scope)
        self._backend: Backend = scope["app"].state.backend
        self._scope = scope
        self._started = perf_counter()
        self._status = NO_ANSWER
        self._bytes = 0
        self._ended = 0.0

    def span(self) -> AbstractContextManager[Note]:
        """Time the request in its trace, which the caller may have begun."""
        if self._scope["path"] in QUIET:
            return NO_SPAN
        return self._backend.span("request", header(self._scope, TRACEPARENT), method=self._scope["method"])

    def note(self, message: Message) -> None:
        """Look at a part of the answer as it goes out, and put the id into its head."""
        if message["type"] == "http.response.start":
            self._status = message["status"]
            if is_stream(message):
                self._ended = perf_counter()
            message["headers"].append((RAW_ID_HEADER, self.request_id.encode()))
        else:
            self._bytes += len(message.get("body", b""))

    def close(self, note: Note) -> None:
        """Write the line, and count."""
        seconds = (self._ended or perf_counter()) - self._started
        scope = self._scope
        route = route_of(scope)
        log.log(
            logging.DEBUG if scope["path"] in QUIET else logging.INFO,
            "request",
            extra={
                "method": scope["method"],
                "path": scope["path"][:MOST_CHARACTERS_SAID],
                "route": route,
                "status": self._status,
                "milliseconds": round(1000 * seconds, 1),
                "bytes_out": self._bytes,
                "key_id": getattr(scope.get("state", {}).get("caller"), "key_id", None),
            },
        )
        note(route=route, status=self._status, request_id=self.request_id)
        self._backend.metrics.request(method_of(scope), route, f"{self._status // 100}xx", seconds)


def route_of(scope: Scope) -> str:
    """Return the template of the route that a request asks for, even if it is refused before."""
    if "router" in scope:
        return getattr(scope.get("route"), "path", NO_ROUTE)
    here = [(path, methods) for path, there, methods in _routes(scope["app"]) if there.match(scope["path"])]
    meant = [path for path, methods in here if scope["method"] in methods]
    return next(iter(meant or [path for path, _ in here]), NO_ROUTE)


@lru_cache(maxsize=2)
def _routes(app: Any) -> Sequence[tuple[str, re.Pattern[str], Collection[str]]]:  # noqa: ANN401 - as ASGI has it
    """List the routes of an application once: that takes longer than to refuse a request."""
    routes = iter_route_contexts(app.routes)
    return [(str(route.path), route.path_regex, route.methods or ()) for route in routes]


def method_of(scope: Scope) -> str:
    """Return the method of a request, if it is one that has a meaning."""
    return scope["method"] if scope["method"] in METHODS else OTHER


def is_stream(message: Message) -> bool:
    """Tell whether an answer goes on for as long as somebody listens: its time is the one to its head."""
    headers: dict[bytes, bytes] = dict(message["headers"])
    return headers.get(b"content-type", b"").startswith(b"text/event-stream")


def request_id_in(scope: Scope) -> str:
    """Return the id that the caller gave the request, if it is short and plain, or a new one."""
    given = header(scope, RAW_ID_HEADER)
    return given if PLAIN_ID.fullmatch(given) else new_id()


def new_id() -> str:
    """Return an id that no other request has."""
    return token_hex(16)


def header(scope: Scope, name: bytes) -> str:
    """Return a header of the request, or nothing."""
    return next((value.decode("latin-1") for key, value in scope["headers"] if key == name), "")


def asked(head: Head, app: Any) -> Scope:  # noqa: ANN401 - as ASGI has it
    """Return what a route goes by."""
    return {"type": "http", "app": app, "method": head.method.decode(), "path": head.path}


def count_refused(reason: Rejection, head: Head, app: Any) -> None:  # noqa: ANN401 - as ASGI has it
    """Count a request that no route will see."""
    scope = asked(head, app)
    metrics: Metrics = app.state.backend.metrics
    metrics.refusal(method_of(scope), route_of(scope), f"{reason.status // 100}xx")


@contextmanager
def refused(reason: Rejection, head: Head | None, app: Any) -> Iterator[str]:  # noqa: ANN401 - as ASGI has it
    """Write down a request that was refused before all of it was read, and yield the id that it gets."""
    request_id = new_id()
    facts = {"status": reason.status, "reason": str(reason)}
    with about(request_id=request_id):
        log.info("request refused", extra=facts | (_whither(asked(head, app)) if head else {}))
        yield request_id


def _whither(scope: Scope) -> dict[str, str]:
    path = scope["path"][:MOST_CHARACTERS_SAID]
    return {"method": method_of(scope), "path": path, "route": route_of(scope)}
