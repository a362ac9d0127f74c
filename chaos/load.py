"""
Products, submitted at a steady pace that the machine carries easily, whatever else is happening to it.

What got a 201 is noted: that is what must not be lost. A request that got no answer, or a 503, is sent
again to the other API, and may have made a product that nobody asked about; that is no loss.
"""

import asyncio
from collections.abc import Iterator, Sequence
from http import HTTPStatus
from random import Random
from typing import Any, Final

import aiohttp
from benchmarks.system import HOST, PRODUCT

PAUSE_SECONDS: Final = 0.5
MOST_IMAGES: Final = 3
ANSWER_SECONDS: Final = 15
ACCEPT_SECONDS: Final = 120
AGAIN_SECONDS: Final = 0.2


class Load:
    """Submits products to whichever API takes them."""

    def __init__(
        self, http: aiohttp.ClientSession, ports: Sequence[int], urls: Iterator[str], chance: Random
    ) -> None:
        self.accepted: dict[int, list[str]] = {}  # image URLs by product id
        self.refusals = 0
        self._http = http
        self._ports = ports
        self._urls = urls
        self._chance = chance
        self._is_over = asyncio.Event()

    def stop(self) -> None:
        """Submit nothing new."""
        self._is_over.set()

    async def run(self) -> None:
        """Submit until `stop`, and return when all has been accepted."""
        async with asyncio.TaskGroup() as submissions:
            while not self._is_over.is_set():
                submissions.create_task(self.submit(self._chance.randint(1, MOST_IMAGES)))
                await asyncio.sleep(PAUSE_SECONDS)

    async def submit(self, count: int) -> set[int]:
        """Submit one product until it is accepted and return the ids of its images; raise TimeoutError."""
        urls = [next(self._urls) for _ in range(count)]
        async with asyncio.timeout(ACCEPT_SECONDS):
            while (product := await self._post(urls)) is None:
                self.refusals += 1
                await asyncio.sleep(AGAIN_SECONDS)
        self.accepted[product["product_id"]] = urls
        return {image["id"] for image in product["images"]}

    async def _post(self, urls: list[str]) -> dict[str, Any] | None:
        url = f"http://{HOST}:{self._chance.choice(self._ports)}/products"
        limit = aiohttp.ClientTimeout(total=ANSWER_SECONDS)
        try:
            async with self._http.post(
                url, json={**PRODUCT, "product_images": urls}, timeout=limit
            ) as answer:
                if answer.status == HTTPStatus.SERVICE_UNAVAILABLE:
                    return None
                answer.raise_for_status()
                product: dict[str, Any] = await answer.json()
                return product
        except (aiohttp.ClientConnectionError, aiohttp.ClientPayloadError, TimeoutError):
            return None
