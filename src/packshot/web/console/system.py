"""What Packshot runs on: its parts and whether they answer, who works, the settings in force."""

from fastapi import APIRouter, Request, Response

from packshot.web.backend import InBackend
from packshot.web.console.doors import Page
from packshot.web.console.pages import show

router = APIRouter(prefix="/console", include_in_schema=False, route_class=Page)


@router.get("/system")
async def read_system(request: Request, backend: InBackend) -> Response:
    """Show it."""
    return await show(
        request,
        "system.html",
        system=await backend.overview.system(),
        answers=await backend.vitals.parts(),
        elsewhere=backend.public_url,
    )
