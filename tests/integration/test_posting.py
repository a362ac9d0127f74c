"""Where webhooks may go: the guard of downloads, with exceptions of its own."""

import socket
from collections.abc import AsyncIterator
from ssl import PROTOCOL_TLS_SERVER, SSLContext
from typing import Any, Final

import pytest
import trustme
from tests.mail import guarded
from tests.supplier import Supplier

from packshot.errors import ConfigError, UrlInvalid
from packshot.patience import Receipt
from packshot.posting import receiver_url, receivers_guard
from packshot.settings import Settings

NEXT_DOOR: Final = "127.0.0.2"


@pytest.fixture
async def next_door() -> AsyncIterator[Supplier]:
    """A server that must not be touched."""
    async with Supplier(address=NEXT_DOOR) as next_door:
        yield next_door


async def post(url: str, **settings: object) -> Receipt:
    async with guarded(**settings) as poster:  # type: ignore[arg-type]
        return await poster.post(url, {}, b"{}")


def guard(*allowed: str) -> Any:  # noqa: ANN401 - handed on
    options: dict[str, Any] = {"_env_file": None, "allow_webhooks": allowed}
    return receivers_guard(Settings(**options))


@pytest.mark.parametrize(
    "host", ["127.0.0.2", "localhost", "[::1]", "169.254.169.254", "10.0.0.1", "db.internal"]
)
async def test_what_is_not_public_is_refused_unless_it_is_named(host: str, next_door: Supplier) -> None:
    receipt = await post(f"https://{host}:{next_door.port}/", allow_webhooks=())

    assert receipt.status is None
    assert receipt.error
    assert receipt.error.endswith("has no public address, and PACKSHOT_ALLOW_WEBHOOKS does not name it.")
    assert next_door.connections == 0


async def test_a_name_that_leads_inward_is_refused_at_each_connect(
    next_door: Supplier, monkeypatch: pytest.MonkeyPatch
) -> None:
    inward = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (NEXT_DOOR, next_door.port))]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: inward)

    receipt = await post(f"https://shop.example:{next_door.port}/")

    assert receipt.error
    assert receipt.error.startswith("shop.example has no public address")
    assert next_door.connections == 0


async def test_what_downloads_may_reach_webhooks_may_not(next_door: Supplier) -> None:
    receipt = await post(f"https://{NEXT_DOOR}:{next_door.port}/", allow_sources=(NEXT_DOOR,))

    assert receipt.error
    assert next_door.connections == 0


async def test_a_receiver_that_is_named_is_reached(next_door: Supplier) -> None:
    assert (await post(next_door.url("/status/200"), allow_webhooks=("127.0.0.0/8",))).status == 200


async def test_a_certificate_that_nobody_trusts_is_a_failure() -> None:
    context = SSLContext(PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert(NEXT_DOOR).configure_cert(context)
    async with Supplier(address=NEXT_DOOR, tls=context) as receiver:
        receipt = await post(receiver.url("/status/200"), allow_webhooks=(NEXT_DOOR,))

    assert receipt.error
    assert receipt.error.startswith("127.0.0.2 has a certificate that is not valid")
    assert receiver.requests == []


async def test_no_proxy_of_the_environment_hears_of_it(
    next_door: Supplier, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with Supplier() as proxy:
        monkeypatch.setenv("http_proxy", proxy.url("/"))
        await post(next_door.url("/status/200"), allow_webhooks=(NEXT_DOOR,))

    assert proxy.connections == 0


@pytest.mark.parametrize(
    ("url", "sentence"),
    [
        ("http://shop.example/hook", "Use https://, or name shop.example in PACKSHOT_ALLOW_WEBHOOKS."),
        ("http://10.0.0.1/hook", "Use https://, or name 10.0.0.1 in PACKSHOT_ALLOW_WEBHOOKS."),
        ("https://ada:secret@shop.example/", "The URL contains a user name or password; send it without."),
        ("ftp://shop.example/", "The URL does not begin with http:// or https://."),
        ("https://0x7f.1/", "The URL's host is a number that is not an address in its usual form."),
    ],
)
def test_a_url_that_nothing_may_be_sent_to_is_refused_with_a_sentence(url: str, sentence: str) -> None:
    with pytest.raises(UrlInvalid) as refused:
        receiver_url(url, guard("shop.internal", "10.1.0.0/16"))

    assert str(refused.value) == sentence


@pytest.mark.parametrize(
    "url", ["http://shop.internal/hook?x=%41", "http://10.1.2.3:9000/", "https://shop.example/"]
)
def test_without_tls_it_has_to_be_named(url: str) -> None:
    assert str(receiver_url(url, guard("shop.internal", "10.1.0.0/16"))) == url


def test_a_setting_that_names_no_host_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"PACKSHOT_ALLOW_WEBHOOKS: '10\.0\.0' is neither"):
        guard("10.0.0")
