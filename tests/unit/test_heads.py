"""Which heads of requests are taken, as far as the parser lets them through."""

from typing import Final

import pytest

from packshot.web.heads import MAX_BODY_BYTES, MAX_HEAD_BYTES, MAX_HEADERS, MAX_URL_BYTES, Head, rejection

HOST: Final = (b"host", b"packshot")
CHUNKED: Final = (b"transfer-encoding", b"Chunked")


def length(size: int) -> tuple[bytes, bytes]:
    return b"content-length", b"%d" % size


def head(
    *headers: tuple[bytes, bytes], url: bytes = b"/", version: str = "1.1", upgrades: bool = False
) -> Head:
    return Head(b"GET", url, version, list(headers), upgrades)


TAKEN: Final = {
    "a host": head(HOST),
    "no host in HTTP/1.0": head(version="1.0"),
    "two hosts in HTTP/1.0": head(HOST, HOST, version="1.0"),
    "the longest URL": head(HOST, url=b"/" * MAX_URL_BYTES),
    "the longest head": head(HOST, (b"x", b"y" * (MAX_HEAD_BYTES - 13))),
    "as many headers as may be": head(HOST, *[(b"x", b"y")] * (MAX_HEADERS - 1)),
    "the longest body": head(HOST, length(MAX_BODY_BYTES)),
    "the longest batch": head(HOST, length(12_000_000), url=b"/products/batch?x"),
    "a line break in the query": head(HOST, url=b"/products?product_name=a%0Ab"),
    "a space and an umlaut in the path": head(HOST, url=b"/images/1/a%20%C3%A4"),
    "chunks": head(HOST, CHUNKED),
    "an upgrade": head(HOST, upgrades=True),
}
REJECTED: Final = {
    "a longer URL": (head(HOST, url=b"/" * (MAX_URL_BYTES + 1)), 414),
    "a longer head": (head(HOST, (b"x", b"y" * (MAX_HEAD_BYTES - 12))), 431),
    "more headers": (head(HOST, *[(b"x", b"y")] * MAX_HEADERS), 431),
    "a longer body": (head(HOST, length(MAX_BODY_BYTES + 1)), 413),
    "a longer batch": (head(HOST, length(12_000_001), url=b"/products/batch"), 413),
    "a body as long as a batch, elsewhere": (head(HOST, length(12_000_000), url=b"/products/batch/"), 413),
    "a URL in UTF-8": (head(HOST, url="/käse".encode()), 400),
    "a line break in the path": (head(HOST, url=b"/images/1/markup%0A"), 400),
    "a zero byte in the path": (head(HOST, url=b"/images/1/%00"), 400),
    "a delete in the path": (head(HOST, url=b"/images/1/%7f?x"), 400),
    "a version that is to come": (head(HOST, version="1.2"), 400),
    "no host": (head(), 400),
    "two hosts": (head(HOST, HOST), 400),
    "another coding": (head(HOST, (b"transfer-encoding", b"gzip, chunked")), 400),
    "two codings": (head(HOST, (b"transfer-encoding", b"gzip"), CHUNKED), 400),
    "chunks in HTTP/1.0": (head(CHUNKED, version="1.0"), 400),
    "an upgrade with a body": (head(HOST, length(2), upgrades=True), 400),
    "an upgrade with an empty body": (head(HOST, length(0), upgrades=True), 400),
    "an upgrade with chunks": (head(HOST, CHUNKED, upgrades=True), 400),
}


@pytest.mark.parametrize("taken", TAKEN.values(), ids=TAKEN)
def test_a_head_within_the_limits_is_taken(taken: Head) -> None:
    assert rejection(taken) is None


@pytest.mark.parametrize(("rejected", "status"), REJECTED.values(), ids=REJECTED)
def test_a_head_beyond_a_limit_is_rejected(rejected: Head, status: int) -> None:
    reason = rejection(rejected)

    assert reason
    assert reason.status == status
