"""Prices over HTTP are exact decimals, however they are written."""

import pytest
from httpx import AsyncClient
from tests.shop import create, read, wrong_fields


def with_price(written: str) -> bytes:
    """The body of a product with its price exactly as written."""
    return b'{"user_id":1,"product_name":"Boot","product_images":[],"product_price":%s}' % written.encode()


@pytest.mark.parametrize(
    ("written", "exact"),
    [
        ("19.90", "19.90"),
        ('"19.90"', "19.90"),
        ("0.3", "0.3"),
        ("0", "0"),
        ("-0.0", "0.0"),
        ("0.0001", "0.0001"),
        ("1e2", "100"),
        ("1E-4", "0.0001"),
        ("1e11", "100000000000"),
        ('"100000000000"', "100000000000"),
        ("999999999999.9999", "999999999999.9999"),
        ("999999999999.9997", "999999999999.9997"),
        ('"999999999999.9999"', "999999999999.9999"),
        ("1." + "0" * 3000, "1.0000"),
    ],
)
async def test_a_price_is_kept_exactly(api: AsyncClient, written: str, exact: str) -> None:
    created = await api.post("/products", content=with_price(written))

    assert created.status_code == 201, created.text
    assert created.json()["product_price"] == exact
    assert (await read(api, created.headers["location"]))["product_price"] == exact


@pytest.mark.parametrize(
    "written",
    [
        "-0.01",
        "0.30000000000000004",
        "0.00001",
        "1000000000000",
        "12345678901234567",
        "1e999999999",
        "1e-999999999",
        '"NaN"',
        '"Infinity"',
        '"1e2"',
        '"19,90"',
        '"1_000"',
        '" 1"',
        '"٣"',
        '""',
        "true",
        "false",
        "null",
        "[]",
        "{}",
    ],
)
async def test_what_is_not_an_exact_price_is_refused(api: AsyncClient, written: str) -> None:
    assert wrong_fields(await api.post("/products", content=with_price(written))) == ["product_price"]


async def test_a_change_keeps_a_price_as_exactly(api: AsyncClient) -> None:
    product = await create(api)

    changed = await api.patch(
        f"/products/{product['product_id']}", content=b'{"product_price": 999999999999.9997}'
    )

    assert changed.json()["product_price"] == "999999999999.9997"
