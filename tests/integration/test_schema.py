"""
Requests that the OpenAPI document allows, and some that it does not, thrown at the running API.

Whatever comes back must be in the document: its status, its type, its shape. The same requests in
every run. That good requests are accepted is tested by hand.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest
import schemathesis
from hypothesis import Phase, settings
from schemathesis import Case, GenerationMode
from schemathesis.config import GenerationConfig, ProjectConfig, ProjectsConfig, SchemathesisConfig
from schemathesis.specs.openapi.checks import (
    allow_header_conformance,
    negative_data_rejection,
    positive_data_acceptance,
    unsupported_method,
)
from tests.bearers import admin_beyond_reach
from tests.console import running, wait_for_line

from packshot.database import Database
from packshot.web.api import create_api
from packshot.web.backend import Backend

EXAMPLES = 8
GENERATION = GenerationConfig(deterministic=True, max_examples=EXAMPLES, modes=list(GenerationMode))
CONFIG = SchemathesisConfig(projects=ProjectsConfig(default=ProjectConfig(generation=GENERATION)), seed=1)

NOT_FOR_US = [
    positive_data_acceptance,  # a document cannot say which users exist
    allow_header_conformance,  # GET /images/1/retry is possible too, if a preset has that name
    unsupported_method,  # PATCH /products/batch is about the product `batch`
]
ENDLESS = "/events"
TAKES_WRONG_ITEMS = "/products/batch"  # and says for each what is wrong with it

document = create_api(cast("Backend", None)).openapi()  # nobody is asked anything yet
schema = schemathesis.openapi.from_dict(document, config=CONFIG)

pytestmark = pytest.mark.usefixtures("anyio_backend")  # a test that is not async has async fixtures too


@pytest.fixture(scope="module")
async def key(server: str) -> dict[str, str]:
    """An admin's key: with it every route is tried, and without it none may answer."""
    async with Database.open(server) as database:
        return await admin_beyond_reach(database)


@pytest.fixture(scope="module")
def address(server: str, session_folder: Path, key: dict[str, str]) -> Iterator[str]:  # noqa: ARG001 - first
    """Where an API without a worker listens: nobody must fetch the URLs that are made up here."""
    with running("api", cwd=session_folder, database_url=server, port=0) as process:
        yield wait_for_line(process, r"http://\S+")


@schema.exclude(path=ENDLESS).parametrize()
@settings(max_examples=EXAMPLES, derandomize=True, deadline=None, phases=[Phase.explicit, Phase.generate])
def test_every_answer_is_in_the_document(case: Case[Any], address: str, key: dict[str, str]) -> None:
    tolerated = [negative_data_rejection] if case.path == TAKES_WRONG_ITEMS else []
    case.call_and_validate(base_url=address, headers=key, excluded_checks=[*NOT_FOR_US, *tolerated])
