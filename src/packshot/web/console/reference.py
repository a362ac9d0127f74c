"""The API, for people to read at /docs: what /openapi.json says, and nothing from another server."""

from typing import Any

from fastapi import APIRouter, Request, Response

from packshot.web.console.doors import Page
from packshot.web.console.pages import show

router = APIRouter(include_in_schema=False, route_class=Page)

Operation = dict[str, Any]


@router.get("/docs")
async def read_docs(request: Request) -> Response:
    """Show every operation, by what it is about."""
    document = request.app.openapi()
    groups: dict[str, list[Operation]] = {tag["name"]: [] for tag in document["tags"]}
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            shown = {**operation, "method": method.upper(), "path": path, "body": _body(document, operation)}
            groups[operation["tags"][0]].append(shown)
    return await show(request, "reference.html", document=document, groups=groups)


def _body(document: dict[str, Any], operation: Operation) -> dict[str, Any] | None:
    """Return the schema of what an operation is sent."""
    if "requestBody" not in operation:
        return None
    name = operation["requestBody"]["content"]["application/json"]["schema"]["$ref"].rpartition("/")[2]
    schema: dict[str, Any] = document["components"]["schemas"][name]
    return schema
