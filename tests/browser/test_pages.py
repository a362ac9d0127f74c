"""Every page of the console as a browser shows it, for eyes and for readers of screens."""

from typing import Final

import pytest
from tests.serving import Serving
from tests.supplier import Supplier
from tests.windows import PHONE, RULES, RULES_OF_SIGHT, OpenPage, breaks_no_rule, is_wider_than_its_window


@pytest.fixture(scope="module")
async def product_id(packshot: Serving, supplier: Supplier) -> int:
    """A product of which one image is ready, and one has failed."""
    product_id = await packshot.submit(supplier.url("/boot.png"), supplier.url("/missing.jpg"))
    await packshot.ended(product_id)
    return product_id


PAGES: Final = (
    "/",
    "/console/products",
    "/console/products?min_price=cheap",
    "/console/products/new",
    "/console/products/{product_id}",
    "/console/products/{product_id}/edit",
    "/console/failures",
    "/console/failures?code=source_gone",
    "/console/system",
    "/docs",
)


@pytest.mark.parametrize("path", PAGES)
async def test_a_page_is_for_everybody_on_paper_and_at_night_on_a_phone(
    open_page: OpenPage, product_id: int, path: str
) -> None:
    page = await open_page(path.format(product_id=product_id), color_scheme="light", reduced_motion="reduce")
    await breaks_no_rule(page, RULES)
    assert not await is_wider_than_its_window(page)

    await page.emulate_media(color_scheme="dark")
    await page.set_viewport_size(PHONE)
    await breaks_no_rule(page, RULES_OF_SIGHT)
    assert not await is_wider_than_its_window(page)
