"""
Who may do what: the one place that says which scope a request needs, and the door that asks for it.

Before the first key is made, Packshot is in protected mode: it serves this machine alone, and whoever is on
it may do everything. A page elsewhere must not lead a browser here (by a name for 127.0.0.1), and a proxy
must not let others in. The end of the last key does not lead back there: then nobody is let in, and only
public pictures are shown.
"""

import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import urlencode, urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Send
from starlette.types import Scope as Connection

from packshot.addresses import is_loopback
from packshot.errors import ServiceUnavailable
from packshot.keys import Caller, Scope
from packshot.web.backend import Backend
from packshot.web.guards import SAFE_METHODS
from packshot.web.pictures import Pictures, is_picture, is_signed
from packshot.web.policy import Policy
from packshot.web.problems import problem, unavailable
from packshot.web.rates import Allowance

# The first part of a path. What is in none of these is for admins.
OPEN: Final = frozenset({"healthz", "readyz"})
SHARED: Final = frozenset(
    {"docs", "events", "images", "metrics", "openapi.json", "process-image", "products", "users"}
)

# What tells that the database is away is read while it is: the keys that were read last do there.
METRICS: Final = "/metrics"

# A browser signs in once and then sends its key in a cookie: it counts where nothing is changed, and for the
# console's forms, which carry a token. To sign in, and for the files of the console, it needs none.
KEY_COOKIE: Final = "packshot_key"
SIGN_IN: Final = "/console/sign-in"
CONSOLE: Final = frozenset({"", "console", "docs"})
CONSOLE_OPEN: Final = (SIGN_IN, "/console/files/")

# They cost nothing and nobody guesses one: a hint to who repeats a mistake, and no wall. A good key is never
# refused because of wrong ones from the same address.
WRONG_KEYS_PER_MINUTE: Final = 600

Explain = Callable[[Request, Exception], Awaitable[Response]]

ANYBODY_HERE: Final = Caller(None, Scope.ADMIN)
FORWARDED: Final = (
    "cf-connecting-ip",
    "forwarded",
    "true-client-ip",
    "via",
    "x-client-ip",
    "x-forwarded",  # and whatever begins so: -For, -Host, -Proto, -Port, -Server …
    "x-real-ip",
)
BEARER: Final = re.compile(r"bearer +(\S+) *", re.IGNORECASE)
SECURITY: Final = {
    "accessKey": {
        "type": "http",
        "scheme": "bearer",
        "description": "A key that `packshot keys create` has made. While there is none, none is needed.",
    }
}
HOW: Final = "Make one: packshot keys create NAME --scope admin"
ANOTHER: Final = "Make another: packshot keys create NAME --scope admin"


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
    free: list[dict[str, list[str]]] = [{}] if method in SAFE_METHODS and is_picture(path) else []
    return {"security": [*free, {"accessKey": [needed]}] if needed else []}


def area(path: str) -> str:
    """Return the first part of a path."""
    return path.lstrip("/").partition("/")[0]


@dataclass(frozen=True, slots=True)
class Entry:
    """Who comes in, None if that does not matter, and what the answer shall say of how often."""

    caller: Caller | None = None
    headers: Mapping[str, str] = field(default_factory=dict)


class Door:
    """Lets in what may come in, and writes on each request who sends it: `request.state.caller`.

    People who look at the console are told why not by a page, if `explain` makes one.
    """

    def __init__(self, app: ASGIApp, explain: Explain | None = None) -> None:
        self._app = app
        self._explain = explain

    async def __call__(self, scope: Connection, receive: Receive, send: Send) -> None:  # noqa: D102 - ASGI's
        try:
            entry = await admit(scope) if scope["type"] == "http" else Entry()
        except (HTTPException, ServiceUnavailable) as error:
            answer = await self._refusal(Request(scope, receive), error)
            await answer(scope, receive, send)
            return
        scope.setdefault("state", {})["caller"] = entry.caller

        async def send_on(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(entry.headers)
            await send(message)

        await self._app(scope, receive, send_on if entry.headers else send)

    async def _refusal(self, request: Request, error: HTTPException | ServiceUnavailable) -> Response:
        if self._explain is None or not is_page(request.scope):
            return refusal(error)
        match error:
            case HTTPException(status_code=HTTPStatus.UNAUTHORIZED):
                return sign_in(request.scope)
        return await self._explain(request, error)


async def admit(scope: Connection) -> Entry:
    """Return who comes in; raise HTTPException for who does not, and ServiceUnavailable."""
    needed = needed_scope(scope["method"], scope["path"])
    if needed is None:
        return Entry()
    backend: Backend = scope["app"].state.backend
    old_will_do = scope["path"] == METRICS
    if await backend.keyring.is_new(old_will_do=old_will_do):
        check_protection(Headers(scope=scope), listens_elsewhere=backend.policy.listens_elsewhere)
        return Entry(ANYBODY_HERE)
    if is_shown(scope, backend.policy.pictures):
        return Entry()
    if await backend.keyring.is_empty(old_will_do=old_will_do):
        raise HTTPException(403, f"Every access key has ended, so nobody is let in. {ANOTHER}")
    entry = await recognise(Request(scope), backend)
    if entry.caller and not entry.caller.scope.covers(needed):
        raise lacking(entry.caller.scope, needed)
    return entry


async def is_still_let_in(request: Request) -> bool:
    """Tell whether who came in before would come in now, with the same rights; raise ServiceUnavailable."""
    caller: Caller = request.state.caller
    keyring = request.app.state.backend.keyring
    if caller.key_id is None:
        return bool(await keyring.is_new())
    return bool(caller == await keyring.verify(secret_in(request)))


def is_shown(scope: Connection, pictures: Pictures) -> bool:
    """Tell whether it is a picture that needs no key; raise HTTPException if its signature is not right."""
    query = scope["query_string"].decode("latin-1")
    if scope["method"] not in SAFE_METHODS or not is_picture(scope["path"]):
        return False
    if pictures.shows(scope["path"], query):
        return True
    if is_signed(query):
        raise HTTPException(
            403, "This address of a picture is wrong, or its time is over; ask for a new one."
        )
    return False


async def recognise(request: Request, backend: Backend) -> Entry:
    """Return whose key comes with a request; raise HTTPException if it does not work, or comes too often."""
    policy, old_will_do = backend.policy, request.scope["path"] == METRICS
    caller = await backend.keyring.verify(secret_in(request), old_will_do=old_will_do)
    if caller is None:
        count_wrong_key(request, policy)
        raise unknown()
    request.state.caller = caller  # the log knows whom we refuse, too
    limit = caller.requests_per_minute or policy.rate_limit
    return Entry(caller, check(policy.rates.take(caller.key_id, limit)) if limit else {})


def count_wrong_key(request: Request, policy: Policy) -> None:
    """Count a wrong key against its address; raise HTTPException for one of too many."""
    address = request.client.host if request.client else ""
    check(policy.refusals.take(address, WRONG_KEYS_PER_MINUTE))


def check(allowance: Allowance) -> Mapping[str, str]:
    """Return the headers of an answer; raise HTTPException if there shall be none."""
    if allowance.granted:
        return allowance.headers
    seconds = f"{allowance.retry_after} s"
    sentence = f"Only {allowance.per_minute:,} requests per minute are taken; the next one in {seconds}."
    raise HTTPException(429, sentence, dict(allowance.headers))


def refusal(error: HTTPException | ServiceUnavailable) -> Response:
    """Say why not."""
    if isinstance(error, ServiceUnavailable):
        return unavailable(error)
    return problem(error.status_code, error.detail, error.headers)


def sign_in(scope: Connection) -> Response:
    """Lead to where one signs in, and from there to what one wanted to see."""
    goal = here(scope) if scope["method"] in SAFE_METHODS else "/"
    return RedirectResponse(f"{SIGN_IN}?{urlencode({'next': goal})}", 303)


def here(scope: Connection) -> str:
    """Return the path of a request with its query."""
    query = scope["query_string"].decode("latin-1")
    return f"{scope['path']}?{query}" if query else str(scope["path"])


def is_page(scope: Connection) -> bool:
    """Tell whether somebody looks at the console."""
    return area(scope["path"]) in CONSOLE and "text/html" in Headers(scope=scope).get("accept", "")


def check_protection(headers: Headers, *, listens_elsewhere: bool) -> None:
    """Raise HTTPException unless the request comes from this machine, and from nobody behind it."""
    if listens_elsewhere:
        raise HTTPException(403, f"There is no access key, so nobody is let in. {HOW}")
    if not is_loopback(host_in(headers)):
        raise HTTPException(
            403, f"Without an access key Packshot answers at localhost and 127.0.0.1 only. {HOW}"
        )
    if any(name.startswith(FORWARDED) for name in headers):
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
