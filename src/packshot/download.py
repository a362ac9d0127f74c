"""
From a URL to a file: one GET, within limits, and never into a private network.

    url ─▶ check ─▶ connect ─▶ status ─▶ first bytes ─▶ file
             ▲     (guarded)     │
             └──── redirect ◀────┘

The other side is not our friend. Every limit is our own: bytes, seconds, speed, redirects, addresses;
a header that states something is believed only when it makes us stop sooner. The guard sits where
the socket is made, because that is the one place that numbers, names, redirects and a DNS that
changes its mind all pass.

This module does not retry (`lifecycle.judge` decides), decode (only the first bytes are looked at)
or keep anything: cookies, logins and proxies of our environment do not reach a supplier.
"""

import asyncio
import errno
import hashlib
import math
import os
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, contextmanager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import BinaryIO, Final, Self
from urllib.parse import SplitResult

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

from packshot import __version__
from packshot.addresses import Guard, build_guard, check_url, request_target
from packshot.answers import REDIRECTS, redirect_target, refusal
from packshot.errors import (
    ImageError,
    PackshotError,
    ServiceUnavailable,
    SourceTimeout,
    SourceTooLarge,
    SourceTruncated,
    SourceUnavailable,
    TooManyRedirects,
    UrlInvalid,
)
from packshot.formats import HEAD_BYTES, accepted_format
from packshot.models import Source
from packshot.settings import Settings

HEADERS: Final = {
    "User-Agent": f"Packshot/{__version__} (product image fetcher)",
    # Originals first: a server that converts on the fly should not send us a second-hand WebP or AVIF.
    "Accept": "image/jpeg,image/png,image/gif,image/webp;q=0.8,image/avif;q=0.8,*/*;q=0.1",
    "Accept-Encoding": "identity",
}
CHUNK_BYTES: Final = 65_536
SPEED_WINDOW_SECONDS: Final = 5.0
MAX_HOP_CHARACTERS: Final = 8_190  # redirects lead to signed URLs, which are longer than those people send
MAX_ADDRESSES: Final = 8  # of one host; a DNS that names a thousand wants us to knock at a thousand doors

_OUR_LIMITS: Final = frozenset((errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM))
_UNREACHABLE: Final = (
    (aiohttp.ClientConnectorDNSError, "is not known to the DNS"),
    (aiohttp.ClientConnectorCertificateError, "has a certificate that is not valid"),
    (aiohttp.ClientSSLError, "cannot agree with us on an encrypted connection (TLS)"),
    (aiohttp.ClientConnectorError, "cannot be reached"),
    (aiohttp.ClientResponseError, "does not answer in proper HTTP"),
    (aiohttp.ClientError, "closed the connection without an answer"),
)


class Downloader:
    """Fetches sources, many at a time; an async context manager that owns the connections.

    Raises ConfigError if PACKSHOT_ALLOW_SOURCES holds anything but hosts, addresses and CIDRs.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._guard = build_guard(settings.allow_sources, settings.allow_ports)
        self._resources = AsyncExitStack()

    async def __aenter__(self) -> Self:
        resolver = _Resolver(self._guard, threads=self._settings.workers)
        self._resources.push_async_callback(resolver.close)
        # Two sessions, because a socket factory is told the address but not the name it is for, and
        # an operator may trust a name. No connection of one is ever reused by the other.
        self._guarded = await self._resources.enter_async_context(_session(resolver, self._guarded_socket))
        self._trusting = await self._resources.enter_async_context(_session(resolver, None))
        return self

    async def __aexit__(self, *error: object) -> None:
        await self._resources.aclose()

    async def download(self, url: str, to: Path) -> Source:
        """Write what `url` names into the file `to` and return its facts.

        Raises an ImageError that says what the supplier, or whoever fixes it, has to know, and
        ServiceUnavailable if the fault is our own disk's or our own limits'. `to` may hold a part
        of the file then.
        """
        try:
            async with asyncio.timeout(self._settings.download_seconds):
                return await self._follow(url, to)
        except TimeoutError as error:
            limit = f"{self._settings.download_seconds:g} seconds"
            raise SourceTimeout(f"The file had not arrived after {limit}.") from error

    async def _follow(self, url: str, to: Path) -> Source:
        hop = _request_url(check_url(url))
        seen = set()
        for _ in range(self._settings.max_redirects + 1):
            async with await self._get(hop) as response:
                if response.status not in REDIRECTS:
                    return await self._save(response, to)
                seen.add(hop)
                target = redirect_target(str(hop), response.status, response.headers.get("Location", ""))
            hop = _request_url(check_url(target, MAX_HOP_CHARACTERS))
            if hop in seen:
                raise TooManyRedirects(f"{hop.raw_host} sends us in a circle.")
        raise TooManyRedirects(f"There were more than {self._settings.max_redirects} redirects.")

    async def _get(self, url: URL) -> aiohttp.ClientResponse:
        session = self._trusting if self._guard.trusts(url.raw_host or "") else self._guarded
        try:
            return await session.get(url, allow_redirects=False)
        except aiohttp.ClientError as error:
            raise _explain(error, url.raw_host or "") from error

    async def _save(self, response: aiohttp.ClientResponse, to: Path) -> Source:
        host, retry_after = response.url.raw_host or "", response.headers.get("Retry-After", "")
        if reason := refusal(host, response.status, retry_after, datetime.now(UTC)):
            raise reason
        body = _Body(response, self._settings)
        head = await body.read_head()
        picture_format = accepted_format(head[:HEAD_BYTES])  # first: nobody should shrink a video for us
        body.expect(response.content_length or 0)
        sha256 = hashlib.sha256()
        with _our_file(to) as file:
            chunk = head
            while chunk:
                sha256.update(chunk)
                file.write(chunk)
                chunk = await body.read()
        return Source(sha256.hexdigest(), body.bytes, picture_format)

    def _guarded_socket(self, info: aiohttp.AddrInfoType) -> socket.socket:
        family, kind, protocol, _, address = info
        if reason := self._guard.refusal(str(address[0]), int(address[1])):
            raise _Refused(reason)
        return socket.socket(family, kind, protocol)


class _Body:
    """The body of an answer in chunks, counted and timed: refused when it is too long or too slow."""

    def __init__(self, response: aiohttp.ClientResponse, settings: Settings) -> None:
        self.bytes = 0
        self._response = response
        self._host = response.url.host
        self._max_bytes = settings.max_source_bytes
        # Patience is a bucket of seconds: full at first, emptied by the clock, filled by bytes.
        self._speed = settings.min_bytes_per_second
        self._patience = min(SPEED_WINDOW_SECONDS, settings.download_seconds / 4) if self._speed else math.inf
        self._clock = asyncio.get_running_loop().time
        self._deadline = self._clock() + self._patience

    async def read(self) -> bytes:
        """Return the next bytes, at most CHUNK_BYTES; none at the end."""
        try:
            async with asyncio.timeout_at(self._deadline):
                chunk = await self._response.content.read(CHUNK_BYTES)
        except TimeoutError as error:
            raise SourceTimeout(f"{self._host} sends fewer than {self._speed} bytes per second.") from error
        except (aiohttp.ClientError, OSError) as error:
            raise SourceTruncated(f"{self._host} broke off after {self.bytes} bytes.") from error
        self.bytes += len(chunk)
        self.expect(self.bytes)
        seconds = len(chunk) / self._speed if self._speed else 0
        self._deadline = min(self._clock() + self._patience, self._deadline + seconds)
        return chunk

    async def read_head(self) -> bytes:
        """Return enough to recognise the format by: HEAD_BYTES or more, or all there is."""
        head = b""
        while len(head) < HEAD_BYTES and (chunk := await self.read()):
            head += chunk
        return head

    def expect(self, length: int) -> None:
        """Stop here if `length` bytes, come or announced, are too many."""
        if length > self._max_bytes:
            raise SourceTooLarge(f"The file has more than {self._max_bytes} bytes.")


class _Resolver(AbstractResolver):
    """Asks the system's resolver on threads of its own.

    A lookup that hangs keeps its thread for many seconds. Of the threads that everybody shares, a
    few hostile names would take all.
    """

    def __init__(self, guard: Guard, threads: int) -> None:
        self._guard = guard
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="packshot-dns")

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """Return the addresses of `host`; raise OSError if there are none.

        Forbidden ones are left out if there is another: a courtesy, for the guard stands at the socket.
        """
        ask = partial(socket.getaddrinfo, host, port, family, socket.SOCK_STREAM, flags=socket.AI_ADDRCONFIG)
        try:
            answers = await asyncio.get_running_loop().run_in_executor(self._threads, ask)
        except UnicodeError as error:  # a label that is empty or too long
            raise OSError(f"{host} is not a host name") from error
        found = [
            ResolveResult(hostname=host, host=str(to[0]), port=port, family=family, proto=0, flags=0)
            for family, _, _, _, to in answers
        ]
        if not self._guard.trusts(host):
            found = [one for one in found if not self._guard.refusal(one["host"], port)] or found[:1]
        return found[:MAX_ADDRESSES]

    async def close(self) -> None:
        """Let go of the threads; one that hangs ends with the resolver's own time-out."""
        self._threads.shutdown(wait=False, cancel_futures=True)


class _Refused(OSError):
    """Carries the guard's reason through aiohttp, which tries the next address after an OSError."""

    def __init__(self, reason: ImageError) -> None:
        super().__init__(str(reason))
        self.reason = reason


def _session(
    resolver: AbstractResolver, socket_factory: aiohttp.SocketFactoryType | None
) -> aiohttp.ClientSession:
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(resolver=resolver, socket_factory=socket_factory, limit=0),
        headers=HEADERS,
        cookie_jar=aiohttp.DummyCookieJar(),
        timeout=aiohttp.ClientTimeout(total=None, sock_connect=None),  # `download` has the one clock
        trust_env=False,
    )


@contextmanager
def _our_file(path: Path) -> Iterator[BinaryIO]:
    """Open `path` for plain writes: a chunk takes 20 µs to the page cache, less than the way to a thread.

    What goes wrong here is our fault and not the supplier's.
    """
    try:
        with path.open("wb") as file:
            yield file
    except OSError as error:
        raise ServiceUnavailable(f"The download cannot be written to {path}: {error.strerror}.") from error


def _request_url(parts: SplitResult) -> URL:
    try:
        origin = URL.build(scheme=parts.scheme, host=parts.hostname or "", port=parts.port)
    except ValueError as error:
        raise UrlInvalid(f"{parts.hostname} cannot be a host name.") from error
    return URL(f"{origin}{request_target(parts)}", encoded=True)


def _explain(error: aiohttp.ClientError, host: str) -> PackshotError:
    """Say in our words why there is no answer from `host`."""
    if isinstance(refused := error.__cause__, _Refused):
        return type(refused.reason)(f"{host}: {refused.reason}")
    if isinstance(error, aiohttp.InvalidURL):
        return UrlInvalid(f"{host} is neither a host name nor an address in its usual form.")
    if (number := _system_error(error)) in _OUR_LIMITS:
        return ServiceUnavailable(f"No connection can be made: {os.strerror(number)}.")
    what = next(what for kind, what in _UNREACHABLE if isinstance(error, kind))
    return SourceUnavailable(f"{host} {what}{_detail(error)}.")


def _detail(error: aiohttp.ClientError) -> str:
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        return f": {getattr(error.certificate_error, 'verify_message', '')}"
    number = _system_error(error)
    return f": {os.strerror(number).lower()}" if number else ""


def _system_error(error: aiohttp.ClientError) -> int:
    """Return the system's error number, or 0; TLS and (below zero) DNS have numbers of their own there."""
    if isinstance(error, aiohttp.ClientSSLError) or not isinstance(error, OSError):
        return 0
    return max(error.errno or 0, 0)
