"""What else a server may answer, or not answer, or send us to; and our own faults."""

import asyncio
import os
import resource
import shutil
import socket
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path
from ssl import PROTOCOL_TLS_SERVER, SSLContext
from urllib.parse import quote

import pytest
from tests.bad_answers import BAD_ANSWERS
from tests.fetching import BOTH_LOOPS, HERE, downloader, failure, fetch
from tests.supplier import HABITS, PICTURE, Supplier

from packshot.errors import (
    HostUnknown,
    ImageError,
    ServiceUnavailable,
    SourceForbidden,
    SourceGone,
    SourceNotHttp,
    SourceRejected,
    SourceThrottled,
    SourceTlsFailed,
    SourceUnavailable,
    TooManyRedirects,
    UrlInvalid,
)


@pytest.fixture(params=BOTH_LOOPS)
def anyio_backend(request: pytest.FixtureRequest) -> object:
    return request.param


@pytest.fixture
async def supplier() -> AsyncIterator[Supplier]:
    async with Supplier() as supplier:
        supplier.files["/shoe.png"] = PICTURE
        yield supplier


@pytest.fixture
def to(tmp_path: Path) -> Path:
    return tmp_path / "source"


@pytest.mark.parametrize(
    ("kind", "status"),
    [
        (SourceForbidden, 403),
        (SourceGone, 404),
        (SourceRejected, 418),
        (SourceThrottled, 429),
        (SourceUnavailable, 502),
    ],
)
async def test_an_error_of_the_server_is_told_apart(
    supplier: Supplier, to: Path, kind: type[ImageError], status: int
) -> None:
    assert type(await failure(supplier.url(f"/status/{status}"), to)) is kind


@pytest.mark.parametrize(
    ("header", "seconds"),
    [("7", 7), ("Thu, 01 Jan 1970 00:00:00 GMT", 0), ("Fri, 01 Jan 2100 00:00:00 GMT", 1e9)],
)
async def test_a_throttled_source_says_when_to_come_back(
    supplier: Supplier, to: Path, header: str, seconds: float
) -> None:
    error = await failure(supplier.url(f"/status/429?retry-after={quote(header)}"), to)

    assert error.retry_after_seconds is not None
    assert min(error.retry_after_seconds, 1e9) == seconds


@pytest.mark.parametrize("host", ["xn--i-.example", "xn--a-.example", "xn--9999999999-.example"])
async def test_a_host_that_no_international_name_can_have_is_the_suppliers_mistake(
    host: str, to: Path
) -> None:
    assert type(await failure(f"http://{host}/shoe.jpg", to)) in (HostUnknown, UrlInvalid)


async def test_the_next_try_is_a_fresh_one(supplier: Supplier, to: Path) -> None:
    async with downloader() as one:
        with pytest.raises(SourceUnavailable):
            await one.download(supplier.url("/flaky/shoe.png"), to)
        assert await one.download(supplier.url("/flaky/shoe.png"), to)


@pytest.mark.parametrize(
    ("path", "kind", "sentence"),
    [
        ("/silent", SourceUnavailable, "closed the connection without an answer"),
        ("/not-http", SourceNotHttp, "does not answer in proper HTTP"),
        ("/too-long", SourceNotHttp, "does not answer in proper HTTP"),
    ],
)
async def test_a_server_that_does_not_answer_is_described(
    supplier: Supplier, to: Path, path: str, kind: type[ImageError], sentence: str
) -> None:
    error = await failure(supplier.url(path), to)

    assert isinstance(error, kind)
    assert str(error) == f"{HERE} {sentence}."


async def test_a_server_that_is_not_there_is_named(to: Path) -> None:
    async with Supplier() as gone:
        pass

    error = await failure(gone.url("/shoe.png"), to)

    assert isinstance(error, SourceUnavailable)
    assert str(error) == f"{HERE} cannot be reached: connection refused."


@pytest.mark.parametrize(
    ("number", "sentence"),
    [
        (socket.EAI_NONAME, "shop.example is not known to the DNS."),
        (socket.EAI_AGAIN, "shop.example is not known to the DNS, which gives no answer at the moment."),
    ],
)
async def test_a_name_that_nobody_knows_is_named(
    to: Path, monkeypatch: pytest.MonkeyPatch, number: int, sentence: str
) -> None:
    def know_nothing(*_: object, **__: object) -> None:
        raise socket.gaierror(number, "Not now")

    monkeypatch.setattr(socket, "getaddrinfo", know_nothing)
    error = await failure("http://shop.example/shoe.png", to)

    assert isinstance(error, HostUnknown)
    assert str(error) == sentence


@pytest.mark.parametrize(
    ("host", "kind"), [("sh\u200bop.example", UrlInvalid), ("\u2488\u2488.example", HostUnknown)]
)
async def test_a_name_that_no_name_server_can_be_asked_for_is_an_error_too(
    to: Path, host: str, kind: type[ImageError]
) -> None:
    assert type(await failure(f"http://{host}/shoe.png", to)) is kind


async def test_a_server_that_is_not_encrypted_cannot_be_asked_as_if_it_were(to: Path) -> None:
    async def speak_plainly(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        writer.close()

    async with await asyncio.start_server(speak_plainly, HERE, 0) as server:
        port = server.sockets[0].getsockname()[1]
        error = await failure(f"https://{HERE}:{port}/shoe.png", to)

    assert isinstance(error, SourceTlsFailed)
    assert str(error) == f"{HERE} cannot agree with us on an encrypted connection (TLS)."


async def test_a_certificate_that_is_not_valid_is_told_apart(to: Path, tmp_path: Path) -> None:
    async with Supplier(tls=self_signed(tmp_path)) as supplier:
        error = await failure(supplier.url("/shoe.png"), to)

    assert isinstance(error, SourceTlsFailed)
    assert str(error) == f"{HERE} has a certificate that is not valid: self-signed certificate."
    assert not supplier.requests


async def test_as_many_redirects_as_allowed_are_followed_and_one_more_is_not(
    supplier: Supplier, to: Path
) -> None:
    assert await fetch(supplier.url("/chain/2"), to, max_redirects=2)
    assert isinstance(await failure(supplier.url("/chain/3"), to, max_redirects=2), TooManyRedirects)


async def test_a_circle_is_left_after_one_round(supplier: Supplier, to: Path) -> None:
    error = await failure(supplier.url("/circle/a"), to, max_redirects=100)

    assert isinstance(error, TooManyRedirects)
    assert supplier.asked == {"/circle/a": 1, "/circle/b": 1}


async def test_a_redirect_without_a_target_is_the_servers_mistake(supplier: Supplier, to: Path) -> None:
    assert isinstance(await failure(supplier.url("/redirect"), to), SourceRejected)


@pytest.mark.parametrize(
    "target", ["ftp://shop.example/", "file:///etc/passwd", "http://user:x@shop.example/"]
)
async def test_a_redirect_is_checked_like_a_url_from_a_person(
    supplier: Supplier, to: Path, target: str
) -> None:
    assert isinstance(await failure(supplier.url(f"/redirect?to={target}"), to), UrlInvalid)


async def test_a_redirect_may_lead_to_a_longer_url_than_a_person_may_send(
    supplier: Supplier, to: Path
) -> None:
    assert await fetch(supplier.url("/signed/shoe.png"), to)
    assert len(supplier.requests[-1].target) > 2048


@pytest.mark.parametrize("path", ["/dev/full", "/no/such/folder/source"])
async def test_a_disk_that_takes_nothing_is_our_fault(supplier: Supplier, path: str) -> None:
    with pytest.raises(ServiceUnavailable, match=path):
        await fetch(supplier.url("/shoe.png"), Path(path))


async def test_running_out_of_file_descriptors_is_our_fault(supplier: Supplier, to: Path) -> None:
    async with downloader() as one:
        with no_more_files(), pytest.raises(ServiceUnavailable, match="Too many open files"):
            await one.download(supplier.url("/shoe.png"), to)


async def test_no_habit_leaves_anything_open(supplier: Supplier, to: Path) -> None:
    before = open_files()
    async with downloader(download_seconds=0.2, max_source_bytes=100_000) as one:
        paths = {f"/{habit}/200" for habit in HABITS} - {"/answer/200"}
        paths |= {f"/answer/{quote(name, '')}" for name in BAD_ANSWERS}
        urls = [supplier.url(path) for path in paths]
        await asyncio.gather(*[one.download(url, to) for url in urls], return_exceptions=True)
    await supplier.__aexit__()

    async with asyncio.timeout(5):
        while open_files() >= before:  # noqa: ASYNC110 - nobody tells when the loop has closed a socket
            await asyncio.sleep(0.01)


@contextmanager
def no_more_files() -> Iterator[None]:
    """Forbid this process to open one more file."""
    free = os.dup(0)
    os.close(free)
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (free, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)


def self_signed(folder: Path) -> SSLContext:
    if not (openssl := shutil.which("openssl")):
        pytest.skip("needs openssl to make a certificate")
    key, certificate = folder / "key.pem", folder / "certificate.pem"
    options = [
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:P-256",
        "-nodes",
        "-subj",
        "/CN=shop.example",
        "-days",
        "1",
    ]
    command = [openssl, "req", "-x509", *options, "-keyout", str(key), "-out", str(certificate)]
    subprocess.run(command, check=True, capture_output=True)  # noqa: S603 - our own words only
    context = SSLContext(PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    return context


def open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))
