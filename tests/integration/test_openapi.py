"""The OpenAPI document, read by people at /docs and by programs that write clients."""

from typing import Any

import pytest
from httpx import AsyncClient
from tests.shop import create, read


@pytest.fixture
async def document(api: AsyncClient) -> dict[str, Any]:
    return await read(api, "/openapi.json")


def operations(document: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Every operation by its method and path."""
    return {
        f"{method.upper()} {path}": operation
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    }


def example(document: dict[str, Any], operation: dict[str, Any]) -> dict[str, Any]:
    """The body that /docs proposes to try."""
    name = operation["requestBody"]["content"]["application/json"]["schema"]["$ref"].rpartition("/")[2]
    schema = document["components"]["schemas"][name]
    if "examples" in schema:
        return dict(schema["examples"][0])
    fields = schema["properties"].items()
    return {field: facts["examples"][0] for field, facts in fields if "examples" in facts}


async def test_every_route_is_documented(document: dict[str, Any]) -> None:
    assert set(operations(document)) == {
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
        "GET /webhooks",
        "GET /webhooks/{webhook_id}",
        "PATCH /webhooks/{webhook_id}",
        "DELETE /webhooks/{webhook_id}",
        "GET /webhooks/{webhook_id}/deliveries",
        "POST /webhooks/{webhook_id}/deliveries/{delivery_id}/replay",
        "POST /users",
        "GET /users/{user_id}",
        "GET /events",
        "GET /keys",
        "POST /keys",
        "DELETE /keys/{key_id}",
        "GET /healthz",
        "GET /readyz",
        "GET /metrics",
    }


async def test_operation_ids_are_names_that_a_generated_client_can_bear(document: dict[str, Any]) -> None:
    ids = [operation["operationId"] for operation in operations(document).values()]

    assert len(ids) == len(set(ids))
    assert {"create_product", "process_image", "retry_image"} <= set(ids)


async def test_every_operation_says_what_it_does(document: dict[str, Any]) -> None:
    for operation in operations(document).values():
        assert operation["summary"]
        assert operation["description"]


async def test_errors_are_documented_as_the_problems_that_they_are(document: dict[str, Any]) -> None:
    for operation in operations(document).values():
        errors = [answer for status, answer in operation["responses"].items() if status >= "4"]
        for answer in errors:
            (media_type,) = answer["content"]
            assert media_type == "application/problem+json"
            assert answer["content"][media_type]["schema"]["$ref"].endswith("/Problem")


async def test_every_operation_may_be_refused_before_it_is_looked_at(document: dict[str, Any]) -> None:
    for operation in operations(document).values():
        assert {"400", "408", "413", "414", "431", "503"} <= {*operation["responses"]}


@pytest.mark.parametrize(
    ("operation", "status"),
    [
        ("POST /users", 201),
        ("POST /products", 201),
        ("POST /products/batch", 200),
        ("POST /process-image", 202),
        ("PATCH /products/{product_id}", 200),
    ],
)
async def test_the_example_of_a_body_works_as_printed(
    api: AsyncClient, document: dict[str, Any], operation: str, status: int
) -> None:
    await create(api)
    method, path = operation.format(product_id=1).split()

    answer = await api.request(method, path, json=example(document, operations(document)[operation]))

    assert answer.status_code == status, answer.text


async def test_the_documentation_is_a_page(api: AsyncClient) -> None:
    page = await api.get("/docs")

    assert page.headers["content-type"].startswith("text/html")
    assert "/openapi.json" in page.text
