"""All routes of the console, in the order in which they are tried."""

from typing import Final

from fastapi import APIRouter, Response

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
async def lose_the_way(path: str) -> Response:  # noqa: ARG001 - FastAPI wants it named
    """Refuse."""
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
