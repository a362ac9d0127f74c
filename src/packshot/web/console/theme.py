"""Light or dark: what the visitor wants, in a cookie, so that the first paint knows it without a script."""

from typing import Final

from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse

from packshot.web.console.doors import Page
from packshot.web.console.forms import Form, local
from packshot.web.console.pages import THEME_COOKIE, THEMES, keep_cookie

A_YEAR_SECONDS: Final = 31_536_000

router = APIRouter(prefix="/console", include_in_schema=False, route_class=Page)


@router.post("/theme")
async def choose_theme(request: Request, fields: Form) -> Response:
    """Remember the colours, and go back."""
    page = RedirectResponse(local(fields.get("back", ""), "/"), 303)
    wanted = fields.get("theme", "")
    if wanted in THEMES:
        keep_cookie(request, page, THEME_COOKIE, wanted, A_YEAR_SECONDS)
    return page
