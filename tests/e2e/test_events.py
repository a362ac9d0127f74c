"""`GET /events` across a restart of the server: it stops at once, and a listener misses nothing."""

import asyncio
import json
from collections.abc import AsyncGenerator
from contextlib import aclosing
from pathlib import Path
from typing import Any

from tests.serving import Serving

PROMPT_SECONDS = 5


async def events(serving: Serving, last_id: str = "") -> AsyncGenerator[tuple[str, dict[str, Any]], None]:
    """What a browser hears, with the id of each; ends with the stream."""
    headers = {"Last-Event-ID": last_id} if last_id else {}
    async with serving.client.stream("GET", "/events", headers=headers) as answer:
        position = ""
        async for line in answer.aiter_lines():
            if line.startswith("id: "):
                position = line[4:]
            if line.startswith("data: "):
                yield position, json.loads(line[6:])


async def test_a_listener_misses_nothing_while_the_server_is_started_anew(data_dir: Path) -> None:
    async with Serving.start(data_dir) as serving, aclosing(events(serving)) as heard:
        position, totals = await anext(heard)
        assert totals["kind"] == "totals"
        product_id = await serving.submit("http://127.0.0.1:9/nobody.jpg")
        async with asyncio.timeout(PROMPT_SECONDS):
            assert await serving.interrupt() == 0
            while await anext(heard, None):
                pass

    async with Serving.start(data_dir) as serving, aclosing(events(serving, position)) as heard:
        assert (await anext(heard))[1]["product_id"] == product_id
