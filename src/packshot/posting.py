"""
One POST to a receiver of webhooks, through the same guard as downloads: never into a private network.

Whoever registers a webhook may be a tenant of yours and not you. So a receiver is reached over TLS and
at a public address, unless PACKSHOT_ALLOW_WEBHOOKS names it; a redirect is an answer like any other that
is no 2xx; and nothing of the answer is kept but its status, since it might come from where nobody may read.

Retries, signatures and rows are not here: see `patience.py`, `signing.py` and `outbox.py`.
"""

import asyncio
from collections.abc import Mapping
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from http import HTTPStatus
from time import monotonic
from typing import Final, Self

import aiohttp
from yarl import URL

from packshot import __version__
from packshot.addresses import Guard, build_guard, check_url
from packshot.answers import retry_after_seconds
from packshot.connections import Resolver, explain, is_ours, request_url, session
from packshot.errors import AddressForbidden, ImageError, UrlInvalid
from packshot.patience import Receipt
from packshot.settings import Settings

SECONDS: Final = 15.0  # for an attempt in all; Standard Webhooks asks for 15 to 30
LOOKUPS: Final = 16  # in the DNS, at the same time
HEADERS: Final = {
    "Content-Type": "application/json",
    "User-Agent": f"Packshot/{__version__} (webhooks)",
    "Accept": "*/*",
}
FORBIDDEN: Final = "{host} has no public address, and PACKSHOT_ALLOW_WEBHOOKS does not name it."
_SUCCESS: Final = range(200, 300)


def receivers_guard(settings: Settings) -> Guard:
    """Return the guard of webhooks; raise ConfigError for what is no host, address or CIDR."""
    return build_guard(settings.allow_webhooks, settings.allow_ports, is_ours, "PACKSHOT_ALLOW_WEBHOOKS")


def receiver_url(url: str, guard: Guard) -> URL:
    """Return the URL as it is asked for; raise UrlInvalid with a sentence if nothing may be sent there."""
    parts = check_url(url)
    if parts.scheme != "https" and not guard.names(parts.hostname or ""):
        raise UrlInvalid(f"Use https://, or name {parts.hostname} in PACKSHOT_ALLOW_WEBHOOKS.")
    return request_url(parts)


class Poster:
    """Posts to receivers; an async context manager that owns the connections."""

    def __init__(self, guard: Guard, seconds: float = SECONDS) -> None:
        self._guard = guard
        self._seconds = seconds
        self._resources = AsyncExitStack()

    async def __aenter__(self) -> Self:
        resolver = Resolver(self._guard, threads=LOOKUPS)
        self._resources.push_async_callback(resolver.close)
        self._guarded = await self._resources.enter_async_context(session(resolver, self._guard))
        self._trusting = await self._resources.enter_async_context(session(resolver, None))
        return self

    async def __aexit__(self, *error: object) -> None:
        await self._resources.aclose()

    async def post(self, url: str, headers: Mapping[str, str], body: bytes) -> Receipt:
        """Send `body` and return what came of it; raise ServiceUnavailable if the fault is our own."""
        began = monotonic()

        def receipt(**result: object) -> Receipt:
            return Receipt(round(1000 * (monotonic() - began)), **result)  # type: ignore[arg-type]

        try:
            status, retry_after = await self._ask(receiver_url(url, self._guard), headers, body)
        except TimeoutError:
            return receipt(error=f"There was no answer within {self._seconds:g} seconds.")
        except ImageError as error:
            return receipt(error=str(error))
        if status in _SUCCESS:
            return receipt(status=status)
        later = retry_after_seconds(retry_after, datetime.now(UTC))
        return receipt(status=status, error=f"The answer is {_spoken(status)}.", retry_after_seconds=later)

    async def _ask(self, url: URL, headers: Mapping[str, str], body: bytes) -> tuple[int, str]:
        host = url.raw_host or ""
        through = self._trusting if self._guard.trusts(host) else self._guarded
        try:
            async with (
                asyncio.timeout(self._seconds),
                through.post(url, data=body, headers={**HEADERS, **headers}, allow_redirects=False) as answer,
            ):
                return answer.status, answer.headers.get("Retry-After", "")
        except aiohttp.ClientError as error:
            reason = explain(error, host)
            if isinstance(reason, AddressForbidden):
                raise AddressForbidden(FORBIDDEN.format(host=host)) from error
            raise reason from error


def _spoken(status: int) -> str:
    try:
        return f"{status} ({HTTPStatus(status).phrase})"
    except ValueError:
        return str(status)
