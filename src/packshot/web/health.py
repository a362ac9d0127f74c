"""Is the process alive, can it do its work, and how is it getting on?"""

from typing import Literal

from fastapi import APIRouter, Response
from fastapi.responses import JSONResponse
from pydantic import BaseModel

from packshot.database import Database
from packshot.errors import ServiceUnavailable
from packshot.metrics import CONTENT_TYPE
from packshot.web.backend import InBackend
from packshot.web.problems import LATER, LOCKED_REFUSALS, problem

Part = Literal["ok", "away"]

router = APIRouter(tags=["health"])


class Readiness(BaseModel):
    """Whether this process can do its work, and which parts of the system answer it."""

    status: Literal["ready"]
    parts: dict[str, Part]


@router.get("/healthz")
async def healthz() -> dict[str, str]:
    """Answer as long as the process lives."""
    return {"status": "alive"}


@router.get("/readyz", responses={200: {"model": Readiness}})
async def readyz(backend: InBackend) -> Response:
    """Answer 200 if a write to the database succeeds, 503 otherwise; both name the parts that are away.

    Work goes on without the others: images wait for the store, and hints find another way.
    """
    takes_writes = await _takes_writes(backend.database)
    up = {**await backend.vitals.parts(), "database": takes_writes}
    parts: dict[str, Part] = {part: "ok" if is_up else "away" for part, is_up in up.items()}
    if takes_writes:
        return JSONResponse(Readiness(status="ready", parts=parts).model_dump())
    return problem(503, "The database does not take a write.", LATER, parts=parts)


async def _takes_writes(database: Database) -> bool:
    try:
        await database.check()
    except ServiceUnavailable:  # the lifeline says why, and how often that is worth a line
        return False
    return True


@router.get(
    "/metrics",
    response_class=Response,
    responses={
        200: {"description": "Figures for Prometheus.", "content": {"text/plain": {}}},
        **LOCKED_REFUSALS,
    },
)
async def metrics(backend: InBackend) -> Response:
    """Show what this process has counted, and how the system is; never fails because a part is down."""
    return Response(await backend.vitals.exposition(), media_type=CONTENT_TYPE)
