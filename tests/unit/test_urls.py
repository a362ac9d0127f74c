"""Which URLs may be fetched, and how they go over the wire, without a network."""

from collections.abc import Callable
from ipaddress import IPv4Address

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from packshot.addresses import check_url, request_target
from packshot.errors import UrlInvalid

NOTATIONS: list[Callable[[IPv4Address], str]] = [
    lambda ip: str(int(ip)),
    lambda ip: hex(int(ip)),
    lambda ip: f"0{int(ip):o}",
    lambda ip: ".".join(f"0{part:o}" for part in ip.packed),
    lambda ip: ".".join(hex(part) for part in ip.packed),
    lambda ip: f"{ip.packed[0]}.{int(ip) & 0xFFFFFF}",
    lambda ip: f"{ip.packed[0]}.{ip.packed[1]}.{hex(int(ip) & 0xFFFF)}",
    lambda ip: f"{ip}.",
    lambda ip: f"{ip}".rjust(20, "0"),
]
ADDRESSES = st.integers(0, 2**32 - 1).map(IPv4Address)


@pytest.mark.parametrize(
    "url",
    [
        "http://shop.example",
        "HTTPS://Shop.Example/a.jpg",
        'https://shop.example:8443/a,b\'(c).jpg?x=%2C&y="z"#top',
        "https://bücher.example/größe/图片.png",
        "http://[2001:db8::1]:8080/a.png",
        "http://shop.example/user@home.jpg",
        f"http://{'a' * 63}.example./",
    ],
)
def test_urls_that_could_be_fetched_pass(url: str) -> None:
    assert check_url(url).hostname


@pytest.mark.parametrize(
    ("url", "sentence"),
    [
        ("", "does not begin with http"),
        ("shop.example/a.jpg", "does not begin with http"),
        ("//shop.example/a.jpg", "does not begin with http"),
        ("ftp://shop.example/a.jpg", "does not begin with http"),
        ("file:///etc/passwd", "does not begin with http"),
        ("javascript:alert(1)", "does not begin with http"),
        ("data:image/png;base64,AAAA", "does not begin with http"),
        ("http:///a.jpg", "no host"),
        ("https:shop.example", "no host"),
        ("http://:80/", "no host"),
        ("http://user@shop.example/", "user name"),
        ("http://user:secret@shop.example/", "user name"),
        ("http://shop.example\\@127.0.0.1/", "user name"),
        ("http://@shop.example/", "user name"),
        ("http://shop.example:99999/", "host or port"),
        ("http://shop.example:x/", "host or port"),
        ("http://[::1/", "host or port"),
        ("http://[shop.example]/", "host or port"),
        ("http://[fe80::1%25eth0]/", "character that no host name has"),
        ("http://shop%2eexample/", "character that no host name has"),
        ("http://shop|example/", "character that no host name has"),
        ("http://127.1/", "number"),
        ("http://2130706433/", "number"),
        ("http://0x7f000001/", "number"),
        ("http://0177.0.0.1/", "number"),
        ("http://127.0.0.1./", "number"),
        ("http://shop.example.256/", "number"),
        ("http://shop..example/", "empty or too long"),
        ("http://.example/", "empty or too long"),
        (f"http://{'a' * 64}.example/", "empty or too long"),
        ("http://shop.example/a b.jpg", "space or a control character"),
        ("http://shop.example/a\n.jpg", "space or a control character"),
        ("http://shop.example/\x00", "space or a control character"),
        ("http://shop.example/\x85", "space or a control character"),
        ("http://shop.example/\ud800", "space or a control character"),
        (" http://shop.example/", "space or a control character"),
    ],
)
def test_urls_that_could_not_are_refused_with_the_reason(url: str, sentence: str) -> None:
    with pytest.raises(UrlInvalid, match=sentence):
        check_url(url)


@given(ADDRESSES, st.sampled_from(NOTATIONS))
def test_an_address_is_taken_in_its_usual_form_only(
    ip: IPv4Address, write: Callable[[IPv4Address], str]
) -> None:
    host = write(ip)
    assume(host != str(ip))

    with pytest.raises(UrlInvalid, match="usual form"):
        check_url(f"http://{host}/")


def test_a_url_of_2048_characters_is_the_longest() -> None:
    longest = "http://shop.example/".ljust(2048, "a")

    check_url(longest)
    with pytest.raises(UrlInvalid, match="2049 characters"):
        check_url(longest + "a")


@given(st.text(max_size=60).map("http://".__add__) | st.text(max_size=60))
def test_no_text_breaks_the_check(url: str) -> None:
    try:
        parts = check_url(url)
    except UrlInvalid:
        return
    assert request_target(parts).isascii()


@pytest.mark.parametrize(
    ("path", "target"),
    [
        ("", "/"),
        ("?q", "/?q"),
        ("/a%2Cb%2fc?sig=a%2Bb%3D&x=a+b,c", "/a%2Cb%2fc?sig=a%2Bb%3D&x=a+b,c"),
        ("/a,b;c='d'(e)!$*[f]~", "/a,b;c='d'(e)!$*[f]~"),
        ("/größe.jpg?farbe=grün", "/gr%C3%B6%C3%9Fe.jpg?farbe=gr%C3%BCn"),
        ('/"a"<b>|{c}^`\\', "/%22a%22%3Cb%3E%7C%7Bc%7D%5E%60%5C"),
        ("/100%.jpg?x=%zz", "/100%25.jpg?x=%25zz"),
        ("/a/../b/./c//d", "/a/../b/./c//d"),
        ("/a#fragment", "/a"),
    ],
)
def test_only_what_no_request_may_contain_is_encoded(path: str, target: str) -> None:
    assert request_target(check_url(f"http://shop.example{path}")) == target
