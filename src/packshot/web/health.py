"""Is the process alive, and can it do its work?"""

from fastapi import APIRouter

from packshot.web.backend import InBackend

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
