"""What `make api-docs` writes: up to date, what Postman reads, and every request in it works."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

import httpx
import jsonschema_rs
import pytest
from api_docs.__main__ import documents
from tests.callers import serving
from tests.kitchen import MakePipeline
from tests.rows import a_product, claimed
from tests.shop import URL

from packshot.app import App, open_api
from packshot.database import Row

DOCUMENTS: Final = documents()
COLLECTION: Final = json.loads(next(text for path, text in DOCUMENTS.items() if "postman" in path.name))
OPENAPI: Final = json.loads(next(text for path, text in DOCUMENTS.items() if path.name == "openapi.json"))
REMEMBER: Final = re.compile(r'pm\.collectionVariables\.set\("(\w+)", pm\.response\.json\(\)\.(\w+)\);')
NOT_FOR_AN_EXAMPLE: Final = {400, 404, 405, 413, 414, 415, 422, *range(500, 600)}

TEXT: Final = {"type": "string"}
PAIRS: Final = {
    "type": "array",
    "items": {
        "type": "object",
        "required": ["key", "value"],
        "properties": {"key": TEXT, "value": TEXT, "description": TEXT, "disabled": {"type": "boolean"}},
    },
}
REQUEST: Final = {
    "type": "object",
    "required": ["name", "request"],
    "properties": {
        "name": TEXT,
        "request": {
            "type": "object",
            "required": ["method", "url"],
            "properties": {
                "method": {"enum": ["GET", "POST", "PATCH", "DELETE"]},
                "description": TEXT,
                "header": PAIRS,
                "auth": {"type": "object", "required": ["type"]},
                "body": {"type": "object", "properties": {"mode": {"const": "raw"}, "raw": TEXT}},
                "url": {
                    "type": "object",
                    "required": ["raw", "host", "path"],
                    "properties": {
                        "raw": TEXT,
                        "host": {"type": "array", "items": TEXT},
                        "path": {"type": "array", "items": TEXT},
                        "query": PAIRS,
                        "variable": PAIRS,
                    },
                },
            },
        },
        "event": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["listen", "script"],
                "properties": {"listen": {"enum": ["test", "prerequest"]}},
            },
        },
    },
}
V2_1: Final = {  # of what the format allows, the part that we use
    "type": "object",
    "required": ["info", "item"],
    "properties": {
        "info": {
            "type": "object",
            "required": ["name", "schema"],
            "properties": {
                "schema": {"const": "https://schema.getpostman.com/json/collection/v2.1.0/collection.json"}
            },
        },
        "variable": PAIRS,
        "auth": {"type": "object", "required": ["type", "bearer"], "properties": {"bearer": PAIRS}},
        "item": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["name", "item"],
                "properties": {"item": {"type": "array", "minItems": 1, "items": REQUEST}},
            },
        },
    },
}


def requests() -> Iterator[dict[str, Any]]:
    for folder in COLLECTION["item"]:
        yield from folder["item"]


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_the_files_are_what_the_program_says_today(path: Path) -> None:
    assert path.read_text("utf-8") == DOCUMENTS[path], "run make api-docs"


def test_the_collection_has_the_shape_that_postman_reads() -> None:
    jsonschema_rs.validate(V2_1, COLLECTION)


def test_the_collection_has_every_operation_once() -> None:
    asked = [
        f"{one['request']['method']} /" + re.sub(r":(\w+)", r"{\1}", "/".join(one["request"]["url"]["path"]))
        for one in requests()
    ]

    assert sorted(asked) == sorted(
        f"{method.upper()} {path}" for path, methods in OPENAPI["paths"].items() for method in methods
    )


def test_every_variable_of_the_collection_has_a_value() -> None:
    used = set(re.findall(r"\{\{(\w+)\}\}", json.dumps(COLLECTION)))

    assert {one["key"] for one in COLLECTION["variable"]} == used


async def test_every_request_of_the_collection_works_from_top_to_bottom(
    app: App, make_pipeline: MakePipeline
) -> None:
    variables = {one["key"]: one["value"] for one in COLLECTION["variable"]}
    refused = {}
    async with serving(open_api(app)) as port:
        variables["baseUrl"] = f"http://127.0.0.1:{port}"
        async with httpx.AsyncClient() as http:
            for one in requests():
                status = await send(http, one, variables)
                if status in NOT_FOR_AN_EXAMPLE:
                    refused[one["name"]] = status
                await go_on_working(app, make_pipeline)

    assert refused == {}


async def send(http: httpx.AsyncClient, one: dict[str, Any], variables: dict[str, str]) -> int:
    """Send a request as Postman would, and remember what its script remembers."""
    told = json.dumps(one["request"]).replace("{{$guid}}", str(uuid4()))
    request = json.loads(re.sub(r"\{\{(\w+)\}\}", lambda name: variables[name[1]], told))
    url = request["url"]["raw"]
    for variable in request["url"]["variable"]:
        url = url.replace(f":{variable['key']}", variable["value"])
    headers = {header["key"]: header["value"] for header in request["header"] if not header["disabled"]}
    content = request.get("body", {}).get("raw")
    async with http.stream(request["method"], url, headers=headers, content=content) as answer:
        for variable, field in REMEMBER.findall(json.dumps(one.get("event", [])).replace('\\"', '"')):
            await answer.aread()
            variables[variable] = str(answer.json()[field])
        return answer.status_code


async def go_on_working(app: App, make_pipeline: MakePipeline) -> None:
    """Somebody submits another product, and a worker makes all images ready."""
    await app.producer.submit(a_product(1, URL))
    pending: list[Row] = [*await app.database.fetch("SELECT image_id FROM images WHERE state = 'pending'")]
    for row in pending:
        await make_pipeline().process(await claimed(app.images, row["image_id"]))
