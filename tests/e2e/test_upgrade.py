"""
The last release and the program of today, side by side on one database, while requests come in.

The release is a wheel in `releases/`. That it goes on with the schema of today is what CONTRIBUTING.md asks
of every migration; here it is tried.
"""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from zipfile import ZipFile

import httpx
import pytest
from tests.serving import Serving
from tests.supplier import Supplier, png

from packshot.postgres import embedded_postgres

RELEASES = Path(__file__).parents[1] / "releases"
PAUSE_SECONDS = 0.02  # between requests: the cores shall also get to the pictures
ENOUGH = 15  # products, for each part of the upgrade


@pytest.fixture
def last_release(tmp_path: Path) -> Path:
    """A folder with the program as it was released last."""
    (wheel,) = RELEASES.glob("*.whl")
    with ZipFile(wheel) as archive:
        archive.extractall(tmp_path / "release")
    return tmp_path / "release"


@pytest.fixture
async def database_of_old(data_dir: Path) -> AsyncIterator[str]:
    """The URL of a database that no program of today has opened."""
    async with embedded_postgres(data_dir) as server:
        yield server.dsn


class Crowd:
    """Asks the servers that are in `open_to`, one after the other, until none is."""

    def __init__(self, supplier: Supplier, serving: Serving) -> None:
        self.open_to = [serving]
        self.products: list[int] = []
        self.refusals: list[str] = []
        self._supplier = supplier
        self._asking = asyncio.create_task(self._ask())

    async def asks(self, *open_to: Serving, for_products: int) -> None:
        """Turn to these servers; return when they have accepted so many more products."""
        self.open_to = [*open_to]
        wanted = len(self.products) + for_products
        async with asyncio.timeout(60):
            while len(self.products) < wanted:  # noqa: ASYNC110 - what counts is what the servers answer
                await asyncio.sleep(PAUSE_SECONDS)

    async def goes_home(self) -> None:
        """Return when the last answer is there."""
        self.open_to = []
        await self._asking

    async def _ask(self) -> None:
        number = 0
        while self.open_to:
            number += 1
            serving = self.open_to[number % len(self.open_to)]
            try:
                await self._submit_and_look(serving, f"/{number}.png", png(number, 1))
            except (httpx.HTTPError, AssertionError) as error:
                self.refusals.append(f"request {number}: {error!r}")
            await asyncio.sleep(PAUSE_SECONDS)

    async def _submit_and_look(self, serving: Serving, path: str, picture: bytes) -> None:
        self._supplier.files[path] = picture
        self.products.append(await serving.submit(self._supplier.url(path)))
        await serving.product(self.products[0])
        (await serving.client.get("/products", params={"limit": 5})).raise_for_status()


async def test_an_upgrade_under_load_loses_no_request_and_no_image(
    last_release: Path, database_of_old: str, data_dir: Path, supplier: Supplier
) -> None:
    settings = {"database_url": database_of_old, "workers": 4}
    async with Serving.start(data_dir, last_release, **settings) as old:
        crowd = Crowd(supplier, old)
        await crowd.asks(old, for_products=ENOUGH)
        async with Serving.start(data_dir, **settings) as new:  # which migrates
            assert await version(old) != await version(new)
            await crowd.asks(old, new, for_products=2 * ENOUGH)
            await crowd.asks(new, for_products=1)
            assert await old.interrupt() == 0
            await crowd.asks(new, for_products=ENOUGH)
            await crowd.goes_home()

            states = {(await new.ended(product_id))["state"] for product_id in crowd.products}

    assert (crowd.refusals, states) == ([], {"ready"})
    assert '"image ready"' in old.log.read_text()
    assert '"outcome": "ready"' in new.log.read_text()


async def version(serving: Serving) -> str:
    return str((await serving.client.get("/openapi.json")).json()["info"]["version"])
