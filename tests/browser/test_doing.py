"""What people do in the console: add, watch, retry, compare, put in order. And what a page does by itself."""

import re

import pytest
from playwright.async_api import Page, Route, expect
from tests.pictures import encode, picture
from tests.serving import Serving
from tests.supplier import Supplier
from tests.windows import OpenPage, is_wider_than_its_window

NEW = "/console/products/new"
HOSTILE = "<script>alert(1)</script><img src=x onerror=alert(2)>\u202egnp.toob \u2066" + "x" * 400


@pytest.fixture
async def ready(packshot: Serving, supplier: Supplier) -> int:
    """A product with an image that is ready."""
    product_id = await packshot.submit(supplier.url("/boot.png"))
    await packshot.ended(product_id)
    return product_id


async def test_a_product_is_added_and_turns_into_pictures_before_ones_eyes(
    open_page: OpenPage, supplier: Supplier
) -> None:
    supplier.delays["/late.png"] = 1
    supplier.files["/late.png"] = encode(picture(), "png")
    page = await open_page(NEW)
    await page.get_by_label("Name").fill("Leather boot")
    await page.get_by_label("Price").fill("119.90")
    await page.get_by_label("Images").fill(f"{supplier.url('/boot.png')}\n{supplier.url('/late.png')}")
    await page.get_by_role("button", name="Add product").click()

    await expect(page.locator("#state .state")).to_have_text("ready")
    await expect(page.locator(".strip img")).to_have_count(2)
    await wait_for_pixels(page, ".stage img")
    assert "All images are done: 2 ready, 0 failed." in await page.get_by_role("status").first.inner_text()


async def test_what_failed_is_retried_and_comes_out_well(
    open_page: OpenPage, packshot: Serving, supplier: Supplier
) -> None:
    product_id = await packshot.submit(supplier.url("/forgotten.png"))
    await packshot.ended(product_id)
    page = await open_page(f"/console/products/{product_id}")
    await expect(page.locator(".failure")).to_contain_text("source_gone")

    supplier.files["/forgotten.png"] = encode(picture(), "png")
    await page.get_by_role("button", name="Retry").click()

    await expect(page.locator("#state .state")).to_have_text("ready")
    await expect(page.locator(".failure")).to_have_count(0)


async def test_a_picture_is_laid_over_its_source_at_the_same_size(open_page: OpenPage, ready: int) -> None:
    page = await open_page(f"/console/products/{ready}")

    await page.get_by_label("Compare").select_option(label="the source, fetched anew")

    slider = page.get_by_role("slider")
    await wait_for_pixels(page, ".over img")
    pictures = page.locator(".over img"), page.locator(".both picture img")
    assert await pictures[0].bounding_box() == await pictures[1].bounding_box()
    before = await page.locator(".over").evaluate("one => getComputedStyle(one).clipPath")
    await slider.focus()
    await slider.press("Home")
    after = await page.locator(".over").evaluate("one => getComputedStyle(one).clipPath")
    assert before != after
    await page.get_by_label("Compare").select_option("")
    await expect(slider).to_have_count(0)


async def test_a_source_that_is_gone_is_said_where_it_would_be(
    open_page: OpenPage, packshot: Serving, supplier: Supplier
) -> None:
    supplier.files["/passing.png"] = encode(picture(), "png")
    product_id = await packshot.submit(supplier.url("/passing.png"))
    await packshot.ended(product_id)
    del supplier.files["/passing.png"]
    page = await open_page(f"/console/products/{product_id}", complaints=False)

    await page.get_by_label("Compare").select_option(label="the source, fetched anew")

    await expect(page.locator("[data-said]")).to_contain_text("404")


async def test_zoom_shows_more_than_fits_and_can_be_scrolled_by_keys(open_page: OpenPage, ready: int) -> None:
    page = await open_page(f"/console/products/{ready}")

    await page.get_by_role("button", name="Zoom").click()

    stage = page.locator(".stage")
    assert await stage.evaluate("one => one.scrollWidth > one.clientWidth && one.tabIndex === 0")
    await expect(page.get_by_role("button", name="Zoom")).to_have_attribute("aria-pressed", "true")


async def test_images_change_places_by_dragging(
    open_page: OpenPage, packshot: Serving, supplier: Supplier
) -> None:
    urls = [supplier.url(f"/boot.png?{letter}") for letter in "abc"]
    product_id = await packshot.submit(*urls)
    page = await open_page(f"/console/products/{product_id}")
    items = page.locator(".strip li")

    async with page.expect_navigation():
        await items.nth(2).drag_to(items.nth(0))

    product = await packshot.product(product_id)
    assert [url[-1] for url in product["product_images"]] == ["c", "a", "b"]


async def test_what_strangers_write_is_shown_and_does_nothing(
    open_page: OpenPage, packshot: Serving, supplier: Supplier
) -> None:
    body = {
        "user_id": 1,
        "product_name": HOSTILE,
        "product_description": HOSTILE * 20,
        "product_images": [supplier.url("/%22%3E%3Cscript%3Ealert(3)%3C/script%3E" + "a" * 1900)],
        "product_price": "1",
    }
    product_id = (await packshot.client.post("/products", json=body)).json()["product_id"]
    await packshot.ended(product_id)

    for path in (
        f"/console/products/{product_id}",
        "/console/products",
        "/",
        "/console/failures?code=source_gone",
    ):
        page = await open_page(path)
        await expect(page.get_by_text("<script>alert(1)</script>").first).to_be_visible()
        assert not await is_wider_than_its_window(page)


async def test_without_a_script_pages_show_and_forms_work(
    open_page: OpenPage, packshot: Serving, ready: int
) -> None:
    page = await open_page("/console/products", java_script_enabled=False)
    await page.locator(f"#product-{ready} a").click()
    assert await page.locator(".stage img").get_attribute("src")

    await page.get_by_role("link", name="Edit").click()
    await page.get_by_label("Name").fill("Renamed")
    await page.get_by_role("button", name="Save").click()

    await expect(page.get_by_role("heading", level=1)).to_have_text("Renamed")
    assert (await packshot.product(ready))["product_name"] == "Renamed"


async def test_the_colours_that_were_chosen_stay(open_page: OpenPage) -> None:
    page = await open_page("/console/products", color_scheme="light")
    paper = await ground(page)

    await page.get_by_role("button", name="dark").click()
    night = await ground(page)
    await page.goto("/console/failures")

    assert await ground(page) == night != paper


async def test_the_keyboard_begins_with_a_way_past_the_head(open_page: OpenPage) -> None:
    page = await open_page("/console/products")

    await page.keyboard.press("Tab")
    await expect(page.get_by_text("Skip to the content")).to_be_focused()
    await page.keyboard.press("Enter")
    await page.keyboard.press("Tab")

    await expect(page.get_by_label("Name")).to_be_focused()


async def test_deleting_asks_first(open_page: OpenPage, packshot: Serving, ready: int) -> None:
    page = await open_page(f"/console/products/{ready}")

    await page.get_by_role("button", name="Delete …").click()
    await page.get_by_role("button", name="Keep it").click()
    await expect(page.get_by_role("dialog")).to_be_hidden()
    await page.get_by_role("button", name="Delete …").click()
    await page.get_by_role("button", name="Delete product").click()

    await expect(page).to_have_url(re.compile("/console/products$"))
    assert (await packshot.client.get(f"/products/{ready}")).status_code == 404


async def test_markup_is_copied(open_page: OpenPage, ready: int) -> None:
    page = await open_page(f"/console/products/{ready}", permissions=["clipboard-read", "clipboard-write"])

    await page.get_by_text("Markup to paste").click()
    await page.get_by_role("button", name="Copy").click()

    await expect(page.get_by_role("button", name="Copied")).to_be_visible()
    assert "<picture>" in await page.evaluate("navigator.clipboard.readText()")


async def test_failures_are_downloaded_as_a_table(
    open_page: OpenPage, packshot: Serving, supplier: Supplier
) -> None:
    await packshot.ended(await packshot.submit(supplier.url("/nowhere.png")))
    page = await open_page("/console/failures?code=source_gone")

    async with page.expect_download() as download:
        await page.get_by_role("link", name="Download as CSV").click()

    table = (await (await download.value).path()).read_text("utf-8-sig")
    assert supplier.url("/nowhere.png") in table


async def test_the_grid_shows_what_others_add_and_delete(
    open_page: OpenPage, packshot: Serving, ready: int
) -> None:
    page = await open_page("/console/products")
    await expect(page.locator(f"#product-{ready}")).to_be_visible()

    added = await packshot.submit()
    await packshot.client.delete(f"/products/{ready}")

    await expect(page.locator(".grid > :first-child")).to_have_id(f"product-{added}")
    await expect(page.locator(f"#product-{ready}")).to_have_count(0)


async def test_a_product_that_changes_stays_in_the_grid(
    open_page: OpenPage, packshot: Serving, ready: int
) -> None:
    page = await open_page("/console/products")

    await packshot.client.patch(f"/products/{ready}", json={"product_name": "Renamed shoe"})

    await expect(page.locator(f"#product-{ready}")).to_contain_text("Renamed shoe")


async def test_a_search_that_found_nothing_finds_what_comes(
    open_page: OpenPage, packshot: Serving, ready: int
) -> None:
    page = await open_page("/console/products?min_price=4242")
    await expect(page.get_by_text("Nothing matches.")).to_be_visible()

    await packshot.client.patch(f"/products/{ready}", json={"product_price": "4242"})

    await expect(page.locator(f"#product-{ready}")).to_be_visible()


async def test_the_rendition_that_is_named_is_the_one_that_is_compared(
    open_page: OpenPage, packshot: Serving, supplier: Supplier
) -> None:
    supplier.files["/large.png"] = encode(picture(1600, 1200), "png")
    product_id = await packshot.submit(supplier.url("/large.png"))
    await packshot.ended(product_id)
    page = await open_page(f"/console/products/{product_id}")

    await page.get_by_label("Compare").select_option(label="the source, fetched anew")

    await wait_for_pixels(page, ".over img")
    shown = await page.locator(".both picture img").evaluate("one => new URL(one.currentSrc).pathname")
    assert shown == (await page.get_by_label("with").input_value()).partition("?")[0]


async def test_an_answer_that_comes_too_late_is_not_shown(open_page: OpenPage, ready: int) -> None:
    page = await open_page(f"/console/products/{ready}")
    held: list[Route] = []
    await page.route("**/source", lambda route: held.append(route))  # noqa: PLW0108 - Playwright takes no builtin
    compare = page.get_by_label("Compare")

    await compare.select_option(label="the source, fetched anew")
    await compare.select_option(index=2)
    await expect(page.locator(".over img")).to_have_attribute("src", await compare.input_value())
    async with page.expect_request_finished(lambda request: request.url.endswith("/source")):
        await held[0].continue_()
    await page.evaluate("() => new Promise(requestAnimationFrame)")

    await expect(page.locator(".over img")).to_have_attribute("src", await compare.input_value())


async def wait_for_pixels(page: Page, selector: str) -> None:
    """Wait until a picture is there."""
    has_pixels = "selector => document.querySelector(selector)?.naturalWidth > 0"
    await page.wait_for_function(has_pixels, arg=selector)


async def ground(page: Page) -> str:
    return str(await page.evaluate("getComputedStyle(document.body).backgroundColor"))
