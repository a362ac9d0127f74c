"""All routes of the console, in the order in which they are tried."""

from typing import Final

from fastapi import APIRouter, Response
from fastapi.responses import RedirectResponse

from packshot.errors import NotFound
from packshot.web.console import (
    failures,
    files,
    overview,
    product,
    products,
    reference,
    session,
    source,
    system,
    theme,
)
from packshot.web.console.doors import NO_SUCH_PAGE, Page

nowhere = APIRouter(prefix="/console", include_in_schema=False, route_class=Page)


@nowhere.get("/{path:path}")
@nowhere.post("/{path:path}")
async def lose_the_way(path: str) -> Response:
    """Leave a slash at the end out, and lead from /console itself to the overview; refuse else."""
    if path.endswith("/"):
        return RedirectResponse(f"/console/{path.rstrip('/')}", 308)
    if not path:
        return RedirectResponse("/", 308)
    raise NotFound(NO_SUCH_PAGE)


MODULES: Final = (
    overview,
    products,
    product,
    source,
    failures,
    system,
    reference,
    session,
    theme,
    files,
)
ROUTERS: Final = (*(module.router for module in MODULES), nowhere)
