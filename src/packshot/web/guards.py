"""What every request passes: bodies are JSON whatever they are called, and other sites cannot write."""

from collections.abc import AsyncGenerator, Callable, Coroutine
from typing import Any, Final

from fastapi import HTTPException, Request, Response
from fastapi.routing import APIRoute
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Receive, Scope, Send

from packshot.web.bodies import parse_json
from packshot.web.problems import problem

MAX_BODY_BYTES: Final = 6_000_000  # the largest product fits, even with every character written as \uXXXX
SAFE_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS"})

Handler = Callable[[Request], Coroutine[Any, Any, Response]]


class JsonRequest(Request):
    """A request whose body is JSON with exact numbers; `curl -d` would call it a form."""

    def __init__(self, scope: Scope, receive: Receive) -> None:
        scope = {**scope, "headers": list(scope["headers"])}
        MutableHeaders(scope=scope)["content-type"] = "application/json"
        super().__init__(scope, receive)

    async def stream(self) -> AsyncGenerator[bytes, None]:
        """Yield the body, and refuse it once it is too long."""
        size = 0
        async for chunk in super().stream():
            size += len(chunk)
            if size > MAX_BODY_BYTES:
                raise HTTPException(413, f"The body has more than {MAX_BODY_BYTES:,} bytes.")
            yield chunk

    async def json(self) -> Any:  # noqa: ANN401 - JSON is anything
        """Parse the body; raise JSONDecodeError."""
        return parse_json(await self.body())


class JsonRoute(APIRoute):
    """A route that reads its body with `JsonRequest`."""

    def get_route_handler(self) -> Handler:
        """Wrap the framework's handler."""
        handle = super().get_route_handler()

        async def handle_json(request: Request) -> Response:
            return await handle(JsonRequest(request.scope, request.receive))

        return handle_json


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
        return site == "cross-site"
    origin = headers.get("origin")
    return origin is not None and origin.partition("://")[2] != headers.get("host")
