"""The whole application without a worker, and its API."""

import logging
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx
import pytest

from packshot.app import App, open_api, open_app
from packshot.settings import load_settings


@pytest.fixture
async def app(database_url: str, tmp_path: Path) -> AsyncIterator[App]:
    """All rooms, on an empty database in which there is user 1."""
    async with open_app(load_settings(database_url=database_url, data_dir=tmp_path)) as app:
        await app.users.add_first()
        yield app


@pytest.fixture
async def api(app: App) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the API; a bug in it is raised here."""
    transport = httpx.ASGITransport(open_api(app))
    async with httpx.AsyncClient(transport=transport, base_url="http://packshot.example") as client:
        yield client


@pytest.fixture
def logging_as_before() -> Iterator[None]:
    """Commands that run inside this process set up logging for themselves."""
    handlers, level = logging.root.handlers[:], logging.root.level
    yield
    logging.root.handlers[:] = handlers
    logging.root.setLevel(level)
