"""
Reads what a form has sent, if it is one of ours.

A body of the API counts as JSON whatever it calls itself; a form's fields count only with the token that
our own pages carry. So neither can be used in the place of the other.
"""

import hmac
from typing import Annotated, Final
from urllib.parse import parse_qsl

from fastapi import Depends, HTTPException, Request

from packshot.web.access import KEY_COOKIE
from packshot.web.console.pages import COOKIE, form_token

MOST_FIELDS: Final = 1_000
FORM: Final = "application/x-www-form-urlencoded"
UNREADABLE: Final = "The form holds what is no text."
STALE: Final = "This form is not from a page of this console, or is too old. Load the page again."


async def sent(request: Request) -> dict[str, str]:
    """Return the fields of a form as they came, to be sent again; nothing if it is none, or holds a key."""
    try:
        fields = await _fields(request)
    except HTTPException:
        return {}
    return {} if "key" in fields else fields


async def _fields(request: Request) -> dict[str, str]:
    if request.headers.get("content-type", "").partition(";")[0] != FORM:
        raise HTTPException(403, STALE)
    try:
        text = (await request.body()).decode()
        fields = parse_qsl(text, keep_blank_values=True, errors="strict", max_num_fields=MOST_FIELDS)
    except ValueError as error:
        raise HTTPException(422, UNREADABLE) from error
    if any("\0" in value for _, value in fields):
        raise HTTPException(422, UNREADABLE)
    return dict(fields)


async def _read(request: Request) -> dict[str, str]:
    fields = await _fields(request)
    expected = form_token(request.cookies.get(COOKIE, ""), request.cookies.get(KEY_COOKIE, ""))
    if not request.cookies.get(COOKIE) or not hmac.compare_digest(
        fields.pop("token", "").encode(), expected.encode()
    ):
        raise HTTPException(403, STALE)
    return fields


Form = Annotated[dict[str, str], Depends(_read)]


def local(path: str, otherwise: str) -> str:
    """Return a path of ours to go back to; never one of another server."""
    return path if path.startswith("/") and not path.startswith(("//", "/\\")) else otherwise
