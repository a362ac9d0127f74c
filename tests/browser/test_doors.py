"""Who comes in, and what a page does when the server goes and comes back."""

import re
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import pytest
from playwright.async_api import expect
from servers.cable import Cable
from tests.serving import Serving
from tests.supplier import Supplier
from tests.windows import RULES, OpenPage, breaks_no_rule

from packshot.database import Database
from packshot.keys import Keys, Scope

TYPED: Final = {
    "Name": "Leather boot",
    "Price": "119.90",
    "Description": "\nOne line,\nand another.",
}


@pytest.fixture
async def secret(database_url: str) -> str:
    async with Database.open(database_url) as database:
        secret, _ = await Keys(database).create("Ada", Scope.ADMIN)
    return secret


async def test_a_key_opens_the_console_and_leaving_closes_it(
    open_page: OpenPage, database_url: str, secret: str, tmp_path: Path
) -> None:
    async with Serving.start(tmp_path / "data", database_url=database_url) as locked:
        home = str(locked.client.base_url)
        page = await open_page(f"{home}/console/products", complaints=False)
        await expect(page).to_have_url(re.compile("/console/sign-in"))
        await breaks_no_rule(page, RULES)
        await page.get_by_label("Access key").fill("packshot_wrong")
        await page.get_by_role("button", name="Sign in").click()
        await expect(page.get_by_text("This key is wrong")).to_be_visible()

        await page.get_by_label("Access key").fill(secret)
        await page.get_by_role("button", name="Sign in").click()
        await expect(page).to_have_url(re.compile("/console/products$"))
        assert await page.evaluate("document.cookie") == ""
        await page.get_by_role("button", name="Sign out").click()

        await page.goto(f"{home}/console/system")
        await expect(page).to_have_url(re.compile("/console/sign-in"))


async def test_what_was_typed_while_the_database_was_away_can_be_sent_again(
    open_page: OpenPage, supplier: Supplier, database_url: str, tmp_path: Path
) -> None:
    urls = [supplier.url(f"/boot.png?{number}") for number in range(2)]
    async with (
        Cable(database_url) as cable,
        Serving.start(tmp_path / "data", database_url=cable.url) as serving,
    ):
        page = await open_page(f"{serving.client.base_url}/console/products/new", complaints=False)
        for label, text in (TYPED | {"Images": "\n".join(urls)}).items():
            await page.get_by_label(label).fill(text)
        await cable.pull()
        await page.get_by_role("button", name="Add product").click()
        again = page.get_by_role("button", name="Send it again")
        await expect(again).to_be_visible()
        await cable.plug_in()

        await again.click()

        await expect(page.get_by_role("heading", level=1)).to_have_text("Leather boot")
        product = await serving.product(1)
        assert product["product_images"] == urls
        assert product["product_description"] == TYPED["Description"]


async def test_a_page_finds_the_server_again_and_shows_what_it_missed(
    open_page: OpenPage, supplier: Supplier, tmp_path: Path
) -> None:
    async with Serving.start(tmp_path / "data") as first:
        home = str(first.client.base_url)
        product_id = await first.submit(supplier.url("/boot.png"))
        await first.ended(product_id)
        page = await open_page(f"{home}/console/products/{product_id}", complaints=False)
        await expect(page.locator("#state")).to_contain_text("1 image")
        await first.interrupt()

    async with Serving.start(tmp_path / "data", port=urlsplit(home).port) as second:
        await second.client.patch(f"/products/{product_id}", json={"product_price": "4711"})

        await expect(page.locator("#state")).to_contain_text("4711")
