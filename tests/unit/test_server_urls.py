"""What a server's URL is split into, on every Python."""

import pytest

from packshot.server_urls import split_url


@pytest.mark.parametrize(
    ("url", "parts"),
    [
        ("kafka://ada:x@a:1,[::1]:2/topic?group=y", ("kafka", "ada:x@a:1,[::1]:2", "/topic", "group=y", "")),
        ("REDIS://host/0#end", ("redis", "host", "/0", "", "end")),
        ("postgresql:///shop?host=/run/db", ("postgresql", "", "/shop", "host=/run/db", "")),
        ("file:/data/store", ("file", "", "/data/store", "", "")),
        ("memory:", ("memory", "", "", "", "")),
        ("", ("", "", "", "", "")),
    ],
)
def test_a_url_of_a_server_has_five_parts(url: str, parts: tuple[str, ...]) -> None:
    assert split_url(url) == parts
