"""
A browser at a running Packshot, and a supplier whose pictures it fetches.

One of each for all tests; every test has a window of its own. Whatever a test is about: a page that asks
another server for anything, or complains in the browser's console, has failed it.
"""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Browser, BrowserContext, Page, async_playwright, expect
from servers.chromium import find_chromium
from tests.pictures import encode, picture
from tests.real_servers import needed
from tests.serving import Serving
from tests.supplier import Supplier
from tests.windows import PATIENCE_MS, WIDE, OpenPage, watch


@pytest.fixture(scope="session")
async def browser() -> AsyncIterator[Browser]:
    with needed():
        path = find_chromium()
    expect.set_options(timeout=PATIENCE_MS)
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield browser
        await browser.close()


@pytest.fixture(scope="session")
async def supplier() -> AsyncIterator[Supplier]:
    async with Supplier(files={"/boot.png": encode(picture(), "png")}) as supplier:
        yield supplier


@pytest.fixture(scope="session")
async def packshot(session_folder: Path) -> AsyncIterator[Serving]:
    async with Serving.start(session_folder / "console") as serving:
        yield serving


@pytest.fixture
async def open_page(browser: Browser, packshot: Serving) -> AsyncIterator[OpenPage]:
    """Open a path in a new window, which may have any of a context's properties."""
    home = str(packshot.client.base_url).rstrip("/")
    trouble: list[str] = []
    async with AsyncExitStack() as windows:

        async def open_page(path: str, *, complaints: bool = True, **properties: Any) -> Page:  # noqa: ANN401 - what Playwright takes
            context: BrowserContext = await browser.new_context(
                base_url=home, **{"viewport": WIDE, **properties}
            )
            windows.push_async_callback(context.close)
            page = await context.new_page()
            page.set_default_timeout(PATIENCE_MS)
            watch(page, home, trouble if complaints else [])
            await page.goto(path)
            return page

        yield open_page
    assert trouble == []
