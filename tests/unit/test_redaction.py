"""What is never written, in whatever sentence it stands."""

from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from packshot.redaction import Redaction, place_of

SECRET = "hunter2hunter2"  # noqa: S105 - it is searched for
PLAIN = st.text(st.characters(codec="utf-8"), max_size=30)
WITHOUT_SPACE = st.text(
    st.characters(
        codec="utf-8", exclude_categories=("Cc", "Cs", "Zs", "Zl", "Zp"), exclude_characters="'\"<>\\"
    ),
    max_size=10,
)
SHAPES = [
    f"https://ada:{SECRET}@shop.example/boot.jpg",
    f"https://shop.example/boot.jpg?token={SECRET}",
    f"https://shop.example/boot.jpg#{SECRET}",
    f"postgresql://ada:{SECRET}/x?y@db.example/shop",
    f"amqps://ada:p@ss{SECRET}@mq.example:5671/v",
    f"redis://:{SECRET}@cache.example",
    f"GET /products?key={SECRET} HTTP/1.1",
    f"/boot.jpg?{SECRET}",
    f"Authorization: Bearer {SECRET}",
    f"authorization='{SECRET}'",
    f"Proxy-Authorization: Digest {SECRET}",
    f"/fetch/https%3A%2F%2Fshop.example%2Fboot.jpg%3Ftoken%3D{SECRET}",
    f"(b'authorization', b'Basic {SECRET}')",
    f'{{"aws_secret_access_key": "{SECRET}"}}',
    f"AWS_SECRET_ACCESS_KEY={SECRET}",
    f"X-Amz-Signature={SECRET}&X-Amz-Date=1",
    f"password = {SECRET}",
    f"sasl_plain_password={SECRET};",
    f"pwd={SECRET}",
    f"AccountKey={SECRET}",
    f"se=2026&sig={SECRET}",
    f"packshot_{SECRET}",
    f"whsec_{SECRET}==",
]
INNOCENT = [
    "image ready",
    "There are no images? None.",
    "/products/{product_id}",
    "packshot_requests_total",
    "packshot_aB3dE6gH",  # a key's prefix
    "https://shop.example/boot@2x.jpg",
    "s3://pictures/shop/ab/abcd.avif",
    "kafka://a.example:9092,b.example:9092/packshot.images",
    "The server wants a login or refuses us (401, 403, 451).",
    "d0be2dc421be4fcd0172e5afceea3970e2f3d940",
    "2026-11-22T03:46:15.471352Z",
]


@pytest.mark.parametrize("shape", SHAPES)
@given(PLAIN, PLAIN)
def test_a_secret_is_taken_out_of_any_sentence(shape: str, before: str, after: str) -> None:
    assert SECRET not in Redaction().text(f"{before} {shape} {after}")


@given(st.sampled_from(["postgresql", "amqp", "kafka", "s3+x"]), WITHOUT_SPACE, WITHOUT_SPACE)
def test_whatever_a_login_looks_like_it_goes(scheme: str, name: str, rest: str) -> None:
    assert SECRET not in Redaction().text(f"{scheme}://{name}:{SECRET}@{rest}")


@given(WITHOUT_SPACE.map(quote), WITHOUT_SPACE)
def test_a_login_on_the_web_ends_where_browsers_think_it_does(name: str, rest: str) -> None:
    assert SECRET not in Redaction().text(f"https://{name.replace('/', '')}:{SECRET}@{rest}")


@given(WITHOUT_SPACE, WITHOUT_SPACE)
def test_whatever_a_query_looks_like_it_goes(path: str, query: str) -> None:
    assert SECRET not in Redaction().text(f"https://shop.example/{path}?{query}{SECRET}")


@pytest.mark.parametrize("innocent", INNOCENT)
def test_what_is_no_secret_stays(innocent: str) -> None:
    assert Redaction().text(innocent) == innocent


def test_a_url_keeps_what_says_where_it_leads() -> None:
    said = Redaction().text("https://ada:pw@shop.example:8443/a/boot.jpg?size=3#top is gone")

    assert said == "https://***@shop.example:8443/a/boot.jpg?*** is gone"


@pytest.mark.parametrize("spelling", ["p%40ss w%2Ford", "p@ss w/ord"])
def test_a_secret_that_is_known_is_taken_out_in_both_spellings(spelling: str) -> None:
    assert Redaction(["p%40ss w%2Ford"]).text(f"It was {spelling}.") == "It was ***."


def test_what_is_known_and_very_short_is_no_secret() -> None:
    assert Redaction(["a"]).text("a sentence") == "a sentence"


def test_secrets_are_found_inside_of_anything() -> None:
    odd = {
        "urls": [f"https://x.example/?{SECRET}"],
        "inner": {"password": SECRET, "n": 7},
        "e": ValueError(f"no such file: /x?{SECRET}"),
    }

    said = Redaction().value("details", odd)

    assert SECRET not in str(said)
    assert "'n': 7" in str(said)


@pytest.mark.parametrize(
    "name", ["password", "Authorization", "set_cookie", "aws_secret_access_key", "api-key"]
)
def test_what_has_a_telling_name_is_not_written_at_all(name: str) -> None:
    assert Redaction().value(name, SECRET) == "***"


@pytest.mark.parametrize(
    ("url", "place"),
    [
        (f"postgresql://ada:{SECRET}@db.example:5433/shop?sslmode=require", "db.example:5433/shop"),
        (f"postgresql://ada:{SECRET}@db.example/shop?password={SECRET}", "db.example:5432/shop"),
        ("postgresql://one.example,two.example:5433/shop", "one.example,two.example:5433/shop"),
        ("postgresql://packshot@/packshot?host=/run/pg&sslmode=disable", "/run/pg/packshot"),
        (f"rediss://:{SECRET}@[2001:db8::1]/", "[2001:db8::1]:6379"),
        (f"amqp://ada:p@ss{SECRET}@mq.example/", "mq.example:5672"),
        (f"amqp://ada:p/{SECRET}@mq.example/", "***"),
    ],
)
def test_a_place_says_where_a_server_is_and_not_how_to_get_in(url: str, place: str) -> None:
    assert place_of(url) == place
