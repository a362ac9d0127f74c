"""
Makes pages of templates. Everything that a template is given is text until it says otherwise.

The policy that goes with each page lets it load nothing from anywhere else, and run nothing but our files.
Only where the pictures lie in a bucket or behind a CDN, they may come from there.
"""

import hmac
import secrets
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from fastapi import Request, Response
from fastapi.responses import HTMLResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from packshot import __version__
from packshot.errors import CATALOGUE
from packshot.stores import ANY_KEY
from packshot.web.access import KEY_COOKIE, here
from packshot.web.backend import Backend
from packshot.web.console import files, wording
from packshot.web.console.pictures import full_picture, small_picture

COOKIE: Final = "packshot_console"
THEME_COOKIE: Final = "packshot_theme"
THEMES: Final = ("auto", "light", "dark")
HEADERS: Final = {
    "Cache-Control": "no-store",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
POLICY: Final = (
    "default-src 'none'; img-src 'self' data:{elsewhere}; style-src 'self'; script-src 'self';"
    " connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)

ENVIRONMENT: Final = Environment(
    loader=FileSystemLoader(Path(__file__).with_name("templates")),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
ENVIRONMENT.filters |= {
    one.__name__: one
    for one in (
        wording.ago,
        wording.bars,
        wording.count,
        wording.exact,
        wording.milliseconds,
        wording.plain,
        wording.price,
        wording.scheme,
        wording.share,
        wording.size,
        wording.span,
    )
}
ENVIRONMENT.globals |= {
    "file": files.address,
    "version": __version__,
    "themes": THEMES,
    "unique": secrets.token_urlsafe,
    "catalogue": CATALOGUE,
    "small_picture": small_picture,
    "full_picture": full_picture,
}


async def show(request: Request, template: str, status: int = 200, **values: Any) -> HTMLResponse:  # noqa: ANN401 - what templates show
    """Answer with a page."""
    visitor = request.cookies.get(COOKIE) or secrets.token_urlsafe()
    html = ENVIRONMENT.get_template(template).render(
        path=request.scope["path"],
        here=here(request.scope),
        theme=theme_of(request),
        token=form_token(visitor, request.cookies.get(KEY_COOKIE, "")),
        is_signed_in=KEY_COOKIE in request.cookies,
        **values,
    )
    policy = POLICY.format(elsewhere=await _elsewhere(request.app.state.backend))
    page = HTMLResponse(html, status, {**HEADERS, "Content-Security-Policy": policy})
    if COOKIE not in request.cookies:
        keep_cookie(request, page, COOKIE, visitor)
    return page


def keep_cookie(request: Request, page: Response, name: str, value: str, seconds: int | None = None) -> None:
    """Give the browser something to show us again, and nobody else; without `seconds` until it is closed."""
    is_secure = request.url.scheme == "https"
    page.set_cookie(name, value, seconds, httponly=True, samesite="lax", secure=is_secure, path="/")


def theme_of(request: Request) -> str:
    """Return the colours that the visitor has chosen."""
    wanted = request.cookies.get(THEME_COOKIE, "")
    return wanted if wanted in THEMES else THEMES[0]


def form_token(visitor: str, key: str) -> str:
    """Return what our forms carry: only who can read the visitor's cookies could make it.

    A sibling site can give a browser a cookie for a visitor, but not the key that it is signed in with.
    """
    return hmac.digest(visitor.encode(), f"packshot console form {key}".encode(), "sha256").hex()


async def _elsewhere(backend: Backend) -> str:
    """Return the other place where pictures lie, for the policy."""
    url = backend.public_url or await backend.store.url(ANY_KEY)
    if not url:
        return ""
    parts = urlsplit(url)
    return f" {parts.scheme}://{parts.netloc}"
