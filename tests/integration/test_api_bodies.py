"""What every request passes: bodies that are JSON whatever they are called, and no foreign site."""

import pytest
from fastapi import FastAPI
from httpx import ASGITransport, AsyncClient
from tests.shop import URL, a_product, problem_in, wrong_fields

STRICT_POLICY = "default-src 'none'; frame-ancestors 'none'"
BODY = b'{"image_url": "https://example.com/image.jpg"}'


@pytest.mark.parametrize(
    "headers",
    [
        {"content-type": "application/x-www-form-urlencoded"},  # what curl -d says
        {"content-type": "text/plain;charset=UTF-8"},  # what a browser's fetch says
        {"content-type": "multipart/form-data; boundary=x"},
        {"content-type": "application/json"},
        {"content-type": "no such type"},
        {"content-type": ""},
        {},
    ],
)
async def test_a_body_is_json_whatever_it_is_called(api: AsyncClient, headers: dict[str, str]) -> None:
    answer = await api.post("/process-image", content=BODY, headers=headers)

    assert answer.status_code == 202
    assert answer.json()["source_url"] == "https://example.com/image.jpg"


async def test_a_byte_order_mark_before_a_body_does_no_harm(api: AsyncClient) -> None:
    assert (await api.post("/process-image", content=b"\xef\xbb\xbf" + BODY)).status_code == 202


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"image_url=https%3A%2F%2Fexample.com",
        b"{'image_url': 1}",
        b'{"image_url": NaN}',
        b'{"image_url": -Infinity}',
        b'{"image_url": 01}',
        b'{"image_url": "\xff"}',
        b"\xff\xfe{",
        b"9" * 5000,  # Python refuses to read a number of so many digits
        b"[" * 100_000,
        b'{"a":' * 100_000,
    ],
)
async def test_a_body_that_is_not_json_is_refused(api: AsyncClient, body: bytes) -> None:
    assert "not valid JSON" in problem_in(await api.post("/process-image", content=body), 400)["detail"]


async def test_the_place_of_a_slip_in_a_body_is_named(api: AsyncClient) -> None:
    answer = await api.post("/process-image", content=b'{"image_url": "a",}')

    assert "character 19" in problem_in(answer, 400)["detail"]


@pytest.mark.parametrize("body", [b"", b"null", b"[]", b'"text"', b"7", b"true", b'{"\\ud800": 1}'])
async def test_a_body_that_is_no_object_is_refused(api: AsyncClient, body: bytes) -> None:
    assert wrong_fields(await api.post("/products", content=body)) == ["body"]


async def test_a_thousand_unknown_fields_are_not_all_repeated(api: AsyncClient) -> None:
    body = {"x" * 5_000 + str(number): 1 for number in range(1_000)}

    answer = await api.post("/products", json=body)

    problem_in(answer, 422)
    assert len(answer.content) < 100_000


async def test_a_path_that_does_not_exist_is_not_found(api: AsyncClient) -> None:
    assert "/prodcuts" in problem_in(await api.get("/prodcuts"), 404)["detail"]


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("PUT", "/products", "GET, POST"),
        ("PUT", "/products/1", "DELETE, GET, HEAD, PATCH"),
        ("GET", "/process-image", "POST"),
        ("DELETE", "/images/1/large", "GET, HEAD"),
    ],
)
async def test_a_wrong_method_is_told_the_right_ones(
    api: AsyncClient, method: str, path: str, allowed: str
) -> None:
    answer = await api.request(method, path)

    assert allowed in problem_in(answer, 405)["detail"]
    assert answer.headers["allow"] == allowed


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/products"),
        ("PATCH", "/products/1"),
        ("DELETE", "/products/1"),
        ("POST", "/process-image"),
        ("POST", "/images/1/retry"),
        ("POST", "/users"),
    ],
)
@pytest.mark.parametrize("site", ["cross-site", "same-site"])
async def test_another_site_may_not_write(api: AsyncClient, method: str, path: str, site: str) -> None:
    answer = await api.request(method, path, json=a_product(), headers={"sec-fetch-site": site})

    problem_in(answer, 403)


async def test_what_another_site_wanted_to_write_is_not_written(api: AsyncClient) -> None:
    await api.post("/products", json=a_product(), headers={"sec-fetch-site": "cross-site"})

    assert (await api.get("/products")).json()["products"] == []


@pytest.mark.parametrize("path", ["/products", "/users/1", "/healthz", "/readyz", "/openapi.json", "/docs"])
async def test_another_site_may_read(api: AsyncClient, path: str) -> None:
    assert (await api.get(path, headers={"sec-fetch-site": "cross-site"})).status_code == 200


@pytest.mark.parametrize("site", ["same-origin", "none"])
async def test_our_own_pages_and_typed_addresses_may_write(api: AsyncClient, site: str) -> None:
    answer = await api.post("/process-image", json={"image_url": URL}, headers={"sec-fetch-site": site})

    assert answer.status_code == 202


@pytest.mark.parametrize(
    ("origin", "status"),
    [
        ("http://evil.example", 403),
        ("http://localhost.evil.example", 403),
        ("http://localhost:8080", 403),
        ("null", 403),
        ("http://[", 403),
        ("", 403),
        ("http://localhost", 201),
    ],
)
async def test_where_browsers_do_not_say_cross_site_the_origin_must_be_ours(
    api: AsyncClient, origin: str, status: int
) -> None:
    headers = {"origin": origin, "host": "localhost"}

    assert (await api.post("/products", json=a_product(), headers=headers)).status_code == status


@pytest.mark.parametrize("path", ["/products", "/products/7", "/nothing", "/healthz", "/openapi.json"])
async def test_every_answer_is_what_it_says_it_is_and_runs_nothing(api: AsyncClient, path: str) -> None:
    answer = await api.get(path)

    assert answer.headers.get_list("x-content-type-options") == ["nosniff"]
    assert answer.headers.get_list("content-security-policy") == [STRICT_POLICY]


async def test_the_answer_to_a_bug_is_no_less_strict(routes: FastAPI) -> None:
    transport = ASGITransport(routes, raise_app_exceptions=False)
    async with AsyncClient(transport=transport, base_url="http://packshot") as client:
        answer = await client.get("/readyz")

    problem_in(answer, 500)
    assert answer.headers["content-security-policy"] == STRICT_POLICY


async def test_the_documentation_runs_only_files_of_ours(api: AsyncClient) -> None:
    answer = await api.get("/docs")

    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "script-src 'self';" in answer.headers["content-security-policy"]
