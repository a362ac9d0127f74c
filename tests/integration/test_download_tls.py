"""What a server's certificate and handshake may not be."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from ssl import PROTOCOL_TLS_SERVER, SSLContext, create_default_context

import aiohttp
import pytest
import trustme
from tests.fetching import BOTH_LOOPS, HERE, downloader, failure, fetch
from tests.supplier import PICTURE, Supplier

from packshot.errors import SourceTimeout, SourceTlsFailed, SourceUnavailable

YESTERDAY = datetime.now(UTC) - timedelta(days=1)


@pytest.fixture(params=BOTH_LOOPS)
def anyio_backend(request: pytest.FixtureRequest) -> object:
    return request.param


@pytest.fixture
def authority(monkeypatch: pytest.MonkeyPatch) -> trustme.CA:
    """Somebody whose certificates everybody on this machine believes."""
    authority, context = trustme.CA(), create_default_context()
    authority.configure_trust(context)
    monkeypatch.setattr(aiohttp.connector, "_SSL_CONTEXT_VERIFIED", context)
    return authority


@pytest.fixture
def to(tmp_path: Path) -> Path:
    return tmp_path / "source"


def served_with(certificate: trustme.LeafCert) -> Supplier:
    context = SSLContext(PROTOCOL_TLS_SERVER)
    certificate.configure_cert(context)
    return Supplier(tls=context, files={"/shoe.png": PICTURE})


async def test_a_certificate_that_is_in_order_opens_the_door(authority: trustme.CA, to: Path) -> None:
    async with served_with(authority.issue_cert(HERE)) as supplier:
        assert await fetch(supplier.url("/shoe.png"), to)


async def test_a_certificate_that_has_expired_is_refused(authority: trustme.CA, to: Path) -> None:
    expired = authority.issue_cert(HERE, not_before=YESTERDAY - timedelta(days=1), not_after=YESTERDAY)
    async with served_with(expired) as supplier:
        error = await failure(supplier.url("/shoe.png"), to)

    assert isinstance(error, SourceTlsFailed)
    assert "certificate has expired" in str(error)
    assert not supplier.requests


async def test_a_certificate_of_somebody_else_is_refused(authority: trustme.CA, to: Path) -> None:
    async with served_with(authority.issue_cert("shop.example", "127.0.0.9")) as supplier:
        error = await failure(supplier.url("/shoe.png"), to)

    assert isinstance(error, SourceTlsFailed)
    assert "IP address mismatch" in str(error)
    assert not supplier.requests


async def test_a_certificate_that_nobody_vouches_for_is_refused(to: Path) -> None:
    async with served_with(trustme.CA().issue_cert(HERE)) as supplier:
        error = await failure(supplier.url("/shoe.png"), to)

    assert isinstance(error, SourceTlsFailed)
    assert "unable to get local issuer certificate" in str(error)
    assert not supplier.requests


@pytest.fixture
async def mute() -> AsyncIterator[int]:
    """The port of a server that accepts connections, reads, and says nothing."""

    async def listen(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while await reader.read(65_536):
            pass
        writer.close()

    async with await asyncio.start_server(listen, HERE, 0) as server:
        yield server.sockets[0].getsockname()[1]


async def test_a_handshake_that_never_ends_runs_out_of_time(mute: int, to: Path) -> None:
    error = await failure(f"https://{HERE}:{mute}/", to, answer_seconds=0.1, download_seconds=60)

    assert isinstance(error, SourceTimeout)


async def test_a_handshake_that_is_broken_off_is_a_server_that_cannot_be_reached(to: Path) -> None:
    async def hang_up(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    async with await asyncio.start_server(hang_up, HERE, 0) as server:
        port = server.sockets[0].getsockname()[1]
        error = await failure(f"https://{HERE}:{port}/", to)

    assert isinstance(error, SourceUnavailable)


async def test_a_plain_request_to_an_encrypted_port_gets_no_answer(authority: trustme.CA, to: Path) -> None:
    async with served_with(authority.issue_cert(HERE)) as supplier, downloader() as one:
        url = supplier.url("/shoe.png")
        with pytest.raises(SourceUnavailable):
            await one.download(url.replace("https", "http"), to)

        assert await one.download(url, to)
