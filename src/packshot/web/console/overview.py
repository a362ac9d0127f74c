"""How everything is, at a glance. A program that asks for / is told where the API is described."""

import asyncio
from dataclasses import dataclass
from math import inf
from time import monotonic
from typing import Annotated, Final

from fastapi import APIRouter, FastAPI, Header, Request, Response

from packshot.overview import FailureGroup, Totals
from packshot.products import Filters
from packshot.web.backend import Backend, InBackend
from packshot.web.console.doors import Page
from packshot.web.console.pages import show
from packshot.web.problems import problem
from packshot.web.views import ProductView, view_product

router = APIRouter(include_in_schema=False, route_class=Page)

NEWEST: Final = 8
MOST_FAILURES: Final = 6
REMEMBERED_SECONDS: Final = 1


@dataclass(frozen=True, slots=True)
class Glance:
    """Everything that the page shows."""

    totals: Totals
    failures: list[FailureGroup]
    newest: list[ProductView]


class Glances:
    """What the overview shows, read once a second at most, however many look."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        self._reading = asyncio.Lock()
        self._read_at = -inf
        self._last: Glance

    def are_of(self, backend: Backend) -> bool:
        """Tell whether they look at these rooms."""
        return self._backend is backend

    async def now(self) -> Glance:
        """Return what there is to see."""
        async with self._reading:
            if monotonic() - self._read_at > REMEMBERED_SECONDS:
                self._last = await self._read()
                self._read_at = monotonic()
        return self._last

    async def _read(self) -> Glance:
        overview, store = self._backend.overview, self._backend.store
        newest = await self._backend.products.page(Filters(), NEWEST)
        return Glance(
            await overview.totals(),
            await overview.failures(MOST_FAILURES),
            [view_product(row, store) for row in newest],
        )


@router.get("/")
async def read_overview(
    request: Request, backend: InBackend, accept: Annotated[str, Header()] = ""
) -> Response:
    """Show the totals, what fails, and the newest products."""
    if "text/html" not in accept:
        return problem(404, "There is nothing at / for programs; /docs shows what there is.")
    glance = await _glances(request.app, backend).now()
    return await show(
        request, "overview.html", totals=glance.totals, failures=glance.failures, newest=glance.newest
    )


def _glances(app: FastAPI, backend: Backend) -> Glances:
    """Find those of this process, or begin."""
    found: Glances | None = getattr(app.state, "glances", None)
    if found is None or not found.are_of(backend):
        found = app.state.glances = Glances(backend)
    return found
