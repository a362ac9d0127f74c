"""Which addresses may be fetched, and what an operator may allow, without a network."""

from collections.abc import Iterable
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from packshot.addresses import Guard, build_guard, is_internal_name, is_number, is_public
from packshot.errors import AddressForbidden, ConfigError, UrlInvalid

MISSPELT = (
    "10.0.0.1/8 10.0.0 300.1.1.1 0x7f.1 10.0.0.0/33 [::1] host:80 http://host/ *.host a..b -a bücher.de"
)
PUBLIC = """
    1.1.1.1  8.8.8.8  9.255.255.255  11.0.0.0  52.95.110.1  100.63.255.255  100.128.0.0  126.255.255.255
    128.0.0.0  168.63.129.15  168.63.129.17  169.253.255.255  169.255.0.0  172.15.255.255  172.32.0.0
    192.0.1.0  192.167.255.255  192.169.0.0  198.17.255.255  198.20.0.0  223.255.255.255
    2000::1  2001:200::1  2001:4860:4860::8888  2400:cb00::1  2606:4700:4700::1111  2620:4f:8001::1
    2a00:1450:4001::200e  2a03:2880:f003::1  2001:db7:ffff::1  2001:db9::1  2003::1  3ffd:ffff::1
"""

FORBIDDEN = """
    0.0.0.0  0.1.2.3  10.0.0.1  10.255.255.255  100.64.0.1  100.100.100.200  100.127.255.255  127.0.0.1
    127.255.255.254  168.63.129.16  169.254.0.1  169.254.169.254  172.16.0.1  172.17.0.1  172.31.255.255
    192.0.0.1  192.0.0.192  192.0.2.1  192.31.196.1  192.52.193.1  192.88.99.1  192.168.0.1  192.168.255.255
    192.175.48.1  198.18.0.1  198.19.255.255  198.51.100.1  203.0.113.1  224.0.0.1  239.255.255.250
    240.0.0.1  255.255.255.255
    ::  ::1  ::127.0.0.1  ::ffff:127.0.0.1  ::ffff:8.8.8.8  ::ffff:0:7f00:1  64:ff9b::7f00:1  64:ff9b::808:808
    64:ff9b:1::1  100::1  100:0:0:1::1  2001::1  2001:0:7f00:1::  2001:10::1  2001:20::1  2001:1ff:ffff::1
    2001:db8::1  2002:7f00:1::  2002:808:808::1  2620:4f:8000::1  3ffe::1  3fff::1  3fff:fff::1  4000::1
    5f00::1  fc00::1  fd00:ec2::254  fdff::1  fe80::1  fec0::1  ff02::1  ff0e::1
    2606:4700::5efe:7f00:1  2606:4700::200:5efe:a9fe:a9fe  2a00:1450::5efe:808:808
"""

INTERNAL = """
    db  DB  metadata  localhost  printer.local  a.b.LOCAL.  metadata.google.internal  router.lan  nas.home
    1.0.0.127.in-addr.arpa  nas.home.arpa  api.localhost  vault.corp  wiki.intranet  db.private  x.localdomain
    consul.service.consul  shop.onion  a.test  b.invalid  exchange.mail  pc.workgroup
"""
OURS = {"52.95.110.9", "2a00:1450:4001::9"}
PRIVATE_NETWORKS = [
    ip_network(one) for one in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "127.0.0.0/8")
]
ADDRESSES_V4 = st.integers(0, 2**32 - 1).map(IPv4Address)
ADDRESSES_V6 = st.integers(0, 2**128 - 1).map(IPv6Address)


def guarding(sources: Iterable[str], ports: Iterable[int]) -> Guard:
    """A guard on a machine whose own addresses are public."""
    return build_guard(sources, ports, OURS.__contains__)


@pytest.mark.parametrize("address", PUBLIC.split())
def test_the_public_internet_may_be_fetched(address: str) -> None:
    assert is_public(ip_address(address))


@pytest.mark.parametrize("address", FORBIDDEN.split())
def test_everything_else_may_not(address: str) -> None:
    assert not is_public(ip_address(address))


@given(st.one_of(ADDRESSES_V4, ADDRESSES_V6))
def test_what_python_calls_private_or_special_is_never_public(ip: IPv4Address | IPv6Address) -> None:
    special = ip.is_private or ip.is_loopback or ip.is_link_local or ip.is_multicast or ip.is_reserved
    assume(special or ip.is_unspecified)

    assert not is_public(ip)


@given(st.sampled_from(PRIVATE_NETWORKS).flatmap(lambda net: st.integers(int(net[0]), int(net[-1]))))
def test_every_address_of_a_private_network_is_refused(number: int) -> None:
    assert not is_public(IPv4Address(number))


@given(ADDRESSES_V6)
def test_no_ipv6_address_outside_the_public_range_is_public(ip: IPv6Address) -> None:
    assume(int(ip) >> 125 != 0b001)

    assert not is_public(ip)


@given(ADDRESSES_V4)
@example(IPv4Address("8.8.8.8"))
def test_an_ipv4_address_inside_an_ipv6_one_is_never_public(inner: IPv4Address) -> None:
    number = int(inner)
    outer = [
        number,  # compatible
        0xFFFF << 32 | number,  # mapped
        0x0064_FF9B << 96 | number,  # NAT64
        0x2002 << 112 | number << 80 | 1,  # 6to4
        0x2001_0000 << 96 | number << 64,  # Teredo's server
        0x2606_4700 << 96 | 0x5EFE << 32 | number,  # ISATAP
        0x2606_4700 << 96 | 0x0200_5EFE << 32 | number,  # ISATAP of a public address
    ]

    assert not any(is_public(IPv6Address(one)) for one in outer)


def test_a_forbidden_address_gets_the_same_sentence_whatever_it_is() -> None:
    guard = guarding((), (80,))
    refusals = [guard.refusal(address, port) for address in FORBIDDEN.split() for port in (80, 22)]

    assert {type(refusal) for refusal in refusals} == {AddressForbidden}
    assert len({str(refusal) for refusal in refusals}) == 1


def test_what_is_no_address_at_all_is_forbidden() -> None:
    assert isinstance(guarding((), (80,)).refusal("v1.fe:80", 80), AddressForbidden)


def test_a_public_address_is_open_at_the_allowed_ports_only() -> None:
    guard = guarding((), (80, 443))

    assert guard.refusal("8.8.8.8", 443) is None
    assert isinstance(guard.refusal("8.8.8.8", 22), UrlInvalid)


@pytest.mark.parametrize("address", sorted(OURS))
@pytest.mark.parametrize("port", [80, 22])
def test_an_address_of_this_machine_is_refused_like_a_private_one(address: str, port: int) -> None:
    refusal = guarding((), (80,)).refusal(address, port)

    assert isinstance(refusal, AddressForbidden)
    assert str(refusal) == AddressForbidden.meaning


def test_an_address_of_this_machine_can_be_allowed() -> None:
    assert guarding(["52.95.110.9"], (80,)).refusal("52.95.110.9", 9000) is None


@pytest.mark.parametrize("entry", ["10.1.0.0/16", "10.1.2.3", "10.1.2.3/32"])
def test_an_allowed_range_is_open_at_any_port(entry: str) -> None:
    assert guarding([entry], (80,)).refusal("10.1.2.3", 9000) is None


def test_an_allowed_range_opens_nothing_beside_it() -> None:
    guard = guarding(["10.1.0.0/16", "::1"], (80,))

    assert guard.refusal("10.2.0.1", 80)
    assert guard.refusal("::ffff:10.1.0.1", 80)
    assert guard.refusal("::2", 80)


@pytest.mark.parametrize("host", ["images.internal", "IMAGES.Internal", "images.internal."])
def test_a_trusted_host_is_known_by_any_spelling_of_its_name(host: str) -> None:
    assert guarding(["Images.internal"], ()).trusts(host)


@pytest.mark.parametrize("host", ["a.images.internal", "images.internal.example", "10.1.2.3", ""])
def test_a_trusted_host_stands_for_itself_only(host: str) -> None:
    assert not guarding(["images.internal", "10.1.2.3"], ()).trusts(host)


@pytest.mark.parametrize("host", INTERNAL.split())
def test_a_name_that_only_a_private_network_knows_is_recognised(host: str) -> None:
    assert is_internal_name(host)


@pytest.mark.parametrize("host", ["shop.example", "local.example", "internal.shop.example.", "a.b.locals"])
def test_a_public_name_is_not_taken_for_an_internal_one(host: str) -> None:
    assert not is_internal_name(host)


@pytest.mark.parametrize("host", ["127.1", "0x7f000001", "2130706433", "0177.0.0.1.", "0X7F.1", "a.b.1"])
def test_what_ends_in_a_number_is_an_address_and_no_name(host: str) -> None:
    assert is_number(host)


@given(st.integers(0x2 << 124, (0x4 << 124) - 1).map(IPv6Address))
def test_what_ipv6_addresses_are_allowed_is_a_part_of_what_python_calls_global(ip: IPv6Address) -> None:
    assert ip.is_global or not is_public(ip)


@pytest.mark.parametrize("entry", MISSPELT.split())
def test_an_exception_that_cannot_be_understood_stops_the_start(entry: str) -> None:
    with pytest.raises(ConfigError, match="PACKSHOT_ALLOW_SOURCES"):
        guarding([entry], ())


def test_all_bad_exceptions_are_named_at_once() -> None:
    with pytest.raises(ConfigError, match=r"'\*'.*'a b'"):
        guarding(["*", "fine.example", "a b"], ())
