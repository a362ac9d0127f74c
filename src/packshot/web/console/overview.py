"""How everything is, at a glance. A program that asks for / is told where the API is described."""

import asyncio
from time import monotonic
from typing import Annotated, Final

from fastapi import APIRouter, Header, Request, Response

from packshot.overview import FailureGroup, Overview, Totals
from packshot.products import Filters
from packshot.web.backend import Backend, InBackend
from packshot.web.console.doors import Page
from packshot.web.console.pages import show
from packshot.web.problems import problem
from packshot.web.views import view_product

router = APIRouter(include_in_schema=False, route_class=Page)

NEWEST: Final = 8
MOST_FAILURES: Final = 6
REMEMBERED_SECONDS: Final = 1

Glance = tuple[Totals, list[FailureGroup]]


class Glances:
    """What the overview shows, read once a second at most, however many look."""

    def __init__(self, overview: Overview) -> None:
        self._overview = overview
        self._reading = asyncio.Lock()
        self._read_at = -float("inf")
        self._last: Glance

    async def now(self) -> Glance:
        """Return totals and the largest groups of failures."""
        async with self._reading:
            if monotonic() - self._read_at > REMEMBERED_SECONDS:
                self._last = await self._overview.totals(), await self._overview.failures(MOST_FAILURES)
                self._read_at = monotonic()
        return self._last


@router.get("/")
async def read_overview(
    request: Request, backend: InBackend, accept: Annotated[str, Header()] = ""
) -> Response:
    """Show the totals, what fails, and the newest products."""
    if "text/html" not in accept:
        return problem(404, "There is nothing at / for programs; /docs shows what there is.")
    totals, failures = await _glances(request, backend).now()
    newest = await backend.products.page(Filters(), NEWEST)
    return await show(
        request,
        "overview.html",
        totals=totals,
        failures=failures,
        newest=[view_product(row, backend.store) for row in newest],
    )


def _glances(request: Request, backend: Backend) -> Glances:
    state = request.app.state
    if getattr(state, "glances_of", None) is not backend.overview:
        state.glances_of, state.glances = backend.overview, Glances(backend.overview)
    found: Glances = state.glances
    return found
