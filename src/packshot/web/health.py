"""Is the process alive, can it do its work, and how is it getting on?"""

from fastapi import APIRouter, Response

from packshot.metrics import CONTENT_TYPE
from packshot.web.backend import InBackend
from packshot.web.problems import LOCKED_REFUSALS

router = APIRouter(tags=["health"])


@router.get("/healthz")
async def healthz() -> dict[str, str]:
    """Answer as long as the process lives."""
    return {"status": "alive"}


@router.get("/readyz")
async def readyz(backend: InBackend) -> dict[str, str]:
    """Answer 200 if a write to the database succeeds, 503 otherwise."""
    await backend.database.check()
    return {"status": "ready"}


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
