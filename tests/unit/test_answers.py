"""What a server's answer means, without a server."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from packshot.answers import redirect_refused, redirect_target, refusal, retry_after_seconds
from packshot.errors import (
    ImageError,
    NotAnImage,
    SourceForbidden,
    SourceGone,
    SourceRejected,
    SourceThrottled,
    SourceUnavailable,
    UrlInvalid,
)

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize("status", [200, 203])
def test_a_picture_follows_a_plain_success(status: int) -> None:
    assert refusal("shop.example", status, "", NOW) is None


@pytest.mark.parametrize(
    ("kind", "statuses"),
    [
        (SourceForbidden, [401, 403, 407, 451]),
        (SourceGone, [404, 410]),
        (SourceThrottled, [429]),
        (SourceUnavailable, [202, 408, 425, 500, 502, 503, 504, 521, 599]),
        (SourceRejected, [101, 201, 205, 206, 226, 300, 304, 305, 400, 402, 405, 406, 418, 499, 600, 999]),
        (NotAnImage, [204]),
    ],
)
def test_every_other_status_is_an_error_of_its_kind(kind: type[ImageError], statuses: list[int]) -> None:
    assert {type(refusal("shop.example", status, "", NOW)) for status in statuses} == {kind}


def test_the_sentence_names_the_host_and_the_status() -> None:
    assert (
        str(refusal("shop.example", 404, "", NOW))
        == "shop.example answers 404 (Not Found) instead of a picture."
    )


def test_a_status_without_a_name_is_a_number() -> None:
    assert str(refusal("shop.example", 521, "", NOW)) == "shop.example answers 521 instead of a picture."


@pytest.mark.parametrize("status", [429, 503])
def test_the_wish_to_be_left_alone_is_kept(status: int) -> None:
    reason = refusal("shop.example", status, "120", NOW)

    assert reason
    assert reason.retry_after_seconds == 120


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("0", 0),
        ("999999999", 999_999_999),
        ("99999999999", 99_999_999_999),
        ("Sun, 01 Mar 2026 12:01:30 GMT", 90),
        ("Sunday, 01-Mar-26 12:01:30 GMT", 90),
        ("Sun, 01 Mar 2026 12:01:30 -0000", 90),
        ("Sun, 01 Mar 2026 13:01:30 +0100", 90),
        ("Sun, 01 Mar 2026 11:00:00 GMT", 0),
        ("", None),
        ("soon", None),
        ("-5", None),
        ("1.5", None),
        ("²", None),
        ("9" * 5000, None),
        ("Mon, 01 Jan 99999999999999999999 00:00:00 GMT", None),
    ],
)
def test_retry_after_is_seconds_or_a_date(header: str, seconds: float | None) -> None:
    assert retry_after_seconds(header, NOW) == seconds


@given(st.text() | st.datetimes().map(lambda at: f"{at:%a, %d %b %Y %H:%M:%S} +{at:%H%f}"))
def test_no_retry_after_breaks_the_reading(header: str) -> None:
    seconds = retry_after_seconds(header, NOW)

    assert seconds is None or 0 <= seconds < timedelta.max.total_seconds()


@pytest.mark.parametrize(
    ("location", "target"),
    [
        ("/b.jpg", "http://shop.example/b.jpg"),
        ("b.jpg", "http://shop.example/x/b.jpg"),
        ("?size=2", "http://shop.example/x/a.jpg?size=2"),
        ("//cdn.example/b.jpg", "http://cdn.example/b.jpg"),
        ("https://cdn.example/b.jpg?sig=a%2Bb", "https://cdn.example/b.jpg?sig=a%2Bb"),
        (" /my photo.jpg ", "http://shop.example/my%20photo.jpg"),
        ("file:///etc/passwd", "file:///etc/passwd"),
    ],
)
def test_a_redirect_leads_where_its_location_says(location: str, target: str) -> None:
    assert redirect_target("http://shop.example/x/a.jpg", 302, location) == target


def test_a_redirect_to_nowhere_is_a_mistake_of_the_server() -> None:
    with pytest.raises(SourceRejected, match=r"^shop.example answers 302 \(Found\) without"):
        redirect_target("http://shop.example/", 302, "")


def test_a_redirect_to_nonsense_is_refused() -> None:
    with pytest.raises(UrlInvalid, match=r"^shop.example .* not a URL"):
        redirect_target("http://shop.example/", 302, "http://[::1")


@pytest.mark.parametrize(
    ("target", "shown"),
    [
        ("file:///etc/passwd", "file:"),
        ("data:image/png;base64,AAAA", "data:"),
        ("http://ada:secret@cdn.example/shoe.jpg?key=1", "http://cdn.example"),
        ("http://10.0.0.1:22/", "http://10.0.0.1"),
        ("http://[::1", "what is no URL"),
        ("http://\udcff\x01.example/", r"http://\udcff\x01.example"),
        (f"http://{'a' * 1_000_000}.example/", f"http://{'a' * 93}"),
    ],
)
def test_a_redirect_that_is_not_followed_is_named_without_its_secrets(target: str, shown: str) -> None:
    sentence = redirect_refused("shop.example", target, UrlInvalid("Because."))

    assert sentence == f"shop.example redirects to {shown}, which we do not fetch. Because."
