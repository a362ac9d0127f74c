"""
Takes a picture of every page of the console, light and dark, wide and on a phone.

    make screenshots                     of the demo's drawn products
    make screenshots PICTURES=folder     of yours

A server of its own with an empty database, so the pictures say the same every time. They are written with 256
colours to docs/screenshots; git keeps those that the documents show.
"""

import asyncio
import io
import sys
from itertools import cycle
from pathlib import Path
from typing import Any, Final

from PIL import Image
from playwright.async_api import Browser, Page, ViewportSize, async_playwright
from servers.chromium import find_chromium
from tests.folders import open_folder
from tests.serving import Serving
from tests.windows import PHONE

from packshot.demo import served

TO: Final = Path(__file__).parents[1] / "docs/screenshots"
WINDOWS: Final[dict[str, ViewportSize]] = {"": {"width": 1280, "height": 860}, "-phone": PHONE}
PRICES: Final = cycle(["14.90", "29.00", "9.50", "119.00", "7.80"])
PAINTED: Final = """
    () => Promise.all([...document.images]
        .filter((one) => one.getBoundingClientRect().top < innerHeight).map((one) => one.decode()))"""
PAGES: Final = {
    "overview": "/",
    "products": "/console/products",
    "product": "/console/products/1",
    "failed": "/console/images/{failed}",
    "form": "/console/products/1/edit",
    "failures": "/console/failures",
    "system": "/console/system",
    "api": "/docs",
}


async def main(pictures: Path | None) -> None:
    with open_folder() as scratch:
        folder = pictures or await draw(scratch / "pictures")
        with served(folder) as urls:
            async with Serving.start(scratch / "data") as packshot:
                failed = await fill(packshot, urls)
                await take_all(str(packshot.client.base_url), failed)


async def draw(folder: Path) -> Path:
    folder.mkdir()
    child = await asyncio.create_subprocess_exec(sys.executable, "-m", "packshot.sketch", str(folder))
    assert await child.wait() == 0
    return folder


async def fill(packshot: Serving, urls: list[str]) -> int:
    """Make products of the pictures, and one that has trouble; return the image that failed."""
    await submit(packshot, "Everything for the desk", urls)
    for kind in ("", "small "):
        for url in urls[:5]:
            await submit(packshot, f"{kind}{Path(url).stem}".capitalize(), [url, *urls[:2]])
    product_id = await submit(packshot, "From a new supplier", [urls[-1], urls[0], f"{urls[0]}-gone"])
    return int((await packshot.product(product_id))["images"][-1]["id"])


async def submit(packshot: Serving, name: str, urls: list[str]) -> int:
    body = {"user_id": 1, "product_name": name, "product_images": urls, "product_price": next(PRICES)}
    product_id = int((await packshot.client.post("/products", json=body)).json()["product_id"])
    await packshot.ended(product_id)
    return product_id


async def take_all(home: str, failed: int) -> None:
    TO.mkdir(exist_ok=True)
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=find_chromium(), args=["--no-sandbox"])
        for scheme in ("light", "dark"):
            for suffix, viewport in WINDOWS.items():
                context: dict[str, Any] = {"base_url": home, "color_scheme": scheme, "viewport": viewport}
                await take(browser, context, f"{scheme}{suffix}", failed)
        await browser.close()


async def take(browser: Browser, context: dict[str, Any], kind: str, failed: int) -> None:
    page = await (await browser.new_context(**context)).new_page()
    for name, path in PAGES.items():
        await page.goto(path.format(failed=failed))
        if name == "product":
            await compare(page)
        await page.evaluate(PAINTED)
        keep(await page.screenshot(), TO / f"{name}-{kind}.png")


async def compare(page: Page) -> None:
    await page.get_by_label("Compare").select_option(label="the source, fetched anew")
    await page.wait_for_function("() => document.querySelector('.over img')?.naturalWidth > 0")


def keep(png: bytes, file: Path) -> None:
    picture = Image.open(io.BytesIO(png)).convert("RGB").quantize(256, dither=Image.Dither.FLOYDSTEINBERG)
    picture.save(file, optimize=True)
    print(f"{file.name}: {file.stat().st_size:,} bytes")  # noqa: T201 - what it is for


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]) if len(sys.argv) > 1 else None))
