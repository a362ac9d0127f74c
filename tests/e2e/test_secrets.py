"""
Secrets are planted wherever an operator or a supplier may have one, and searched for wherever somebody looks:
in everything a server prints at debug level, and in every answer.
"""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

import httpx
import pytest
from tests.callers import ask
from tests.rows import eventually
from tests.serving import Serving
from tests.supplier import PICTURE, Supplier

PASSWORD: Final = "p%2Fw-hunter2"  # noqa: S105 - it is searched for
STORE_SECRET: Final = "wJalrXUtnFEMIK7MDENGbPxRfiCYEXAMPLEKEY99"  # noqa: S105 - likewise
QUERY: Final = "s3cret-in-a-query"
HEADER: Final = "s3cret-in-a-header"
KEY: Final = "packshot_0123456789abcdef0123456789abcdefXYZabc"
HOOK: Final = "whsec_C2FVsBQIhrscChlQIMV"
PLANTED: Final = ("hunter2", STORE_SECRET, QUERY, HEADER, KEY, HOOK)
AWAY: Final = "127.0.0.1:9"  # nobody listens there
TROUBLE: Final = (
    "/status/404",
    "/status/503",
    "/redirect",
    "/redirect?to=http://169.254.169.254/",
    "/silent/1",
    "/not-http/1",
    "/answer/a%20packing%20nobody%20knows",
    "/circle/a",
    "/picture.png",
)


@pytest.fixture
async def serving(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Serving]:
    """A server whose every setting holds a secret, and whose every part but the database is away."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", STORE_SECRET)
    urls = {
        "database_url": database_url.replace("packshot@", f"packshot:{PASSWORD}@", 1),
        "broker_url": f"amqp://ada:{PASSWORD}@{AWAY}/",
        "cache_url": f"redis://ada:{PASSWORD}@{AWAY}/0",
        "store_url": f"s3://shop/pictures?region=us-east-1&endpoint=http://{AWAY}/",
    }
    assert PASSWORD in urls["database_url"]
    limits = {"log_level": "debug", "max_attempts": 1, "shutdown_seconds": 0}
    async with Serving.start(tmp_path / "data", **urls, **limits) as serving:
        yield serving


async def refusals(client: httpx.AsyncClient) -> str:
    """Ask wrongly in many ways, with secrets in every place; return all answers with their heads."""
    client.headers["Authorization"] = f"Bearer {KEY}"
    answers = [
        await client.get(f"/products/7?token={QUERY}"),
        await client.get(f"/nothing?token={QUERY}", headers={"Cookie": HEADER, "X-Api-Key": HEADER}),
        await client.post("/products", json={"secret": HOOK, "product_images": [f"http://a:{QUERY}@b/"]}),
        await client.post("/products", content=f'{{"secret": {HOOK}'),
        await client.put(f"/products?{QUERY}", auth=("ada", HEADER)),
    ]
    cut_short = await ask(
        client.base_url.port or 0, f"GET /?{QUERY} HTTP/9.9\r\nCookie: {HEADER}\r\n\r\n".encode()
    )
    return "".join(f"{answer.headers}{answer.text}" for answer in answers) + cut_short.body.decode()


async def test_no_secret_is_in_the_log_or_in_an_answer(serving: Serving, supplier: Supplier) -> None:
    supplier.files["/picture.png"] = PICTURE
    urls = [supplier.url(f"{path}{'&' if '?' in path else '?'}token={QUERY}") for path in TROUBLE]
    product_id = await serving.submit(*urls)

    async def all_were_tried() -> bool:
        return all(image["attempt"] for image in (await serving.product(product_id))["images"])

    await eventually(all_were_tried, 30)
    await eventually(lambda: logged(serving, "attempt ended", len(urls)), 30)
    shown = await refusals(serving.client)
    errors = [image["error"] for image in (await serving.product(product_id))["images"]]
    assert await serving.interrupt() == 0

    log = serving.log.read_text()
    for place in (log, shown, json.dumps(errors)):
        assert [secret for secret in PLANTED if secret in place] == []
    lines = [json.loads(line) for line in log.splitlines()]
    assert {"request", "attempt ended", "broker is away"} <= {line["event"] for line in lines}
    of_requests = [line for line in lines if line["event"] in ("request", "attempt ended")]
    assert all(line["worker"] and line["request_id"] for line in of_requests)


async def logged(serving: Serving, event: str, times: int) -> bool:
    return serving.log.read_text().count(event) >= times
