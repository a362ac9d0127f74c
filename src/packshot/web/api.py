"""Puts the routes together."""

from typing import Final

from fastapi import FastAPI

from packshot import __version__
from packshot.web import health, images, products, users
from packshot.web.backend import Backend
from packshot.web.guards import CrossSiteGuard
from packshot.web.problems import handle_problems

MAX_BODY_BYTES: Final = 4_000_000  # 200 URLs of 2,048 characters, each written as \uXXXX, fit


def create_api(backend: Backend) -> FastAPI:
    """Build the ASGI application."""
    api = FastAPI(title="Packshot", version=__version__, max_body_size=MAX_BODY_BYTES, redoc_url=None)
    api.state.backend = backend
    for module in (products, images, users, health):
        api.include_router(module.router)
    handle_problems(api)
    api.add_middleware(CrossSiteGuard)
    return api
