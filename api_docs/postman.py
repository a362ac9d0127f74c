"""
A Postman Collection (format v2.1) of an OpenAPI document.

A folder for each tag, in it what creates, then what reads and changes, then what deletes. Ids are variables,
and what creates a thing sets the one of its id, so a folder can be run from top to bottom. Bodies are the
document's examples. What a request may leave out is there, and switched off.
"""

import json
import re
from collections.abc import Mapping
from typing import Any, Final

FORMAT: Final = "https://schema.getpostman.com/json/collection/v2.1.0/collection.json"
VARIABLES: Final = {"baseUrl": "http://127.0.0.1:8080", "key": ""}
FRESH: Final = {"idempotency-key": "{{$guid}}"}  # Postman makes a new one for each request
ORDER: Final = ("post", "get", "patch", "delete")
CREATED: Final = ("201", "202")


def collection(openapi: Mapping[str, Any]) -> dict[str, Any]:
    """Return the collection."""
    operations = [
        (path, method, operation)
        for path, methods in openapi["paths"].items()
        for method, operation in methods.items()
    ]
    operations.sort(key=lambda one: (ORDER.index(one[1]), "{" in one[0]))
    folders = [
        {
            "name": tag["name"],
            "description": tag["description"],
            "item": [_item(openapi, *one) for one in operations if tag["name"] in one[2]["tags"]],
        }
        for tag in openapi["tags"]
    ]
    return {
        "info": {
            "name": openapi["info"]["title"],
            "description": openapi["info"]["description"],
            "schema": FORMAT,
        },
        "auth": {"type": "bearer", "bearer": [{"key": "token", "value": "{{key}}", "type": "string"}]},
        "variable": [{"key": key, "value": value} for key, value in (VARIABLES | _ids(operations)).items()],
        "item": folders,
    }


def _ids(operations: list[tuple[str, str, dict[str, Any]]]) -> dict[str, str]:
    """Give each parameter of a path a variable."""
    parameters = [one for _, _, operation in operations for one in _parameters(operation, "path")]
    return {one["name"]: str(one["schema"].get("examples", ["1"])[0]) for one in parameters}


def _item(openapi: Mapping[str, Any], path: str, method: str, operation: Mapping[str, Any]) -> dict[str, Any]:
    request = {
        "method": method.upper(),
        "description": operation["description"],
        "header": [_header(one) for one in _parameters(operation, "header")],
        "url": _url(path, operation),
        **({"auth": {"type": "noauth"}} if operation.get("security") == [] else {}),
    }
    if body := operation.get("requestBody"):
        example = _example(openapi, body["content"]["application/json"]["schema"])
        request["body"] = {
            "mode": "raw",
            "raw": json.dumps(example, ensure_ascii=False, indent=2),
            "options": {"raw": {"language": "json"}},
        }
    return {
        "name": operation["summary"],
        "request": request,
        **_remembering(openapi, path, method, operation),
    }


def _url(path: str, operation: Mapping[str, Any]) -> dict[str, Any]:
    parts = [re.sub(r"^\{(\w+)\}$", r":\1", part) for part in path.strip("/").split("/")]
    query = [
        {**_described(one), "value": str(one["schema"].get("default", "")), "disabled": True}
        for one in _parameters(operation, "query")
    ]
    return {
        "raw": "/".join(["{{baseUrl}}", *parts]),
        "host": ["{{baseUrl}}"],
        "path": parts,
        "query": query,
        "variable": [
            {**_described(one), "value": f"{{{{{one['name']}}}}}"} for one in _parameters(operation, "path")
        ],
    }


def _header(parameter: Mapping[str, Any]) -> dict[str, Any]:
    name = parameter["name"]
    return {**_described(parameter), "value": FRESH.get(name, ""), "disabled": name not in FRESH}


def _described(parameter: Mapping[str, Any]) -> dict[str, Any]:
    return {"key": parameter["name"], "description": parameter.get("description", "")}


def _parameters(operation: Mapping[str, Any], place: str) -> list[dict[str, Any]]:
    return [one for one in operation.get("parameters", ()) if one["in"] == place]


def _example(openapi: Mapping[str, Any], schema: Mapping[str, Any]) -> Any:  # noqa: ANN401 - JSON is anything
    """Return the first example of a schema, or one made of those of its fields."""
    shape = _resolved(openapi, schema)
    if "examples" in shape:
        return shape["examples"][0]
    return {name: field["examples"][0] for name, field in shape["properties"].items() if "examples" in field}


def _remembering(
    openapi: Mapping[str, Any], path: str, method: str, operation: Mapping[str, Any]
) -> dict[str, Any]:
    """Set the variable of the id of what was created."""
    made = next(
        (operation["responses"][status] for status in CREATED if status in operation["responses"]), None
    )
    if method != "post" or "{" in path or made is None:
        return {}
    shape = _resolved(openapi, made["content"]["application/json"]["schema"])
    below = (re.fullmatch(re.escape(path) + r"/\{(\w+)\}", other) for other in openapi["paths"])
    named = next((found[1] for found in below if found), None)
    variable = named or f"{shape['title'].removesuffix('View').lower()}_id"
    field = variable if variable in shape["properties"] else "id"
    script = f'pm.collectionVariables.set("{variable}", pm.response.json().{field});'
    return {"event": [{"listen": "test", "script": {"type": "text/javascript", "exec": [script]}}]}


def _resolved(openapi: Mapping[str, Any], schema: Mapping[str, Any]) -> dict[str, Any]:
    name = schema["$ref"].rpartition("/")[2]
    shape: dict[str, Any] = openapi["components"]["schemas"][name]
    return shape
