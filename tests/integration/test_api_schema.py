"""The OpenAPI document put to the test: what follows it, and what contradicts it, is answered as it says."""

import asyncio
from typing import Any, Final

import pytest
import schemathesis
from httpx import AsyncClient
from hypothesis import HealthCheck, given, settings
from schemathesis import Case, GenerationMode
from schemathesis.checks import positive_data_acceptance
from schemathesis.core.failures import FailureGroup
from tests.bearers import admin_beyond_reach
from tests.callers import serving
from tests.shop import create, read

from packshot.app import App, open_api

EXAMPLES: Final = 25
OPERATIONS: Final = (
    "POST /products",
    "GET /products",
    "GET /products/{product_id}",
    "PATCH /products/{product_id}",
    "DELETE /products/{product_id}",
    "POST /products/batch",
    "POST /process-image",
    "GET /images/{image_id}",
    "POST /images/{image_id}/retry",
    "GET /images/{image_id}/markup",
    "GET /images/{image_id}/{preset}",
    "POST /webhooks",
    "GET /webhooks/{webhook_id}",
    "PATCH /webhooks/{webhook_id}",
    "DELETE /webhooks/{webhook_id}",
    "GET /webhooks/{webhook_id}/deliveries",
    "POST /webhooks/{webhook_id}/deliveries/{delivery_id}/replay",
    "POST /users",
    "GET /users/{user_id}",
    "GET /keys",
    "POST /keys",
    "DELETE /keys/{key_id}",
)
TAKES_WRONG_ITEMS: Final = {"POST /products/batch"}  # and says for each what is wrong with it
WITHOUT_INPUT: Final = ("GET /webhooks", "GET /healthz", "GET /readyz", "GET /metrics")
WITHOUT_END: Final = ("GET /events",)
TRIALS: Final = [
    *((operation, GenerationMode.POSITIVE) for operation in OPERATIONS + WITHOUT_INPUT),
    *((operation, GenerationMode.NEGATIVE) for operation in OPERATIONS if operation not in TAKES_WRONG_ITEMS),
]


def explore(document: dict[str, Any], operation: str, mode: GenerationMode, **call: Any) -> None:  # noqa: ANN401 - schemathesis' own
    """Send what hypothesis makes of an operation, the same in every run."""
    method, path = operation.split()
    strategy = schemathesis.openapi.from_dict(document)[path][method].as_strategy(generation_mode=mode)

    @settings(
        max_examples=EXAMPLES,
        derandomize=True,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(strategy)
    def send(case: Case[Any]) -> None:
        # the document cannot say what makes a URL fetchable, nor that 802.0 is no id
        case.call_and_validate(**call, excluded_checks=[positive_data_acceptance])

    try:
        send()
    except FailureGroup as failures:  # no Exception, so it would end the run
        raise AssertionError(str(failures)) from failures


async def test_every_operation_is_tried(api: AsyncClient) -> None:
    paths = (await read(api, "/openapi.json"))["paths"].items()

    assert {f"{method.upper()} {path}" for path, methods in paths for method in methods} == {
        *OPERATIONS,
        *WITHOUT_INPUT,
        *WITHOUT_END,
    }


@pytest.mark.parametrize(("operation", "mode"), TRIALS)
async def test_an_operation_answers_as_the_document_says(
    app: App, api: AsyncClient, operation: str, mode: GenerationMode
) -> None:
    key = await admin_beyond_reach(app.database)  # first, for that there is none is remembered for a second
    api.headers.update(key)
    await create(api)
    document = await read(api, "/openapi.json")
    async with serving(open_api(app)) as port:
        url = f"http://127.0.0.1:{port}"
        await asyncio.to_thread(explore, document, operation, mode, base_url=url, headers=key)
