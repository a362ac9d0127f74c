"""
A form that makes something makes it once, however often it is sent: by a second click, or after an outage.

Each of these forms carries a text of its own, drawn with its page, so the same product typed twice is two.
Whoever goes back and writes something else means something else. As for the API, the work and its answer are
one transaction, see `first_answers`.
"""

import asyncio
import hashlib
import secrets
from collections.abc import Awaitable, Callable
from contextlib import suppress
from http import HTTPStatus
from typing import Final
from urllib.parse import urlencode

from fastapi import Request
from fastapi.responses import RedirectResponse

from packshot.database import Connection
from packshot.errors import RequestInFlight
from packshot.first_answers import Answer, Question
from packshot.producer import Producer
from packshot.web.backend import Backend
from packshot.web.repeats import owner_of

FIELD: Final = "once"
LOOKS: Final = 100  # five seconds in all
PAUSE_SECONDS: Final = 0.05

Make = Callable[[Producer], Awaitable[str]]


async def make_once(request: Request, fields: dict[str, str], make: Make) -> RedirectResponse:
    """Lead to what a form makes: `make` returns its address.

    Raises what `make` raises, and RequestInFlight if the same form is being dealt with for five seconds.
    """
    backend: Backend = request.app.state.backend
    question = _question(request, {FIELD: secrets.token_urlsafe(), **fields})

    async def work(connection: Connection) -> Answer:
        address = await make(backend.producer.within(connection))
        return Answer(HTTPStatus.SEE_OTHER, address, b"")

    for _ in range(LOOKS):
        with suppress(RequestInFlight):
            answer = await backend.first_answers.answer(question, work)
            backend.producer.wake()
            return RedirectResponse(answer.location or "/", answer.status)
        await asyncio.sleep(PAUSE_SECONDS)
    raise RequestInFlight("This form was sent before, and that has not been answered yet.")


def _question(request: Request, fields: dict[str, str]) -> Question:
    asked = hashlib.sha256(f"{request.url.path}?{urlencode(sorted(fields.items()))}".encode())
    # The API keeps nothing under a key with a space. All fields are in the key: others are another question.
    return Question(owner_of(request), f"form {asked.hexdigest()}", asked.digest())
