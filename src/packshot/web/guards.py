"""What every request passes: bodies are JSON whatever they are called, and other sites cannot write."""

import json
from collections.abc import Callable, Coroutine
from decimal import Decimal
from typing import Any, Final, NoReturn

from fastapi import Request, Response
from fastapi.routing import APIRoute
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Receive, Scope, Send

from packshot.web.problems import problem

SAFE_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS"})

Handler = Callable[[Request], Coroutine[Any, Any, Response]]


class JsonRequest(Request):
    """A request whose body is JSON with exact numbers; `curl -d` would call it a form."""

    def __init__(self, scope: Scope, receive: Receive) -> None:
        scope = {**scope, "headers": list(scope["headers"])}
        MutableHeaders(scope=scope)["content-type"] = "application/json"
        super().__init__(scope, receive)

    async def json(self) -> Any:  # noqa: ANN401 - JSON is anything
        """Parse the body; raise JSONDecodeError also for what RFC 8259 does not know."""
        body = await self.body()
        try:
            return json.loads(body, parse_float=Decimal, parse_constant=_refuse_constant)
        except (UnicodeDecodeError, RecursionError) as error:
            raise json.JSONDecodeError("not UTF-8, or nested too deeply", "", 0) from error


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

    A body counts as JSON whatever its type, so a form on a foreign page could reach us; browsers
    say so in `Sec-Fetch-Site` (W3C Fetch Metadata). Reads stay open: shops embed the pictures.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        is_write = scope["type"] == "http" and scope["method"] not in SAFE_METHODS
        if is_write and Headers(scope=scope).get("sec-fetch-site") == "cross-site":
            await problem(403, "Another site may not write here.")(scope, receive, send)
        else:
            await self._app(scope, receive, send)


def _refuse_constant(name: str) -> NoReturn:
    raise json.JSONDecodeError(f"{name} is not a number", "", 0)
