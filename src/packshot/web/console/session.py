"""
Signing in: a key with the scope admin, kept by the browser in a cookie that no script can read.

`web/access.py` reads it there with every request and asks the keyring, so a key that is revoked or expires
has signed its people out a second later. The cookie goes when the browser is closed. Before the first key
there is nothing to sign in to: then only this machine is served.
"""

from http import HTTPStatus
from typing import Annotated, Final

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import RedirectResponse

from packshot.keys import Scope
from packshot.web.access import KEY_COOKIE, SIGN_IN, count_wrong_key
from packshot.web.backend import InBackend
from packshot.web.console.doors import Page
from packshot.web.console.forms import Form, local
from packshot.web.console.pages import keep_cookie, show

router = APIRouter(include_in_schema=False, route_class=Page)

Goal = Annotated[str, Query(alias="next")]

WRONG: Final = "This key is wrong, revoked or expired."
NO_ADMIN: Final = "This key has the scope {}; the console needs one with the scope admin."


@router.get(SIGN_IN)
async def ask_for_key(request: Request, backend: InBackend, goal: Goal = "/") -> Response:
    """Ask for a key, if there is one."""
    if await backend.keyring.is_new():
        return RedirectResponse("/", 303)
    return await _ask(request, goal)


@router.post(SIGN_IN)
async def sign_in(request: Request, backend: InBackend, fields: Form) -> Response:
    """Take a key of an admin, and go where its owner wanted to."""
    goal, secret = fields.get("next", "/"), fields.get("key", "").strip()
    caller = await backend.keyring.verify(secret)
    if caller is None:
        count_wrong_key(request, backend.policy)
        return await _ask(request, goal, WRONG)
    if not caller.scope.covers(Scope.ADMIN):
        return await _ask(request, goal, NO_ADMIN.format(caller.scope))
    page = RedirectResponse(local(goal, "/"), 303)
    keep_cookie(request, page, KEY_COOKIE, secret)
    return page


@router.post("/console/sign-out")
async def sign_out(_: Form) -> Response:
    """Forget the key."""
    page = RedirectResponse(SIGN_IN, 303)
    page.delete_cookie(KEY_COOKIE, httponly=True, samesite="lax")
    return page


async def _ask(request: Request, goal: str, wrong: str = "") -> Response:
    status = HTTPStatus.FORBIDDEN if wrong else HTTPStatus.OK
    return await show(
        request, "sign_in.html", status, goal=local(goal, "/"), wrong={"key": wrong} if wrong else {}
    )
