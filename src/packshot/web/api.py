"""Puts the routes together, and describes them in OpenAPI."""

from typing import Any, Final

from fastapi import FastAPI
from fastapi.telemetry import TelemetryConfig
from starlette.types import ASGIApp

from packshot import __version__
from packshot.web import events, health, images, keys, messages, products, submissions, users, webhooks
from packshot.web.access import SECURITY, Door, lock
from packshot.web.backend import Backend
from packshot.web.console.doors import explain
from packshot.web.console.routes import ROUTERS as CONSOLE
from packshot.web.guards import CrossSiteGuard, StrictHeaders
from packshot.web.journal import Journal
from packshot.web.problems import ANY_REFUSALS, HANDLERS, LOCKED_REFUSALS, MEDIA_TYPE

DESCRIPTION: Final = """
Give Packshot a product with the URLs of its pictures, and it answers at once. In the background every
picture is downloaded, checked and compressed; `GET /products/{product_id}` shows how far each one is.

Every body is read as JSON, whatever its content type says. Errors are `application/problem+json`.
"""
TAGS: Final = [
    {"name": "products", "description": "Products, and what became of their pictures."},
    {"name": "images", "description": "Single pictures: submit, look after, retry, and see them."},
    {"name": "webhooks", "description": "Who is told of what, signed and tried again for a day."},
    {"name": "users", "description": "Whom products belong to."},
    {"name": "keys", "description": "Access keys; for admins."},
    {"name": "health", "description": "For whoever watches over this process."},
    {"name": "events", "description": "What changes, while it does: a stream without end."},
]
NO_TELEMETRY: Final[TelemetryConfig] = {"tracing": False, "metrics": False, "logs": False}  # we have ours
ERRORS_BEGIN: Final = "4"  # the first digit of a status


class Api(FastAPI):
    """Keeps a journal, wears its strict headers, and writes errors into OpenAPI as what they are."""

    def build_middleware_stack(self) -> ASGIApp:
        """Put both around everything, even around the answer to a bug."""
        return Journal(StrictHeaders(super().build_middleware_stack()))

    def openapi(self) -> dict[str, Any]:
        """Return the document, built once."""
        if self.openapi_schema is None:
            document = super().openapi()
            document["components"]["securitySchemes"] = SECURITY
            for path, operations in document["paths"].items():
                for method, operation in operations.items():
                    _call_problems_by_name(operation["responses"])
                    operation.update(lock(method.upper(), path))
        return super().openapi()


def create_api(backend: Backend) -> FastAPI:
    """Build the ASGI application."""
    api = Api(
        title="Packshot",
        version=__version__,
        description=DESCRIPTION,
        openapi_tags=TAGS,
        docs_url=None,  # that page loads its script from elsewhere; ours is the console's `reference`
        redoc_url=None,
        exception_handlers=HANDLERS,
        generate_unique_id_function=lambda route: route.name,
        telemetry=NO_TELEMETRY,
    )
    api.state.backend = backend
    for module in (submissions, products, images, webhooks, users, events, keys):
        api.include_router(module.router, responses=ANY_REFUSALS | LOCKED_REFUSALS)
    api.include_router(health.router, responses=ANY_REFUSALS)
    for router in CONSOLE:
        api.include_router(router)
    api.webhooks.include_router(messages.described)
    api.add_middleware(Door, explain=explain)
    api.add_middleware(CrossSiteGuard)
    return api


def create_health_api(backend: Backend) -> FastAPI:
    """Build what a worker shows: that it lives, whether it can work, and what it has counted."""
    api = Api(openapi_url=None, exception_handlers=HANDLERS, telemetry=NO_TELEMETRY)
    api.state.backend = backend
    api.include_router(health.router)
    api.add_middleware(Door)
    return api


def _call_problems_by_name(responses: dict[str, Any]) -> None:
    for status, response in responses.items():
        if status >= ERRORS_BEGIN:
            response["content"] = {MEDIA_TYPE: response["content"]["application/json"]}
