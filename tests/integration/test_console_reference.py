"""The API as people read it at /docs."""

from httpx import AsyncClient
from tests.shop import read
from tests.visitor import look


async def test_every_operation_is_there_with_the_fields_of_its_body(api: AsyncClient) -> None:
    page = await look(api, "/docs")

    for path, operations in (await read(api, "/openapi.json"))["paths"].items():
        for method in operations:
            operation = page.partition(f'method">{method.upper()}</code> <code>{path}</code>')[2]
            has_body = "<caption>Body</caption>" in operation.partition("</details>")[0]
            assert operation, f"{method} {path} is missing"
            assert has_body == ("requestBody" in operations[method]), f"{method} {path}"
