"""Errors as `application/problem+json` (RFC 9457). A validation problem names every field."""

import logging
from collections.abc import Sequence
from http import HTTPStatus
from typing import Final

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from packshot.errors import Conflict, InvalidInput, NotFound, ServiceUnavailable

log = logging.getLogger(__name__)

RETRY_AFTER_SECONDS: Final = 5


def problem(status: int, detail: str, headers: dict[str, str] | None = None, **more: object) -> JSONResponse:
    """Shape one error answer."""
    title = HTTPStatus(status).phrase
    body = {"type": "about:blank", "title": title, "status": status, "detail": detail, **more}
    return JSONResponse(body, status, headers, media_type="application/problem+json")


def handle_problems(api: FastAPI) -> None:
    """Answer each kind of error with its status."""

    @api.exception_handler(NotFound)
    async def not_found(_: Request, error: NotFound) -> JSONResponse:
        return problem(404, str(error))

    @api.exception_handler(Conflict)
    async def conflict(_: Request, error: Conflict) -> JSONResponse:
        return problem(409, str(error))

    @api.exception_handler(InvalidInput)
    async def invalid(_: Request, error: InvalidInput) -> JSONResponse:
        return _invalid([{"field": error.field, "message": str(error)}])

    @api.exception_handler(RequestValidationError)
    async def malformed(_: Request, error: RequestValidationError) -> JSONResponse:
        first = error.errors()[0]
        if first["type"] == "json_invalid":
            return problem(400, f"The body is not valid JSON: {first['ctx']['error']}.")
        return _invalid([{"field": _field(e["loc"]), "message": e["msg"].removeprefix("Value error, ")} for e in error.errors()])

    @api.exception_handler(ServiceUnavailable)
    async def unavailable(_: Request, error: ServiceUnavailable) -> JSONResponse:
        log.warning("request refused", extra={"reason": str(error)})
        headers = {"Retry-After": str(RETRY_AFTER_SECONDS)}
        return problem(503, "The database or the store does not answer. Nothing is lost; try again.", headers)

    @api.exception_handler(HTTPException)
    async def refused(_: Request, error: HTTPException) -> JSONResponse:
        return problem(error.status_code, error.detail, dict(error.headers or {}))

    @api.exception_handler(Exception)
    async def bug(_: Request, __: Exception) -> JSONResponse:
        return problem(500, "This is a bug in Packshot; its log has the details.")


def _invalid(errors: list[dict[str, str]]) -> JSONResponse:
    detail = "; ".join(f"{error['field']}: {error['message']}" for error in errors[:10])
    return problem(422, detail, errors=errors)


def _field(location: Sequence[int | str]) -> str:
    """Write ("body", "product_images", 3) as product_images[3]."""
    name = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in location[1:])
    return name.lstrip(".") or str(location[0])
