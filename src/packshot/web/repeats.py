"""
Requests that may be sent again: what `Idempotency-Key` promises, over HTTP.

Without the header nothing is different, and costs nothing. With it the work of a route and its answer are
one transaction, see `first_answers`. What the work is, a route here does not know.
"""

import hashlib
from typing import Annotated, Any, Final

from fastapi import Header, Request, Response

from packshot.database import Connection
from packshot.errors import InvalidInput
from packshot.first_answers import HEADER, Answer, Question
from packshot.keys import Caller
from packshot.web.backend import Backend
from packshot.web.guards import Handler, JsonRoute
from packshot.web.problems import refusals

NO_KEY: Final = 0  # of access: the owner of what is asked without one
REPEATED: Final = "Idempotent-Replayed"
REPEAT_RESPONSES: Final[dict[int | str, dict[str, Any]]] = refusals(409)


async def takes_a_key(
    idempotency_key: Annotated[
        str | None,
        Header(
            min_length=1,
            max_length=255,
            pattern="^[!-~]+$",
            description="A text of your own for this request, such as a UUID. For a day the same request "
            f"gets the same answer, with the header `{REPEATED}: true`, and is not done again.",
        ),
    ] = None,
) -> None:
    """Check the header, and show it in OpenAPI; a route of this kind has read it before."""


class RepeatableRoute(JsonRoute):
    """A route whose request has one effect however often it is sent, if it names a key."""

    async def respond(self, request: Request, handle: Handler) -> Response:
        """Answer as the first time, or for the first time."""
        named = request.headers.getlist(HEADER)
        if not named:
            return await handle(request)
        if len(named) > 1:
            raise InvalidInput(HEADER, "Send one Idempotency-Key: which of several counts, nobody could say.")
        backend: Backend = request.app.state.backend

        async def work(connection: Connection) -> Answer:
            request.state.backend = backend.within(connection)
            response = await handle(request)
            return Answer(response.status_code, response.headers.get("location"), bytes(response.body))

        answer = await backend.first_answers.answer(await _question(request), work)
        backend.producer.wake()
        return _response(answer)


def owner_of(request: Request) -> int:
    """Return whose answers a request may be given."""
    caller: Caller = request.state.caller
    return caller.key_id or NO_KEY


async def _question(request: Request) -> Question:
    asked = f"{request.method} {request.url.path}\n".encode() + await request.body()
    return Question(owner_of(request), request.headers[HEADER], hashlib.sha256(asked).digest())


def _response(answer: Answer) -> Response:
    headers = {
        **({"Location": answer.location} if answer.location else {}),
        **({REPEATED: "true"} if answer.is_repeated else {}),
    }
    return Response(answer.body, answer.status, headers, media_type="application/json")
