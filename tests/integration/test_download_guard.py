"""Nobody gets us to connect to what is not public, however the address is written, hidden or changed."""

import asyncio
import socket
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from tests.fetching import BOTH_LOOPS, HERE, downloader, failure, fetch
from tests.supplier import PICTURE, Supplier

from packshot.errors import AddressForbidden, ConfigError, SourceUnavailable, UrlInvalid
from packshot.models import Source

NEXT_DOOR = "127.0.0.2"  # somebody else on this machine, whom nobody allowed


@pytest.fixture(params=BOTH_LOOPS)
def anyio_backend(request: pytest.FixtureRequest) -> object:
    return request.param


@pytest.fixture
async def supplier() -> AsyncIterator[Supplier]:
    async with Supplier(files={"/shoe.png": PICTURE}) as supplier:
        yield supplier


@pytest.fixture
async def next_door(supplier: Supplier) -> AsyncIterator[Supplier]:
    """A server that must not be touched, at the supplier's port."""
    async with Supplier(address=NEXT_DOOR, port=supplier.port, files={"/shoe.png": PICTURE}) as next_door:
        yield next_door


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> dict[str, list[str]]:
    """The DNS: for each name the answers to one lookup after the other, the last one for ever."""
    known: dict[str, list[str]] = {}
    ask = socket.getaddrinfo

    def answer(host: str, port: int, *rest: int, **more: int) -> list[Any]:
        host = host.removesuffix(".")
        if host not in known:
            return ask(host, port, *rest, **more)
        addresses = known[host].pop(0) if len(known[host]) > 1 else known[host][0]
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (one, port)) for one in addresses.split()]

    monkeypatch.setattr(socket, "getaddrinfo", answer)
    return known


@pytest.fixture
def to(tmp_path: Path) -> Path:
    return tmp_path / "source"


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "127.0.0.1.",
        "localhost",
        "LOCALHOST",
        "127.1",
        "2130706433",
        "0x7f000001",
        "0x7f.1",
        "0x7f.0.0.1",
        "017700000001",
        "0177.0.0.1",
        "0",
        "0.0.0.0",  # noqa: S104 - it is asked for, not listened at
        "127。0。0。1",
        "①②⑦.0.0.1",
        "0x7f。1",
        "\uff11\uff12\uff17.0.0.1",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "[::127.0.0.1]",
        "[0:0:0:0:0:ffff:7f00:1]",
    ],
)
async def test_no_spelling_of_loopback_is_connected_to(supplier: Supplier, to: Path, host: str) -> None:
    url = supplier.url("/shoe.png", host=host)

    error = await failure(url, to, allow_sources=(), allow_ports=(supplier.port,))

    assert isinstance(error, AddressForbidden | UrlInvalid)
    assert supplier.connections == 0


async def test_the_answer_does_not_tell_what_is_behind_the_guard(supplier: Supplier, to: Path) -> None:
    something = await failure(supplier.url("/shoe.png"), to, allow_sources=())
    nothing = await failure(f"http://{HERE}:9/", to, allow_sources=())

    assert str(something) == str(nothing)
    assert type(something) is type(nothing) is AddressForbidden


async def test_a_redirect_cannot_get_behind_the_guard(
    supplier: Supplier, next_door: Supplier, to: Path
) -> None:
    error = await failure(supplier.url(f"/redirect?to={next_door.url('/shoe.png')}"), to)

    assert isinstance(error, AddressForbidden)
    assert next_door.connections == 0


async def test_a_name_cannot_get_behind_the_guard(
    next_door: Supplier, names: dict[str, list[str]], to: Path
) -> None:
    names["shop.example"] = [f"{NEXT_DOOR} 10.0.0.1 169.254.169.254"]

    error = await failure(next_door.url("/shoe.png", host="shop.example"), to)

    assert isinstance(error, AddressForbidden)
    assert str(error).startswith("shop.example: ")
    assert next_door.connections == 0


async def test_a_name_that_changes_its_mind_cannot_get_behind_the_guard(
    supplier: Supplier, names: dict[str, list[str]], to: Path
) -> None:
    names["shop.example"] = [HERE, NEXT_DOOR]
    async with Supplier(address=NEXT_DOOR) as elsewhere:  # at another port, so that it is looked up again
        target = elsewhere.url("/shoe.png", host="shop.example")
        error = await failure(supplier.url(f"/redirect?to={target}", host="shop.example"), to)

    assert isinstance(error, AddressForbidden)
    assert (supplier.connections, elsewhere.connections) == (1, 0)


@pytest.mark.parametrize("addresses", [f"{HERE} {NEXT_DOOR}", f"{NEXT_DOOR} {HERE}", f"10.0.0.1 {HERE}"])
async def test_of_several_addresses_only_allowed_ones_are_connected_to(
    supplier: Supplier, next_door: Supplier, names: dict[str, list[str]], to: Path, addresses: str
) -> None:
    names["shop.example"] = [addresses]

    assert await fetch(supplier.url("/shoe.png", host="shop.example"), to)
    assert next_door.connections == 0


@pytest.mark.parametrize("addresses", [f"{HERE} {NEXT_DOOR}", f"{NEXT_DOOR} {HERE}"])
async def test_a_forbidden_address_does_not_stand_in_for_one_that_is_down(
    supplier: Supplier, names: dict[str, list[str]], to: Path, addresses: str
) -> None:
    names["shop.example"] = [addresses]
    await supplier.__aexit__()
    async with Supplier(address=NEXT_DOOR, port=supplier.port) as next_door:
        error = await failure(supplier.url("/shoe.png", host="shop.example"), to)

    assert isinstance(error, SourceUnavailable)
    assert next_door.connections == 0


async def test_an_allowed_name_may_lead_anywhere_at_any_port(
    next_door: Supplier, names: dict[str, list[str]], to: Path
) -> None:
    names["images.internal"] = [NEXT_DOOR]

    assert await fetch(
        next_door.url("/shoe.png", host="Images.internal"), to, allow_sources=("images.internal",)
    )


async def test_an_allowed_name_opens_its_address_to_nobody_else(
    next_door: Supplier, names: dict[str, list[str]], to: Path
) -> None:
    names.update({"images.internal": [NEXT_DOOR], "shop.example": [NEXT_DOOR]})

    async with downloader(allow_sources=("images.internal",)) as one:
        await one.download(next_door.url("/shoe.png", host="images.internal"), to)
        for host in ("shop.example", NEXT_DOOR):
            with pytest.raises(AddressForbidden):
                await one.download(next_door.url("/shoe.png", host=host), to)

    assert next_door.connections == 1


@pytest.mark.parametrize("host", ["shop.example", NEXT_DOOR])
async def test_an_allowed_range_is_open_under_every_name_at_any_port(
    next_door: Supplier, names: dict[str, list[str]], to: Path, host: str
) -> None:
    names["shop.example"] = [NEXT_DOOR]

    assert await fetch(next_door.url("/shoe.png", host=host), to, allow_sources=("127.0.0.0/8",))


async def test_a_port_that_is_not_open_is_refused_at_a_public_address(to: Path) -> None:
    error = await failure("http://8.8.8.8:22/shoe.png", to)

    assert isinstance(error, UrlInvalid)
    assert str(error).startswith("8.8.8.8: Port 22 is closed")


def test_an_exception_that_cannot_be_understood_stops_the_start() -> None:
    with pytest.raises(ConfigError):
        downloader(allow_sources=("10.0.0.1/8",))


async def test_an_international_host_name_is_asked_for_in_its_ascii_form(
    supplier: Supplier, names: dict[str, list[str]], to: Path
) -> None:
    names["xn--bcher-kva.example"] = [HERE]

    await fetch(supplier.url("/shoe.png", host="Bücher.example"), to)

    assert supplier.requests[0].headers["Host"] == f"xn--bcher-kva.example:{supplier.port}"


async def test_every_address_of_an_allowed_name_is_tried(
    supplier: Supplier, next_door: Supplier, names: dict[str, list[str]], to: Path
) -> None:
    names["images.internal"] = [f"{HERE} {NEXT_DOOR}"]
    await supplier.__aexit__()

    url = next_door.url("/shoe.png", host="images.internal")
    assert await fetch(url, to, allow_sources=(HERE, "images.internal"))


@pytest.mark.parametrize(("down", "found"), [(7, True), (8, False)])
async def test_no_more_than_eight_addresses_of_a_name_are_tried(
    next_door: Supplier, names: dict[str, list[str]], to: Path, down: int, *, found: bool
) -> None:
    names["shop.example"] = [" ".join([*(f"127.0.1.{n}" for n in range(down)), NEXT_DOOR])]

    url = next_door.url("/shoe.png", host="shop.example")
    async with downloader(allow_sources=("127.0.0.0/8",)) as one:
        answers = await asyncio.gather(one.download(url, to), return_exceptions=True)

    assert isinstance(answers[0], Source) is found
