"""How everything is, at a glance. A program that asks for / is told where the API is described."""

from typing import Annotated, Final

from fastapi import APIRouter, Header, Request, Response

from packshot.products import Filters
from packshot.web.backend import InBackend
from packshot.web.console.doors import Page
from packshot.web.console.pages import show
from packshot.web.problems import problem
from packshot.web.views import view_product

router = APIRouter(include_in_schema=False, route_class=Page)

NEWEST: Final = 8
MOST_FAILURES: Final = 6


@router.get("/")
async def read_overview(
    request: Request, backend: InBackend, accept: Annotated[str, Header()] = ""
) -> Response:
    """Show the totals, what fails, and the newest products."""
    if "text/html" not in accept:
        return problem(404, "There is nothing at / for programs; /docs shows what there is.")
    newest = await backend.products.page(Filters(), NEWEST)
    return await show(
        request,
        "overview.html",
        totals=await backend.overview.totals(),
        failures=await backend.overview.failures(MOST_FAILURES),
        newest=[view_product(row, backend.store) for row in newest],
    )
