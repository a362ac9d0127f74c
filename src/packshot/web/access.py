"""
Who may do what: the one place that says which scope a request needs, and the door that asks for it.

Without any key Packshot is in protected mode: it serves this machine alone, and whoever is on it may do
everything. A page elsewhere must not lead a browser here (by a name for 127.0.0.1), and a proxy must not let
others in. The end of the last key does not lead back there on a process that listens elsewhere.
"""

import re
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import urlencode, urlsplit

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Receive, Send
from starlette.types import Scope as Connection

from packshot.addresses import is_loopback
from packshot.errors import ServiceUnavailable
from packshot.keys import Caller, Scope
from packshot.web.backend import Backend
from packshot.web.guards import SAFE_METHODS
from packshot.web.problems import problem, unavailable

# The first part of a path. What is in none of these is for admins.
OPEN: Final = frozenset({"healthz", "readyz"})
SHARED: Final = frozenset(
    {"docs", "events", "images", "metrics", "openapi.json", "process-image", "products", "users"}
)

# A browser signs in once and then sends its key in a cookie: it counts where nothing is changed, and for the
# console's forms, which carry a token. To sign in, and for the files of the console, it needs none.
KEY_COOKIE: Final = "packshot_key"
SIGN_IN: Final = "/console/sign-in"
CONSOLE: Final = frozenset({"", "console", "docs"})
CONSOLE_OPEN: Final = (SIGN_IN, "/console/files/")

ANYBODY_HERE: Final = Caller(None, Scope.ADMIN)
FORWARDED: Final = ("forwarded", "via", "x-forwarded-for", "x-forwarded-host", "x-real-ip")
BEARER: Final = re.compile(r"bearer +(\S+) *", re.IGNORECASE)
SECURITY: Final = {
    "accessKey": {
        "type": "http",
        "scheme": "bearer",
        "description": "A key that `packshot keys create` has made. While there is none, none is needed.",
    }
}
HOW: Final = "Make one: packshot keys create NAME --scope admin"


def needed_scope(method: str, path: str) -> Scope | None:
    """Return what a request needs, None if no key."""
    if area(path) in OPEN or path.startswith(CONSOLE_OPEN):
        return None
    if area(path) not in SHARED:
        return Scope.ADMIN
    return Scope.READ if method in SAFE_METHODS else Scope.WRITE


def lock(method: str, path: str) -> dict[str, Any]:
    """Say in OpenAPI what an operation needs."""
    needed = needed_scope(method, path)
    return {"security": [{"accessKey": [needed]}] if needed else []}


def area(path: str) -> str:
    """Return the first part of a path."""
    return path.lstrip("/").partition("/")[0]


class Door:
    """Lets in what may come in, and writes on each request who sends it: `request.state.caller`."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Connection, receive: Receive, send: Send) -> None:  # noqa: D102 - ASGI's
        if scope["type"] != "http":
            await self._app(scope, receive, send)
        elif answer := await refusal(scope):
            await answer(scope, receive, send)
        else:
            await self._app(scope, receive, send)


async def refusal(scope: Connection) -> Response | None:
    """Write down who sends a request; return the answer if that one may not send it."""
    try:
        scope.setdefault("state", {})["caller"] = await admit(scope)
    except HTTPException as error:
        if error.status_code == HTTPStatus.UNAUTHORIZED and is_page(scope):
            return RedirectResponse(f"{SIGN_IN}?{urlencode({'next': scope['path']})}", 303)
        return problem(error.status_code, error.detail, error.headers)
    except ServiceUnavailable as error:
        return unavailable(error)
    return None


def is_page(scope: Connection) -> bool:
    """Tell whether somebody looks at the console."""
    return area(scope["path"]) in CONSOLE and "text/html" in Headers(scope=scope).get("accept", "")


async def admit(scope: Connection) -> Caller | None:
    """Return who sends a request, None if it does not matter; raise HTTPException."""
    needed = needed_scope(scope["method"], scope["path"])
    if needed is None:
        return None
    backend: Backend = scope["app"].state.backend
    headers = Headers(scope=scope)
    if await backend.keyring.is_empty():
        check_protection(headers, listens_elsewhere=backend.listens_elsewhere)
        return ANYBODY_HERE
    caller = await backend.keyring.verify(secret_in(Request(scope)))
    if caller is None:
        raise unknown()
    if not caller.scope.covers(needed):
        raise lacking(caller.scope, needed)
    return caller


def check_protection(headers: Headers, *, listens_elsewhere: bool) -> None:
    """Raise HTTPException unless the request comes from this machine, and from nobody behind it."""
    if listens_elsewhere:
        raise HTTPException(403, f"No access key is valid any more, so nobody is let in. {HOW}")
    if not is_loopback(host_in(headers)):
        raise HTTPException(
            403, f"Without an access key Packshot answers at localhost and 127.0.0.1 only. {HOW}"
        )
    if any(name in headers for name in FORWARDED):
        raise HTTPException(403, f"Without an access key Packshot serves nobody behind a proxy. {HOW}")


def host_in(headers: Headers) -> str:
    """Return the name under which the client knows us."""
    try:
        return urlsplit(f"//{headers.get('host', '')}").hostname or ""
    except ValueError:
        return ""


def secret_in(request: Request) -> str:
    """Return the key that comes with a request; raise HTTPException."""
    if found := BEARER.fullmatch(request.headers.get("authorization", "")):
        return found[1]
    may_be_cookie = request.method in SAFE_METHODS or area(request.scope["path"]) in CONSOLE
    if may_be_cookie and (secret := request.cookies.get(KEY_COOKIE)):
        return secret
    challenge = {"WWW-Authenticate": "Bearer"}
    raise HTTPException(401, "Send an access key: Authorization: Bearer packshot_…", challenge)


def unknown() -> HTTPException:
    """Return what is said about a key that does not work, and not whether it ever did."""
    challenge = {"WWW-Authenticate": 'Bearer error="invalid_token"'}
    return HTTPException(401, "This access key is wrong, revoked or expired.", challenge)


def lacking(scope: Scope, needed: Scope) -> HTTPException:
    """Return what is said to a key that may not do this."""
    challenge = {"WWW-Authenticate": f'Bearer error="insufficient_scope", scope="{needed}"'}
    return HTTPException(
        403, f"This needs an access key with the scope {needed}; yours has {scope}.", challenge
    )
