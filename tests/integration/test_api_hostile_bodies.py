"""Bodies, queries and paths that mean harm: refused with a short sentence, and quickly."""

import json
from collections.abc import AsyncIterator
from time import perf_counter
from typing import Any, Final

import pytest
from fastapi import FastAPI
from tests.callers import ask, request, served_promptly, serving
from tests.shop import URL, a_product

MEGABYTES_6: Final = 6_000_000


def product(**changes: object) -> bytes:
    return json.dumps(a_product(**changes)).encode()


def raw(field: str, value: str) -> bytes:
    """A product with one value written by hand."""
    return product(**{field: "HERE"}).replace(b'"HERE"', value.encode())


BODIES: Final = {
    "nothing": (b"", 422, "body: Field required"),
    "spaces": (b" " * 1_000, 400, "Expecting value"),
    "null": (b"null", 422, "body: "),
    "an array": (b"[]", 422, "body: "),
    "an array of products": (b"[" + product() + b"]", 422, "body: "),
    "a text": (b'"text"', 422, "body: "),
    "two objects": (b"{}{}", 400, "Extra data"),
    "a comment": (b"/* */ {}", 400, "Expecting value"),
    "a comma at the end": (b'{"user_id": 1,}', 400, "character 15"),
    "control characters": (b'{"product_name": "a\nb"}', 400, "Invalid control character"),
    "a NUL between values": (b"{\0}", 400, "Expecting property name"),
    "bytes that are not UTF-8": (b'{"product_name": "\xff"}', 400, "not UTF-8"),
    "surrogates in UTF-8": (b'{"product_name": "\xed\xa0\x80"}', 400, "not UTF-8"),
    "UTF-16": (product().decode().encode("utf-16"), 400, "not UTF-8"),
    "UTF-16 without a mark": (product().decode().encode("utf-16-le"), 400, "Expecting property name"),
    "UTF-32": (product().decode().encode("utf-32"), 400, "not UTF-8"),
    "a key twice": (
        b'{"user_id": 1, "user_id": 2}',
        400,
        "not valid JSON: It holds the key 'user_id' twice.",
    ),
    "a key twice, deeper": (b'{"a": [{"b": 1, "b": 1}]}', 400, "the key 'b' twice"),
    "a key of a megabyte twice": (b'{"%b": 1, "%b": 2}' % ((b"k" * 1_000_000,) * 2), 400, "kkk' twice"),
    "a key of a megabyte": (b'{"%b": 1}' % (b"k" * 1_000_000), 422, "Extra inputs"),
    "half a pair as a key": (b'{"\\ud800": 1}', 422, "body: "),
    "half a pair in a name": (raw("product_name", r'"\ud800"'), 422, "product_name: "),
    "half a pair in a URL": (
        raw("product_images", r'["https://x.example/\udfff"]'),
        422,
        "product_images[0]: ",
    ),
    "a NUL in a name": (product(product_name="a\0b"), 422, "product_name: contains a NUL"),
    "a NUL in a URL": (product(product_images=[URL + "\0"]), 422, "product_images[0]: "),
    "a name of 10,000 characters": (product(product_name="x" * 10_000), 422, "at most 500 characters"),
    "a name of 6 MB": (product(product_name="x" * (MEGABYTES_6 - 300)), 422, "at most 500 characters"),
    "a description of 20,001": (product(product_description="x" * 20_001), 422, "at most 20000 characters"),
    "a URL of 10,000 characters": (
        product(product_images=[URL + "x" * 10_000]),
        422,
        "at most 2048 characters",
    ),
    "201 images": (product(product_images=[URL] * 201), 422, "at most 200 items"),
    "thousands of images": (product(product_images=[URL] * 30_000), 422, "at most 200 items"),
    "thousands of wrong images": (product(product_images=[1] * 30_000), 422, "product_images"),
    "NaN": (raw("product_price", "NaN"), 400, "NaN is not a number"),
    "Infinity": (raw("product_price", "-Infinity"), 400, "Infinity is not a number"),
    "NaN as a text": (product(product_price="NaN"), 422, "product_price: should be a number"),
    "a price of 1e999999": (raw("product_price", "1e999999"), 422, "product_price: "),
    "a price of 1e-999999": (raw("product_price", "1e-999999"), 422, "product_price: "),
    "a price with a 30-digit exponent": (raw("product_price", "1e" + "9" * 30), 400, "absurd exponent"),
    "a price of 10,000 digits": (raw("product_price", "9" * 10_000), 400, "thousands of digits"),
    "a price of 4,000 digits": (raw("product_price", "9" * 4_000), 422, "product_price: "),
    "a price with 90,000 decimals": (raw("product_price", "0." + "1" * 90_000), 422, "product_price: "),
    "a price of many digits as a text": (product(product_price="9" * 100_000), 422, "product_price: "),
    "a user of 2^31": (product(user_id=2**31), 422, "user_id: "),
    "a user of 1e2": (raw("user_id", "1e2"), 422, "user_id: "),
    "a user who is true": (product(user_id=True), 422, "user_id: "),
    "deep arrays": (b"[" * 90_000, 400, "nested too deeply"),
    "deep objects": (b'{"a":' * 30_000, 400, "nested too deeply"),
    "deep in a field": (raw("product_name", "[" * 40_000 + "]" * 40_000), 400, "nested too deeply"),
    "a thousand and one keys": (
        json.dumps(dict.fromkeys(map(str, range(1_001)))).encode(),
        400,
        "1,000 keys",
    ),
}
WORST: Final = {  # 6 MB each, of what makes a parser sweat
    "arrays": b"[" + b"[]," * 1_999_900 + b"[]]",
    "deep arrays": b"[" * MEGABYTES_6,
    "many deep arrays": b"[" + (b"[" * 900 + b"]" * 900 + b",") * 3_300 + b"[]]",
    "keys": b"{" + b",".join(b'"%x":1' % number for number in range(600_000)) + b"}",
    "one key": b"{" + b'"":1,' * 1_199_900 + b'"":1}',
    "digits": b"9" * MEGABYTES_6,
    "decimals": b'{"product_price": 0.' + b"1" * (MEGABYTES_6 - 30) + b"}",
    "long numbers": b"[" + (b"9" * 4_299 + b",") * 1_390 + b"1]",
    "floats": b"[" + b"1.5," * 1_499_999 + b"1]",
    "images": b'{"product_images": [' + b"1," * 2_999_980 + b"1]}",
    "empty images": b'{"product_images": [' + b'"",' * 1_999_980 + b'""]}',
    "spaces": b" " * MEGABYTES_6,
    "a text that does not end": b'"' + b'\\"' * 2_999_999,
    "quotes": b'"' * MEGABYTES_6,
}
WORST_BATCHES: Final = {  # of the largest that are taken
    "nothings": (b'{"products": [' + b"{}," * 3_999_990 + b"{}]}", 400, "besides strings and spaces"),
    "products as many as fit": (b'{"products": [' + b"{}," * 33_000 + b"{}]}", 422, "at most 1000 items"),
    "images as many as fit": (
        b'{"products": [{"product_images": [' + b'"http://a.b",' * 80_000 + b'""]}]}',
        422,
        "more than 10,000 images together",
    ),
    "spaces": (b'{"products": ' + b" " * 11_000_000 + b"[]}", 422, "at least 1 item"),
}
TARGETS: Final = {
    "/products/" + "9" * 7_000: (422, "product_id: "),
    "/products/-1": (422, "product_id: "),
    "/products/2147483648": (422, "product_id: "),
    "/products/1e5": (422, "product_id: "),
    "/products/%31%00": (400, "control character"),
    "/products/%ff": (422, "product_id: "),
    "/images/9223372036854775808": (422, "image_id: "),
    "/images/%D9%A1x": (422, "image_id: "),
    "/users/0x10": (422, "user_id: "),
    "/" + "n" * 7_000: (404, "There is nothing at /nnn"),
    "/%00%0d%0aX-Evil:%20yes": (400, "control character"),
    "/products?limit=" + "9" * 7_000: (422, "limit: "),
    "/products?limit=1e1": (422, "limit: "),
    "/products?limit=101": (422, "limit: "),
    "/products?cursor=0": (422, "cursor: "),
    "/products?min_price=NaN": (422, "min_price: "),
    "/products?min_price=1e5": (422, "min_price: "),
    "/products?product_name=%00": (422, "product_name: contains a NUL"),
    "/products?product_name=%ff%fe": (422, "product_name: is not UTF-8"),
    "/products?product_name=" + "x" * 7_000: (422, "at most 500 characters"),
    "/products?state=gone": (422, "state: "),
    "/products?" + "&".join(f"a{number}=1" for number in range(900)): (422, "a0: "),
}


@pytest.fixture(scope="module")
async def port(routes: FastAPI) -> AsyncIterator[int]:
    async with serving(routes) as port:
        yield port


async def refusal(port: int, said: bytes, status: int) -> str:
    """What the answer to a request that must be refused says, if it is short and others are served."""
    answer = await ask(port, said)
    assert answer.status == status, answer.body[:200]
    assert len(answer.body) < 60_000
    assert await served_promptly(port)
    problem: dict[str, Any] = answer.problem
    return str(problem["detail"])


@pytest.mark.parametrize("name", BODIES)
async def test_a_body_that_means_harm_is_refused_with_a_sentence(port: int, name: str) -> None:
    body, status, words = BODIES[name]

    detail = await refusal(port, request("POST /products", body=body), status)

    assert words in detail
    assert len(detail) < 1_500


@pytest.mark.parametrize("name", WORST)
async def test_the_worst_bodies_are_refused_before_others_notice(port: int, name: str) -> None:
    started = perf_counter()

    await refusal(port, request("POST /products", body=WORST[name]), 400)

    assert perf_counter() - started < 1


@pytest.mark.parametrize("name", WORST_BATCHES)
async def test_the_worst_batches_are_refused_before_others_notice(port: int, name: str) -> None:
    body, status, words = WORST_BATCHES[name]
    started = perf_counter()

    assert words in await refusal(port, request("POST /products/batch", body=body), status)

    assert perf_counter() - started < 1


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target[:30])
async def test_a_target_that_means_harm_is_refused_with_a_sentence(port: int, target: str) -> None:
    status, words = TARGETS[target]

    assert words in await refusal(port, request(f"GET {target}"), status)
