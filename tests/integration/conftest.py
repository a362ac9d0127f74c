"""The whole application without a worker, its API, and its command line."""

import logging
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import httpx
import pytest
from fastapi import FastAPI
from tests.console import Ended, Packshot, exit_code_in_thread

from packshot.app import App, open_api, open_app
from packshot.metrics import Metrics
from packshot.settings import load_settings
from packshot.telemetry import no_span
from packshot.web.api import create_api
from packshot.web.backend import Backend
from packshot.web.policy import Policy


class NoKeys:
    """A keyring without keys, and without a database to read them from."""

    async def is_new(self, *, old_will_do: bool = False) -> bool:  # noqa: ARG002 - there are never any
        return True


NOTHING = cast(
    "Backend",
    SimpleNamespace(keyring=NoKeys(), policy=Policy.of(load_settings()), metrics=Metrics({}), span=no_span),
)


@pytest.fixture
async def app(database_url: str, tmp_path: Path) -> AsyncIterator[App]:
    """All rooms, on an empty database in which there is user 1."""
    async with open_app(load_settings(database_url=database_url, data_dir=tmp_path)) as app:
        await app.users.add_first()
        yield app


@pytest.fixture(scope="session")
def routes() -> FastAPI:
    """The API with nothing behind it yet: the framework takes longer over the routes than a test does."""
    return create_api(NOTHING)


@pytest.fixture
async def api(app: App, routes: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the API; a bug in it is raised here."""
    routes.state.backend = open_api(app).state.backend
    transport = httpx.ASGITransport(routes)
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
        yield client
    routes.state.backend = NOTHING


@pytest.fixture
def logging_as_before() -> Iterator[None]:
    """Commands that run inside this process set up logging for themselves."""
    handlers, level = logging.root.handlers[:], logging.root.level
    yield
    logging.root.handlers[:] = handlers
    logging.root.setLevel(level)


@pytest.fixture
def packshot(
    app: App,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    logging_as_before: None,  # noqa: ARG001 - for its effect
) -> Packshot:
    """Run a command on the database of `app`, beside it."""
    monkeypatch.setenv("PACKSHOT_DATABASE_URL", app.settings.database_url)
    monkeypatch.setenv("PACKSHOT_DATA_DIR", str(app.settings.data_dir))
    monkeypatch.setenv("COLUMNS", "160")

    async def packshot(*arguments: object) -> Ended:
        monkeypatch.setattr(sys, "argv", ["packshot", *map(str, arguments)])
        return Ended(await exit_code_in_thread(), *capsys.readouterr())

    return packshot
