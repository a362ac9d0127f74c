"""
Which URLs and which network addresses may be fetched.

A supplier writes the URL, so the URL is hostile: it may name our own database, the cloud's metadata
service or the printer next door, as a number, through DNS or at the end of a redirect. Therefore
the words of a URL decide nothing here except whether it can be a URL at all. What decides is the
address that a socket is about to be connected to; `connections.py` asks about each one.

`ipaddress.is_global` is not that answer: it lets multicast, NAT64 and other doors through. IPv4 is
an old town where nearly everything is taken, so it has a list of what is refused; IPv6 has one
range of public addresses, and a list of exceptions inside it.

Pure: nothing is resolved, connected or read from the environment.
"""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final
from urllib.parse import SplitResult, quote, urlsplit

from packshot.errors import AddressForbidden, ConfigError, ImageError, UrlInvalid

MAX_URL_CHARACTERS: Final = 2048
MAX_LABEL_CHARACTERS: Final = 63  # the DNS has no room for more
SCHEMES: Final = ("http", "https")

_CONTROLS_AND_SPACES = re.compile(r"[\x00-\x20\x7f-\x9f\ud800-\udfff]")
_UNENCODED = (
    "!$%&'()*+,/:;=?@[]~"  # beside letters and digits; all that RFC 3986 knows, and "%" of what is encoded
)
_LONE_PERCENT = re.compile(r"%(?![0-9A-Fa-f]{2})")
_NEVER_IN_A_HOST = re.compile(r'[%\\^|<>"{}`]')  # "%" also stands for a network interface: [fe80::1%25eth0]
_HOST_NAME = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?:\.[a-z0-9_-]{1,63})*")
_NUMBER = re.compile(r"0x[0-9a-f]*|[0-9]+")
_INTERNAL = re.compile(  # last labels that no public name has: reserved, in private use, or never given out
    "alt|arpa|consul|corp|home|internal|intranet|invalid|lan|local|localdomain|localhost|mail|onion|private|svc"
    "|test|workgroup"
)

_REFUSED_V4: Final = tuple(
    IPv4Network(network)
    for network in (
        "0.0.0.0/8",  # this host
        "10.0.0.0/8",  # private
        "100.64.0.0/10",  # carrier-grade NAT, and some clouds' metadata services
        "127.0.0.0/8",  # loopback
        "168.63.129.16/32",  # Azure's platform service: a public number, reachable only from inside
        "169.254.0.0/16",  # link-local, with most clouds' metadata services
        "172.16.0.0/12",  # private
        "192.0.0.0/24",  # protocol assignments
        "192.0.2.0/24",  # documentation
        "192.31.196.0/24",  # AS112
        "192.52.193.0/24",  # multicast tunnelling
        "192.88.99.0/24",  # relays from 6to4
        "192.168.0.0/16",  # private
        "192.175.48.0/24",  # AS112
        "198.18.0.0/15",  # benchmarks
        "198.51.100.0/24",  # documentation
        "203.0.113.0/24",  # documentation
        "224.0.0.0/4",  # multicast
        "240.0.0.0/4",  # reserved, and broadcast
    )
)
_PUBLIC_V6: Final = IPv6Network("2000::/3")
_REFUSED_V6: Final = tuple(
    IPv6Network(network)
    for network in (
        "2001::/23",  # protocol assignments; Teredo among them, which carries IPv4 inside
        "2001:db8::/32",  # documentation
        "2002::/16",  # 6to4 carries IPv4 inside
        "2620:4f:8000::/48",  # AS112
        "3ffe::/16",  # the old test network, given back
        "3fff::/20",  # documentation
    )
)
_ISATAP: Final = 0x0000_5EFE  # addresses that end in 0:5efe:a.b.c.d or 200:5efe:a.b.c.d have IPv4 inside
_ISATAP_MASK: Final = 0xFDFF_FFFF


def check_url(url: str, max_characters: int = MAX_URL_CHARACTERS) -> SplitResult:
    """Return the parts of a URL that could be fetched; raise UrlInvalid with a sentence if it could not.

    Cheap and offline. Whether the port and the address are allowed shows only when it is fetched.
    """
    if len(url) > max_characters:
        raise UrlInvalid(f"The URL has {len(url)} characters; at most {max_characters} are taken.")
    if _CONTROLS_AND_SPACES.search(url):
        raise UrlInvalid("The URL contains a space or a control character; write it percent-encoded.")
    try:
        parts = urlsplit(url)
        _ = parts.port  # a number too large, or no number, shows only when it is asked for
    except ValueError as error:
        raise UrlInvalid("The URL's host or port cannot be read.") from error
    if parts.scheme not in SCHEMES:
        raise UrlInvalid("The URL does not begin with http:// or https://.")
    _check_host(parts)
    return parts


def _check_host(parts: SplitResult) -> None:
    if "@" in parts.netloc:
        raise UrlInvalid("The URL contains a user name or password; send it without.")
    if not parts.hostname:
        raise UrlInvalid("The URL has no host.")
    if _NEVER_IN_A_HOST.search(parts.hostname):
        raise UrlInvalid("The URL's host contains a character that no host name has.")
    check_number(parts.hostname)
    labels = parts.hostname.removesuffix(".").split(".")
    if not all(0 < len(label) <= MAX_LABEL_CHARACTERS for label in labels):
        raise UrlInvalid("The URL's host has a part between two dots that is empty or too long.")


def check_number(host: str) -> None:
    """Raise UrlInvalid if `host` is a number in a form that some libraries, but no supplier, would write."""
    if is_number(host) and not _is_usual_address(host):
        raise UrlInvalid("The URL's host is a number that is not an address in its usual form.")


def request_target(parts: SplitResult) -> str:
    """Return the path and query of a URL as they go over the wire.

    What is percent-encoded stays exactly as it is, because a signature may cover it; what no
    request may contain is encoded.
    """
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return quote(_LONE_PERCENT.sub("%25", target), safe=_UNENCODED)


def is_public(ip: IPv4Address | IPv6Address) -> bool:
    """Say whether `ip` belongs to the public internet and to nothing else.

    IPv6 addresses with an IPv4 address inside (mapped, NAT64, 6to4, Teredo, ISATAP) are never
    public: some router would take the inner address out, and nobody would have looked at it.
    """
    if isinstance(ip, IPv4Address):
        return not any(ip in network for network in _REFUSED_V4)
    return ip in _PUBLIC_V6 and not (_is_isatap(ip) or any(ip in network for network in _REFUSED_V6))


def is_loopback(host: str) -> bool:
    """Say whether `host` is a name or an address of this machine that no other one can reach."""
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


def _is_isatap(ip: IPv6Address) -> bool:
    return int(ip) >> 32 & _ISATAP_MASK == _ISATAP


@dataclass(frozen=True, slots=True)
class Guard:
    """What the operator allows: `hosts` and `networks` at any port, everybody else at `ports` only.

    `is_ours` knows the addresses of this machine, which are refused however public they are: behind
    one of them stands what is meant for us alone.
    """

    hosts: frozenset[str]
    networks: tuple[IPv4Network | IPv6Network, ...]
    ports: frozenset[int]
    is_ours: Callable[[str], bool]

    def trusts(self, host: str) -> bool:
        """Say whether connections made for the name `host` may go anywhere."""
        return _plain_name(host) in self.hosts

    def names(self, host: str) -> bool:
        """Say whether the operator allows `host` by its name, or as an address that is written out."""
        try:
            return any(ip_address(host) in network for network in self.networks)
        except ValueError:
            return self.trusts(host)

    def class_of(self, host: str) -> str:
        """Return what kind of host this is, in a word: never its name."""
        if self.names(host):
            return "allowed"
        return "address" if _is_usual_address(host) else "public"

    def refusal(self, address: str, port: int) -> ImageError | None:
        """Return why no connection may be made to `address` and `port`, or None if one may.

        The sentence is the same for every forbidden address: it must not tell what is there.
        """
        try:
            ip = ip_address(address)
        except ValueError:
            return AddressForbidden(AddressForbidden.meaning)
        if any(ip in network for network in self.networks):
            return None
        if not is_public(ip) or self.is_ours(address):
            return AddressForbidden(AddressForbidden.meaning)
        if port not in self.ports:
            return UrlInvalid(f"Port {port} is closed; PACKSHOT_ALLOW_PORTS names the open ones.")
        return None


def build_guard(
    allowed: Iterable[str],
    allow_ports: Iterable[int],
    is_ours: Callable[[str], bool],
    setting: str = "PACKSHOT_ALLOW_SOURCES",
) -> Guard:
    """Read the operator's exceptions from `setting`; raise ConfigError that names every bad one.

    An entry is a host name, an address or a range of addresses (CIDR). A host name stands for
    itself only, not for its subdomains.
    """
    hosts: set[str] = set()
    networks: list[IPv4Network | IPv6Network] = []
    problems: list[str] = []
    for entry in allowed:
        try:
            networks.append(ip_network(entry))
        except ValueError as error:
            if _is_host_name(_plain_name(entry)):
                hosts.add(_plain_name(entry))
            else:
                problems.append(f"{entry!r} is neither a host name nor an address nor a CIDR: {error}")
    if problems:
        raise ConfigError(f"{setting}: " + "; ".join(problems))
    return Guard(frozenset(hosts), tuple(networks), frozenset(allow_ports), is_ours)


def is_internal_name(host: str) -> bool:
    """Say whether only a private network can know `host`: one word alone, or an internal ending."""
    *domain, last = _plain_name(host).split(".")
    return not domain or bool(_INTERNAL.fullmatch(last))


def is_number(host: str) -> bool:
    """Say whether `host` can only be an IPv4 address in some notation, because it ends in a number."""
    return bool(_NUMBER.fullmatch(_plain_name(host).rpartition(".")[2]))


def _is_usual_address(host: str) -> bool:
    try:
        return bool(ip_address(host))
    except ValueError:
        return False


def _plain_name(host: str) -> str:
    return host.lower().removesuffix(".")


def _is_host_name(name: str) -> bool:
    """Tell names from misspelt addresses: a last label that is a number makes `10.0.0` one of those."""
    return bool(_HOST_NAME.fullmatch(name)) and not is_number(name)
