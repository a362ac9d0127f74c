"""
From a URL to a file: one GET, within limits, and never into a private network.

    url ─▶ check ─▶ connect ─▶ status ─▶ first bytes ─▶ file
             ▲     (guarded)     │
             └──── redirect ◀────┘

The other side is not our friend. Every limit is our own: seconds for an answer and for the whole,
bytes and their speed (`body.py`), redirects, addresses (`connections.py`, where the guard sits).

This module does not retry (`lifecycle.judge` decides), decode (only the first bytes are looked at)
or keep anything: cookies, logins and proxies of our environment do not reach a supplier.
"""

import asyncio
import hashlib
from collections.abc import Iterator
from contextlib import AsyncExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO, Final, Self
from urllib.parse import SplitResult

import aiohttp
from yarl import URL

from packshot.addresses import build_guard, check_url
from packshot.answers import REDIRECTS, redirect_refused, redirect_target, refusal
from packshot.body import Body
from packshot.connections import Resolver, explain, is_ours, request_url, session
from packshot.errors import (
    AddressForbidden,
    ServiceUnavailable,
    SourceTimeout,
    TooManyRedirects,
    UrlInvalid,
)
from packshot.formats import HEAD_BYTES, accepted_format
from packshot.models import Source
from packshot.settings import Settings
from packshot.slots import MOST_PLACES

MAX_HOP_CHARACTERS: Final = 8_190  # redirects lead to signed URLs, which are longer than those people send


class Downloader:
    """Fetches sources, many at a time; an async context manager that owns the connections.

    Raises ConfigError if PACKSHOT_ALLOW_SOURCES holds anything but hosts, addresses and CIDRs.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._guard = build_guard(settings.allow_sources, settings.allow_ports, is_ours)
        self._resources = AsyncExitStack()

    async def __aenter__(self) -> Self:
        resolver = Resolver(self._guard, threads=self._settings.workers + MOST_PLACES)
        self._resources.push_async_callback(resolver.close)
        # Two sessions, because a socket factory is told the address but not the name it is for, and
        # an operator may trust a name. No connection of one is ever reused by the other.
        self._guarded = await self._resources.enter_async_context(session(resolver, self._guard))
        self._trusting = await self._resources.enter_async_context(session(resolver, None))
        return self

    async def __aexit__(self, *error: object) -> None:
        await self._resources.aclose()

    async def download(self, url: str, to: Path) -> Source:
        """Write what `url` names into the file `to` and return its facts.

        Raises an ImageError that says what the supplier, or whoever fixes it, has to know, and
        ServiceUnavailable if the fault is our own disk's or our own limits', SourceBusy if nothing
        was tried. `to` may hold a part of the file then.
        """
        try:
            async with asyncio.timeout(self._settings.download_seconds):
                return await self._follow(url, to)
        except TimeoutError as error:
            limit = f"{self._settings.download_seconds:g} seconds"
            raise SourceTimeout(f"The file had not arrived after {limit}.") from error

    def class_of_host(self, url: str, _: Path) -> str:
        """Return what kind of host a URL names, in a word for counting."""
        return self._guard.class_of(check_url(url).hostname or "")

    async def _follow(self, url: str, to: Path) -> Source:
        seen: set[URL] = set()
        response = await self._get(check_url(url), seen)
        while response.status in REDIRECTS:
            response.release()
            location = response.headers.get("Location", "")
            target = redirect_target(str(response.url), response.status, location)
            with _sent_by(response.url.raw_host or "", target):
                response = await self._get(check_url(target, MAX_HOP_CHARACTERS), seen)
        async with response:
            return await self._save(response, to)

    async def _get(self, parts: SplitResult, seen: set[URL]) -> aiohttp.ClientResponse:
        url = request_url(parts)
        if url in seen:
            raise TooManyRedirects(f"{url.raw_host} sends us in a circle.")
        if len(seen) > self._settings.max_redirects:
            raise TooManyRedirects(f"There were more than {self._settings.max_redirects} redirects.")
        seen.add(url)
        return await self._ask(url, url.raw_host or "")

    async def _ask(self, url: URL, host: str) -> aiohttp.ClientResponse:
        seconds = self._settings.answer_seconds
        session = self._trusting if self._guard.trusts(host) else self._guarded
        try:
            async with asyncio.timeout(seconds):
                return await session.get(url, allow_redirects=False)
        except TimeoutError as error:
            raise SourceTimeout(f"{host} had not begun to answer after {seconds:g} seconds.") from error
        except aiohttp.ClientError as error:
            raise explain(error, host) from error

    async def _save(self, response: aiohttp.ClientResponse, to: Path) -> Source:
        host, retry_after = response.url.raw_host or "", response.headers.get("Retry-After", "")
        if reason := refusal(host, response.status, retry_after, datetime.now(UTC)):
            raise reason
        body = Body(response, self._settings)
        head = await body.read_head()
        # Before the rest is downloaded: nobody should send us a video.
        picture_format = accepted_format(head[:HEAD_BYTES], self._settings.extra_formats)
        body.expect(response.content_length or 0)
        sha256 = hashlib.sha256()
        with _our_file(to) as file:
            chunk = head
            while chunk:
                sha256.update(chunk)
                file.write(chunk)
                chunk = await body.read()
        return Source(sha256.hexdigest(), body.bytes, picture_format)


@contextmanager
def _sent_by(host: str, target: str) -> Iterator[None]:
    """Tell who sent us to `target` if it is refused: whoever wrote our URL did not write that."""
    try:
        yield
    except (UrlInvalid, AddressForbidden) as error:
        raise type(error)(redirect_refused(host, target, error)) from error


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
