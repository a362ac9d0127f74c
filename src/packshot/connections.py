"""
Connections to suppliers: what a name means, which socket may be made, and what went wrong.

    host ─▶ addresses ─▶ guard ─▶ socket ─▶ answer
            (Resolver)  (addresses.py, is_ours)

The guard is asked where the socket is made, because that is the one place that numbers, names,
redirects and a DNS that changes its mind all pass. A name that only a private network can know is
refused without a question, so that neither the answer nor its delay tells whether it exists.

Whether a URL may be asked for and what comes back is `download.py`'s work.
"""

import asyncio
import errno
import os
import socket
import struct
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Final
from urllib.parse import SplitResult

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.client_proto import ResponseHandler
from aiohttp.http import HttpProcessingError, RawResponseMessage
from aiohttp.streams import StreamReader
from yarl import URL

from packshot import __version__
from packshot.addresses import Guard, check_number, is_internal_name, request_target
from packshot.errors import (
    AddressForbidden,
    HostUnknown,
    ImageError,
    PackshotError,
    ServiceUnavailable,
    SourceBusy,
    SourceNotHttp,
    SourceTlsFailed,
    SourceUnavailable,
    UrlInvalid,
)

HEADERS: Final = {
    "User-Agent": f"Packshot/{__version__} (product image fetcher)",
    # Originals first: a server that converts on the fly should not send us a second-hand WebP or AVIF.
    "Accept": "image/jpeg,image/png,image/gif,image/webp;q=0.8,image/avif;q=0.8,*/*;q=0.1",
    "Accept-Encoding": "identity",
}
MAX_ADDRESSES: Final = 8  # of one host; a DNS that names a thousand wants us to knock at a thousand doors
MAX_INTERIM_ANSWERS: Final = 32  # before the real one
BUSY_SECONDS: Final = 10.0  # the system's resolver gives up in about that time

Addresses = Iterable[aiohttp.AddrInfoType]

_INTERIM: Final = range(100, 200)
_OUR_LIMITS: Final = frozenset((errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM))
_NO_ANSWER: Final[tuple[tuple[type[aiohttp.ClientError], type[ImageError], str], ...]] = (
    (aiohttp.ClientConnectorDNSError, HostUnknown, "is not known to the DNS"),
    (aiohttp.ClientConnectorCertificateError, SourceTlsFailed, "has a certificate that is not valid"),
    (aiohttp.ClientSSLError, SourceTlsFailed, "cannot agree with us on an encrypted connection (TLS)"),
    (aiohttp.ClientConnectorError, SourceUnavailable, "cannot be reached"),
    (aiohttp.ClientResponseError, SourceNotHttp, "does not answer in proper HTTP"),
    (aiohttp.ClientError, SourceUnavailable, "closed the connection without an answer"),
)

_FORBIDDEN_TO_US: Final = frozenset((errno.EAFNOSUPPORT, errno.EPERM, errno.EACCES))
_RTM_GETROUTE: Final = 26  # from linux/rtnetlink.h, like the other two
_RTM_NEWROUTE: Final = 24
_RTA_DST: Final = 1
_STAYS_HERE: Final = frozenset((2, 3, 4))  # routes of kind local, broadcast and anycast


class Resolver(AbstractResolver):
    """Asks the system's resolver on threads of its own, which are made when they are needed.

    A lookup that hangs keeps its thread for many seconds. Of the threads that everybody shares, a
    few hostile names would take all. Nobody stands in line for a thread either: that time would
    count as the supplier's.
    """

    def __init__(self, guard: Guard, threads: int) -> None:
        self._guard = guard
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="packshot-dns")
        self._free = threading.Semaphore(threads)

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """Return the addresses of `host`; raise OSError if there are none, SourceBusy if all threads hang.

        Forbidden ones are left out if there is another: a courtesy, for the guard stands at the socket.
        """
        answers = await self._ask(host, port, family)
        found = [
            ResolveResult(hostname=host, host=str(to[0]), port=port, family=family, proto=0, flags=0)
            for family, _, _, _, to in answers
        ]
        if not self._guard.trusts(host):
            found = [one for one in found if not self._guard.refusal(one["host"], port)] or found[:1]
        return found[:MAX_ADDRESSES]

    async def _ask(self, host: str, port: int, family: socket.AddressFamily) -> Addresses:
        internal = is_internal_name(host) and not self._guard.trusts(host)
        if internal and not self._guard.networks:
            raise Forbidden(AddressForbidden(AddressForbidden.meaning))
        name, flags = self._as_asked(host), socket.AI_ADDRCONFIG
        ask = partial(socket.getaddrinfo, name, port, family, socket.SOCK_STREAM, flags=flags)
        try:
            return await asyncio.wrap_future(self._begin(ask))
        except (OSError, UnicodeError) as error:
            if internal:
                raise Forbidden(AddressForbidden(AddressForbidden.meaning)) from error
            if isinstance(error, UnicodeError):  # a label that is empty or too long
                raise OSError(f"{host} is not a host name") from error
            raise

    def _begin(self, ask: Callable[[], Addresses]) -> Future[Addresses]:
        if not self._free.acquire(blocking=False):
            raise SourceBusy("Too many lookups in the DNS hang already.", BUSY_SECONDS)
        lookup = self._threads.submit(ask)
        # Its own end counts: one that nobody waits for any more still has its thread.
        lookup.add_done_callback(lambda _: self._free.release())
        return lookup

    def _as_asked(self, host: str) -> str:
        """Return the name to look up; the dot at the end keeps it out of our own search domains.

        Names of the operator's own network are looked up as he writes them, hosts file and all.
        """
        name = host.removesuffix(".")
        own = self._guard.networks or self._guard.trusts(host)
        return name if own else f"{name}."

    async def close(self) -> None:
        """Let go of the threads; one that hangs ends with the resolver's own time-out."""
        self._threads.shutdown(wait=False, cancel_futures=True)


class Forbidden(OSError):
    """Carries the guard's reason through aiohttp, which tries the next address after an OSError."""

    def __init__(self, reason: ImageError) -> None:
        super().__init__(str(reason))
        self.reason = reason


class _Answers(ResponseHandler):
    """Takes only a few interim answers (1xx); aiohttp would read them for ever, and keep them all."""

    _interim = 0

    def feed_data(self, data: tuple[RawResponseMessage, StreamReader], size: int = 0) -> None:
        self._interim = self._interim + 1 if data[0].code in _INTERIM else 0
        if self._interim <= MAX_INTERIM_ANSWERS:
            super().feed_data(data, size)
        elif self.exception() is None and self.transport:
            self.set_exception(HttpProcessingError(message="too many interim answers"))
            self.transport.close()


def _take_answers(loop: asyncio.AbstractEventLoop) -> ResponseHandler:
    return _Answers(loop)


class _Connector(aiohttp.TCPConnector):
    def __init__(self, resolver: Resolver, guard: Guard | None) -> None:
        socket_factory = partial(_guarded_socket, guard) if guard else None
        super().__init__(resolver=resolver, socket_factory=socket_factory, limit=0)
        self._factory = partial(_take_answers, self._loop)


def request_url(parts: SplitResult) -> URL:
    """Return the URL exactly as it is asked for; raise UrlInvalid if its host is none."""
    try:
        origin = URL.build(scheme=parts.scheme, host=parts.hostname or "", port=parts.port)
    except ValueError as error:
        raise UrlInvalid(f"{parts.hostname} cannot be a host name.") from error
    check_number(origin.raw_host or "")  # again: an ideographic full stop has become a dot
    return URL(f"{origin}{request_target(parts)}", encoded=True)


def session(resolver: Resolver, guard: Guard | None) -> aiohttp.ClientSession:
    """Return a session that connects where `guard` lets it, or anywhere without one.

    It waits for ever and unpacks nothing: clock and scales are in `download.py` and `body.py`.
    """
    return aiohttp.ClientSession(
        connector=_Connector(resolver, guard),
        headers=HEADERS,
        cookie_jar=aiohttp.DummyCookieJar(),
        timeout=aiohttp.ClientTimeout(total=None, sock_connect=None),
        auto_decompress=False,
        trust_env=False,
    )


def _guarded_socket(guard: Guard, info: aiohttp.AddrInfoType) -> socket.socket:
    family, kind, protocol, _, address = info
    if reason := guard.refusal(str(address[0]), int(address[1])):
        raise Forbidden(reason)
    return socket.socket(family, kind, protocol)


def is_ours(address: str) -> bool:
    """Say whether packets to `address` would stay on this machine; sends none to find out.

    Asks the kernel's routing table. Cheaper questions are answered wrongly: `bind` succeeds for
    everything under `net.ipv4.ip_nonlocal_bind`, and a socket connected to the second address of an
    interface has the first one as its own name.
    """
    ip = ip_address(address)
    family = socket.AF_INET if ip.version == 4 else socket.AF_INET6  # noqa: PLR2004 - IPv4
    try:
        kernel = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE)
    except OSError as error:
        if error.errno not in _FORBIDDEN_TO_US:
            raise
        return _is_first_of_ours(ip, family)
    with kernel:
        return _route_to(ip, family, kernel) in _STAYS_HERE


def _route_to(ip: IPv4Address | IPv6Address, family: int, kernel: socket.socket) -> int:
    """Return the kind of route that packets to `ip` would take, 0 if there is none."""
    route = struct.pack("=BBBBBBBBI", family, ip.max_prefixlen, 0, 0, 0, 0, 0, 0, 0)
    route += struct.pack("=HH", 4 + len(ip.packed), _RTA_DST) + ip.packed
    kernel.send(struct.pack("=IHHII", 16 + len(route), _RTM_GETROUTE, 1, 0, 0) + route)
    answer = kernel.recv(4096)
    _, kind = struct.unpack_from("=IH", answer)
    return answer[16 + 7] if kind == _RTM_NEWROUTE else 0


def _is_first_of_ours(ip: IPv4Address | IPv6Address, family: int) -> bool:
    """Answer where a sandbox keeps the routing table from us; without an interface's further addresses."""
    with socket.socket(family, socket.SOCK_DGRAM) as unsent:
        try:
            unsent.connect((str(ip), 9))
        except OSError:
            return False
        return ip_address(unsent.getsockname()[0]) == ip


def explain(error: aiohttp.ClientError, host: str) -> PackshotError:
    """Say in our words why there is no answer from `host`."""
    if isinstance(forbidden := error.__cause__, Forbidden):
        return type(forbidden.reason)(f"{host}: {forbidden.reason}")
    if isinstance(error, aiohttp.InvalidURL):
        return UrlInvalid(f"{host} is neither a host name nor an address in its usual form.")
    if (number := _system_error(error)) in _OUR_LIMITS:
        return ServiceUnavailable(f"No connection can be made: {os.strerror(number)}.")
    _, kind, what = next(line for line in _NO_ANSWER if isinstance(error, line[0]))
    return kind(f"{host} {what}{_detail(error)}.")


def _detail(error: aiohttp.ClientError) -> str:
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        return f": {getattr(error.certificate_error, 'verify_message', '')}"
    if isinstance(error, aiohttp.ClientConnectorDNSError) and error.errno == socket.EAI_AGAIN:
        return ", which gives no answer at the moment"
    number = _system_error(error)
    return f": {os.strerror(number).lower()}" if number else ""


def _system_error(error: aiohttp.ClientError) -> int:
    """Return the system's error number, or 0; TLS and (below zero) DNS have numbers of their own there."""
    if isinstance(error, aiohttp.ClientSSLError) or not isinstance(error, OSError):
        return 0
    return max(error.errno or 0, 0)
