"""
`GET /events`: what changes, as server-sent events (the HTML standard's `text/event-stream`).

A browser comes back by itself and names the last event it heard, to this process or another one. It opens no
more than six connections to a server, so a page that nobody looks at should close its stream. When somebody
does again, it opens one with `since`, from where it was; or, as our own pages do, without, and reads anew
what it shows.

A stream ends with the key that it was opened with: before each line it is asked for again.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial
from typing import Annotated, Any, Final

from fastapi import APIRouter, Header, Query, Request, Response
from fastapi.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from packshot.errors import ServiceUnavailable
from packshot.news import Event, Listener, News
from packshot.web.access import is_still_let_in
from packshot.web.backend import InBackend
from packshot.web.problems import refusals

router = APIRouter(tags=["events"])

MEDIA_TYPE: Final = "text/event-stream"
RETRY: Final = "retry: 2000\n\n"  # milliseconds
SILENCE: Final = ":\n\n"  # a comment: it keeps proxies from closing a quiet line
SILENCE_SECONDS: Final = 15
MOST_CHARACTERS: Final = 2_500  # of a position: a snapshot names every transaction that runs
DESCRIBED: Final[dict[int | str, dict[str, Any]]] = {
    200: {"description": "An endless stream.", "content": {MEDIA_TYPE: {"schema": {"type": "string"}}}}
}


class EventStream(StreamingResponse):
    """A response that lasts until the client or the server leaves."""

    media_type = MEDIA_TYPE

    def __init__(self, news: News, since: str, may_hear: Callable[[], Awaitable[bool]]) -> None:
        super().__init__((), headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"})
        self._news = news
        self._since = since
        self._may_hear = may_hear

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Listen for as long as it is sent."""
        with self._news.listening() as listener:
            await self._news.begin()
            self.body_iterator = self._lines(listener)
            await super().__call__(scope, receive, send)

    async def _lines(self, listener: Listener) -> AsyncIterator[str]:
        yield RETRY
        if self._since:
            missed = await self._news.since(self._since)
            for data in missed.events:
                yield write(Event(missed.position, data))
        async for line in self._heard(listener):
            if not await self._may_be_told(line):
                return
            yield line

    async def _may_be_told(self, line: str) -> bool:
        try:
            return await self._may_hear()
        except ServiceUnavailable:
            return line == SILENCE  # which tells nothing; a line that is kept is there when the database is

    async def _heard(self, listener: Listener) -> AsyncIterator[str]:
        while True:
            try:
                async with asyncio.timeout(SILENCE_SECONDS):
                    event = await listener.hear()
            except TimeoutError:
                yield SILENCE
                continue
            if event is None:
                return
            yield write(event)


def write(event: Event) -> str:
    """Write an event as the standard wants it; JSON has no line breaks."""
    data = json.dumps(event.data, default=str, separators=(",", ":"))
    return f"id: {event.position}\ndata: {data}\n\n"


@router.get("/events", response_class=Response, responses={**DESCRIBED, **refusals(422)})
async def events(
    request: Request,
    backend: InBackend,
    since: Annotated[
        str, Query(max_length=MOST_CHARACTERS, description="`position` of what was read last.")
    ] = "",
    last_event_id: Annotated[str, Header(max_length=MOST_CHARACTERS)] = "",
) -> EventStream:
    """Hear what changes: `totals`, a `product` and its state, an `image` without a product, or `many`."""
    return EventStream(backend.news, last_event_id or since, partial(is_still_let_in, request))
