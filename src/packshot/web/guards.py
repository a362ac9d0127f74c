"""What every request passes: bodies are JSON whatever they are called, and other sites cannot write."""

from collections.abc import Callable, Coroutine
from typing import Any, Final

from fastapi import Request, Response
from fastapi.routing import APIRoute
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from packshot.web.bodies import parse_body
from packshot.web.problems import STRICT, problem

# Our pages, and people themselves; a sibling is neither.
OURSELVES: Final = frozenset({"same-origin", "none"})
SAFE_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS"})

Handler = Callable[[Request], Coroutine[Any, Any, Response]]


class JsonRequest(Request):
    """A request whose body is JSON with exact numbers; `curl -d` would call it a form."""

    def __init__(self, scope: Scope, receive: Receive) -> None:
        scope = {**scope, "headers": list(scope["headers"])}
        MutableHeaders(scope=scope)["content-type"] = "application/json"
        super().__init__(scope, receive)

    async def json(self) -> Any:  # noqa: ANN401 - JSON is anything
        """Parse the body; raise JSONDecodeError."""
        return parse_body(await self.body())


class JsonRoute(APIRoute):
    """A route that reads its body with `JsonRequest`."""

    def get_route_handler(self) -> Handler:
        """Wrap the framework's handler."""
        handle = super().get_route_handler()

        async def handle_json(request: Request) -> Response:
            return await self.respond(JsonRequest(request.scope, request.receive), handle)

        return handle_json

    async def respond(self, request: Request, handle: Handler) -> Response:
        """Answer with the framework's handler."""
        return await handle(request)


class StrictHeaders:
    """Tells browsers to take every answer for what it says it is, and to run nothing in it.

    Pictures and pages bring their own policy.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: D102 - ASGI's
        async def send_strictly(message: Message) -> None:
            if message["type"] == "http.response.start":
                said = {name for name, _ in message["headers"]}
                message["headers"].extend(header for header in STRICT if header[0] not in said)
            await send(message)

        await self._app(scope, receive, send_strictly)


class CrossSiteGuard:
    """Refuses writes that a browser sends on behalf of another site.

    A body counts as JSON whatever its type, so a form on a foreign page could reach us. Browsers
    say so in `Sec-Fetch-Site` (W3C Fetch Metadata), but only over https and to their own machine;
    elsewhere `Origin` must be who we are. Reads stay open: shops embed the pictures.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: D102 - ASGI's
        is_write = scope["type"] == "http" and scope["method"] not in SAFE_METHODS
        if is_write and _is_cross_site(Headers(scope=scope)):
            await problem(403, "Another site may not write here.")(scope, receive, send)
        else:
            await self._app(scope, receive, send)


def _is_cross_site(headers: Headers) -> bool:
    if site := headers.get("sec-fetch-site"):
        return site not in OURSELVES
    origin = headers.get("origin")
    return origin is not None and origin.partition("://")[2] != headers.get("host")
