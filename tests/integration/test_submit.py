"""`packshot submit`: what it takes, how long it waits, and what it makes of mistakes."""

import asyncio
import json
from pathlib import Path

import pytest
from tests.console import Packshot
from tests.rows import claimed, eventually, finish, image_ids
from tests.shop import URL, a_product

from packshot import commands
from packshot.app import App
from packshot.lifecycle import GiveUp


async def test_urls_are_submitted_as_one_product(packshot: Packshot) -> None:
    options = ("--name", "Boot", "--price", "119.90", "--no-wait", "--json")

    (product,) = (await packshot("submit", URL, f"{URL}?a,b", *options)).json()

    assert product["product_images"] == [URL, f"{URL}?a,b"]
    assert (product["product_name"], product["product_price"]) == ("Boot", "119.90")
    assert product["state"] == "pending"


async def test_a_file_may_hold_many_products(packshot: Packshot, tmp_path: Path) -> None:
    file = tmp_path / "products.json"
    dear = '{"user_id": 1, "product_name": "Dear", "product_images": [], "product_price": 999999999999.9997}'
    file.write_text(f"[{json.dumps(a_product())}, {dear}]")

    first, second = (await packshot("submit", file, "--no-wait", "--json")).json()

    assert first | a_product() == first
    assert second["product_price"] == "999999999999.9997"


async def test_hundreds_of_products_are_stored_in_their_order(packshot: Packshot, tmp_path: Path) -> None:
    file = tmp_path / "products.json"
    file.write_text(json.dumps([a_product(product_name=f"{number}") for number in range(250)]))

    products = (await packshot("submit", file, "--no-wait", "--json")).json()

    assert [product["product_name"] for product in products] == [f"{number}" for number in range(250)]
    assert [product["product_id"] for product in products] == list(range(1, 251))


async def test_every_mistake_in_a_file_is_named(packshot: Packshot, tmp_path: Path) -> None:
    file = tmp_path / "products.json"
    file.write_text(json.dumps([a_product(), a_product(product_images=[URL, "ftp://x"], product_price=-1)]))

    ended = await packshot("submit", file)

    assert ended.code == 2
    assert ended.err.splitlines() == [
        f"{file}: product 2 is not right:",
        "  product_images[1]: The URL does not begin with http:// or https://.",
        "  product_price: Input should be greater than or equal to 0",
    ]


@pytest.mark.parametrize("content", ["no JSON", '{"user_id": NaN}', "7", "\xff"])
async def test_a_file_that_holds_no_products_is_named(
    packshot: Packshot, tmp_path: Path, content: str
) -> None:
    file = tmp_path / "products.json"
    file.write_text(content, "latin-1")

    ended = await packshot("submit", file)

    assert ended.code == 2
    assert ended.err.startswith(str(file))
    assert "Traceback" not in ended.err


async def test_a_file_that_is_not_there_is_named(packshot: Packshot) -> None:
    ended = await packshot("submit", "products.jsn")

    assert ended.code == 2
    assert ended.err.startswith("products.jsn: neither a URL nor a JSON file of products:")


async def test_nothing_is_submitted_when_one_product_is_wrong(
    packshot: Packshot, app: App, tmp_path: Path
) -> None:
    file = tmp_path / "products.json"
    file.write_text(json.dumps([a_product(), {}]))

    await packshot("submit", file)

    assert (await app.backlog.summary())["products"] == 0


async def test_submitting_for_an_unknown_user_fails(packshot: Packshot) -> None:
    ended = await packshot("submit", URL, "--user-id", 77)

    assert ended.code == 1
    assert ended.err.startswith("There is no user 77,")


async def test_nothing_is_stored_when_the_last_of_many_has_no_user(
    packshot: Packshot, app: App, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(commands, "STORED_AT_ONCE", 2)
    file = tmp_path / "products.json"
    file.write_text(json.dumps([a_product()] * 2 + [a_product(product_name="Boot", user_id=99)]))

    ended = await packshot("submit", file, "--no-wait")

    assert ended.code == 1
    assert ended.err == "There is no user 99, whom product 3 ('Boot') is for; nothing was stored.\n"
    assert (await app.backlog.summary())["products"] == 0


async def test_submit_waits_until_every_image_has_ended(packshot: Packshot, app: App) -> None:
    submitting = asyncio.create_task(packshot("submit", URL, "--json"))
    await eventually(lambda: has_products(app))

    (image_id,) = await image_ids(app.products, 1)
    await finish(app.images, await claimed(app.images, image_id))

    ended = await submitting
    assert ended.code == 0
    assert ended.json()[0]["state"] == "ready"
    assert "No worker is running" in ended.err


async def test_submit_fails_when_an_image_has_failed(packshot: Packshot, app: App) -> None:
    submitting = asyncio.create_task(packshot("submit", URL))
    await eventually(lambda: has_products(app))

    (image_id,) = await image_ids(app.products, 1)
    claim = await claimed(app.images, image_id)
    await app.images.give_up(claim, GiveUp("source_gone", "There is nothing at that URL."))

    ended = await submitting
    assert ended.code == 1
    assert "boot.jpg" in ended.out
    assert "source_gone: There is nothing at that URL." in ended.out


async def has_products(app: App) -> bool:
    return bool((await app.backlog.summary())["products"])
