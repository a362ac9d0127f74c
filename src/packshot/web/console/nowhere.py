"""Where there is no page of the console, a page says so."""

from fastapi import APIRouter, Response

from packshot.errors import NotFound
from packshot.web.console.doors import NO_SUCH_PAGE, Page

router = APIRouter(prefix="/console", include_in_schema=False, route_class=Page)


@router.get("/{path:path}")
async def lose_the_way(path: str) -> Response:  # noqa: ARG001 - FastAPI wants it named
    """Refuse."""
    raise NotFound(NO_SUCH_PAGE)
