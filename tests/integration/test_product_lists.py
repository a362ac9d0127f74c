"""Lists of products: the state that follows from the images, filters, and pages."""

from decimal import Decimal
from typing import Final

import pytest
from tests.rows import a_product, claimed, finish

from packshot.images import Images
from packshot.lifecycle import GiveUp, ImageState
from packshot.products import Filters, Products
from packshot.users import Users

# What a product is, by the states that are found among its images.
STATE_OF: Final = {
    "": "ready",
    "pending": "pending",
    "processing": "processing",
    "ready": "ready",
    "failed": "failed",
    "pending processing": "processing",
    "pending ready": "processing",
    "pending failed": "processing",
    "processing ready": "processing",
    "processing failed": "processing",
    "ready failed": "failed",
    "pending processing ready": "processing",
    "pending processing failed": "processing",
    "pending ready failed": "processing",
    "processing ready failed": "processing",
    "pending processing ready failed": "processing",
}


@pytest.fixture
async def one_of_each(products: Products, images: Images, user_id: int) -> Products:
    """A product for every set of states, called by it."""
    for name in STATE_OF:
        product = await products.add(a_product(user_id, *name.split(), name=name or "none"))
        for image in product["images"]:
            await bring_to(images, image["image_id"], image["source_url"])
    return products


async def bring_to(images: Images, image_id: int, state: str) -> None:
    if state == ImageState.PENDING:
        return
    claim = await claimed(images, image_id)
    if state == ImageState.READY:
        await finish(images, claim)
    if state == ImageState.FAILED:
        await images.give_up(claim, GiveUp("source_gone", "Not there."))


async def names(products: Products, filters: Filters) -> list[str]:
    return [product["product_name"] for product in await products.page(filters, 100)]


async def test_a_products_state_follows_from_its_images(one_of_each: Products) -> None:
    rows = await one_of_each.page(Filters(), 100)

    assert {row["product_name"].replace("none", ""): row["state"] for row in rows} == STATE_OF


@pytest.mark.parametrize("state", ImageState)
async def test_a_state_can_be_filtered_by(one_of_each: Products, state: ImageState) -> None:
    expected = {name or "none" for name, wanted in STATE_OF.items() if wanted == state}

    assert set(await names(one_of_each, Filters(state=state))) == expected


async def test_a_list_tells_as_much_as_the_product_itself(one_of_each: Products) -> None:
    for row in await one_of_each.page(Filters(), 100):
        assert dict(row) == dict(await one_of_each.get(row["product_id"]))


async def test_a_user_sees_their_own(products: Products, users: Users, user_id: int) -> None:
    other = (await users.add("Grace"))["id"]
    await products.add(a_product(user_id, name="Ada's"))
    await products.add(a_product(other, name="Grace's"))

    assert await names(products, Filters(user_id=other)) == ["Grace's"]


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (Decimal("10.00"), None, ["10.01", "10"]),
        (None, Decimal("10.00"), ["10", "9.99"]),
        (Decimal("9.99"), Decimal(10), ["10", "9.99"]),
        (Decimal(11), Decimal(12), []),
    ],
)
async def test_prices_are_bounded_on_both_sides_inclusively(
    products: Products, user_id: int, low: Decimal | None, high: Decimal | None, expected: list[str]
) -> None:
    for price in ("9.99", "10", "10.01"):
        await products.add(a_product(user_id, name=price, price=price))

    assert await names(products, Filters(min_price=low, max_price=high)) == expected


@pytest.mark.parametrize(
    ("part", "expected"),
    [
        ("wool", ["Wool 100 percent", "100% WOOL"]),
        ("100%", ["100% WOOL"]),
        ("o_l", []),
        ("_", ["snake_case"]),
        ("\\", ["back\\slash"]),
        ("%", ["100% WOOL"]),
        ("", ["Wool 100 percent", "back\\slash", "snake_case", "100% WOOL"]),
    ],
)
async def test_a_part_of_a_name_is_taken_by_the_letter(
    products: Products, user_id: int, part: str, expected: list[str]
) -> None:
    for name in ("100% WOOL", "snake_case", "back\\slash", "Wool 100 percent"):
        await products.add(a_product(user_id, name=name))

    assert await names(products, Filters(product_name=part)) == expected


async def test_filters_are_taken_together(products: Products, users: Users, user_id: int) -> None:
    other = (await users.add("Grace"))["id"]
    for owner in (user_id, other):
        for price in ("5", "50"):
            await products.add(a_product(owner, name=f"Shoe {owner} {price}", price=price))

    cheap = Filters(user_id=other, max_price=Decimal(10), product_name="shoe", state="ready")

    assert await names(products, cheap) == [f"Shoe {other} 5"]


async def test_the_newest_come_first(products: Products, user_id: int) -> None:
    for name in ("oldest", "older", "new"):
        await products.add(a_product(user_id, name=name))

    assert await names(products, Filters()) == ["new", "older", "oldest"]


async def test_pages_have_no_gaps_and_no_doubles_while_products_come_and_go(
    products: Products, user_id: int
) -> None:
    there = [(await products.add(a_product(user_id)))["product_id"] for _ in range(25)]
    seen: list[int] = []
    before = None

    while page := await products.page(Filters(before=before), 4):
        seen += [product["product_id"] for product in page]
        before = seen[-1]
        await products.add(a_product(user_id, name="came later"))
        await products.remove(page[0]["product_id"])

    assert seen == there[::-1]
