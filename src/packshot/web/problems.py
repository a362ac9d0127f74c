"""Errors as `application/problem+json` (RFC 9457). A validation problem names every field."""

import logging
from collections.abc import Callable, Coroutine, Mapping
from http import HTTPStatus
from typing import Any, Final

from fastapi import Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from fastapi.routing import iter_route_contexts
from pydantic import BaseModel
from starlette.exceptions import HTTPException
from starlette.routing import Match

from packshot.errors import (
    Conflict,
    InvalidInput,
    NotFound,
    PackshotError,
    RequestInFlight,
    ServiceUnavailable,
)
from packshot.telemetry import current
from packshot.web.bodies import NOWHERE, problems

log = logging.getLogger(__name__)

MEDIA_TYPE: Final = "application/problem+json"
SOON: Final = {"Retry-After": "1"}  # seconds
LATER: Final = {"Retry-After": "5"}
AWAY: Final = "The database or the store does not answer. Nothing is lost; try again."
STATUSES: Final[Mapping[type[PackshotError], int]] = {
    NotFound: 404,
    Conflict: 409,
    InvalidInput: 422,
    ServiceUnavailable: 503,
}
MOST_IN_A_SENTENCE: Final = 10
MOST_CHARACTERS_SAID: Final = 200  # of what somebody sent
STRICT: Final = (  # first the header for all, then the one for what is not a page
    (b"x-content-type-options", b"nosniff"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
)
MEANINGS: Final = {
    400: "This is not HTTP, or the body is not JSON.",
    401: "There is no access key, or not one that works.",
    429: "Too many requests came with this access key; see `Retry-After` and `RateLimit`.",
    403: "The access key has another scope, or another site would write.",
    404: "There is no such thing.",
    408: "The request did not arrive in time.",
    409: "The thing is not in the state that this needs.",
    413: "The body is too long.",
    414: "The URL is too long.",
    416: "The picture has no such part.",
    422: "Some fields are not right; `errors` names them.",
    431: "The headers are too long, or too many.",
    503: "The database or the store does not answer, or too many ask at once; see `Retry-After`.",
}


class WrongFields(Exception):
    """What a body says is refused, field by field; the fields and sentences are known already."""

    def __init__(self, errors: list[dict[str, str]]) -> None:
        super().__init__(f"{len(errors)} fields are not right")
        self.errors = errors


class FieldProblem(BaseModel):
    """What is wrong with one field, such as `product_images[3]`."""

    field: str
    message: str


class Problem(BaseModel):
    """Why a request was refused (RFC 9457). `errors` names wrong fields; the log knows the `request_id`."""

    type: str = "about:blank"
    title: str
    status: int
    detail: str
    request_id: str = ""
    errors: list[FieldProblem] = []


def refusals(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Describe error answers for OpenAPI."""
    return {status: {"model": Problem, "description": MEANINGS[status]} for status in statuses}


# see `clients`, which reads every request first, and `access`, which may not let it in
ANY_REFUSALS: Final = refusals(400, 408, 413, 414, 431, 503)
LOCKED_REFUSALS: Final = refusals(401, 403, 429)
BODY_REFUSALS: Final = refusals(403, 422)


def problem(
    status: int, detail: str, headers: Mapping[str, str] | None = None, **more: object
) -> JSONResponse:
    """Shape one error answer."""
    title = HTTPStatus(status).phrase
    body = {"type": "about:blank", "title": title, "status": status, "detail": detail, **more}
    if request_id := current("request_id"):
        body["request_id"] = request_id
    return JSONResponse(body, status, headers, media_type=MEDIA_TYPE)


def _wrong_fields(errors: list[dict[str, str]]) -> JSONResponse:
    detail = "; ".join(f"{error['field']}: {error['message']}" for error in errors[:MOST_IN_A_SENTENCE])
    return problem(422, detail, errors=errors)


async def _told(_: Request, error: NotFound | Conflict) -> JSONResponse:
    return problem(status_of(error), str(error), SOON if isinstance(error, RequestInFlight) else None)


async def _invalid(_: Request, error: InvalidInput) -> JSONResponse:
    return _wrong_fields([{"field": error.field, "message": str(error)}])


async def _wrong(_: Request, error: WrongFields) -> JSONResponse:
    return _wrong_fields(error.errors)


async def _malformed(_: Request, error: RequestValidationError) -> JSONResponse:
    first = error.errors()[0]
    if first["type"] == "json_invalid":
        place = first["loc"][1]
        where = f", at character {place + 1}" if place > NOWHERE else ""
        return problem(400, f"The body is not valid JSON{where}: {first['ctx']['error']}.")
    within = [{**e, "loc": e["loc"][1:]} for e in error.errors()]  # the body, the path or the query
    return _wrong_fields(problems(within))


async def _unavailable(_: Request, error: ServiceUnavailable) -> JSONResponse:
    return unavailable(error)


def unavailable(error: ServiceUnavailable) -> JSONResponse:
    """Say that it is our own trouble."""
    note_outage(error)
    return problem(503, AWAY, LATER)


def note_outage(error: ServiceUnavailable) -> None:
    """Tell the log what is away; nobody else needs to know."""
    log.warning("request failed: a part is away", extra={"reason": str(error)})


def status_of(error: PackshotError) -> int:
    """Return the status of an error that is no bug."""
    return next(status for kind, status in STATUSES.items() if isinstance(error, kind))


async def _no_such_path(request: Request, _: HTTPException) -> JSONResponse:
    path = request.scope["path"][:MOST_CHARACTERS_SAID]
    return problem(404, f"There is nothing at {path}; /docs shows what there is.")


async def _no_such_method(request: Request, _: HTTPException) -> JSONResponse:
    """The framework names the methods of one route only, and a path may have several."""
    routes = iter_route_contexts(request.app.routes)
    here = [route for route in routes if route.matches(request.scope)[0] != Match.NONE]
    allowed = ", ".join(sorted({method for route in here for method in route.methods or ()}))
    return problem(405, f"{request.method} is not possible here, only {allowed}.", {"Allow": allowed})


async def _refused(_: Request, error: HTTPException) -> JSONResponse:
    return problem(error.status_code, error.detail, error.headers)


async def _bug(_: Request, __: Exception) -> JSONResponse:
    return problem(500, "This is a bug in Packshot; its log has the details.")


HANDLERS: Final[dict[int | type[Exception], Callable[[Request, Any], Coroutine[Any, Any, Response]]]] = {
    NotFound: _told,
    Conflict: _told,
    InvalidInput: _invalid,
    WrongFields: _wrong,
    RequestValidationError: _malformed,
    ServiceUnavailable: _unavailable,
    404: _no_such_path,
    405: _no_such_method,
    HTTPException: _refused,
    Exception: _bug,
}
