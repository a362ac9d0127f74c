"""
What a server's answer means, before the first byte of its body.

    200 203              a picture should follow
    301 302 303 307 308  it is elsewhere: the next URL
    everything else      no picture: an error that says whether to come back, and when

We ask for one whole file, once, without a login. An answer to a question that we did not ask (206,
304) is therefore wrong, however successful it calls itself. Pure.
"""

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from re import fullmatch
from typing import Final
from urllib.parse import urljoin, urlsplit

from packshot.errors import (
    ImageError,
    NotAnImage,
    SourceForbidden,
    SourceGone,
    SourceRejected,
    SourceThrottled,
    SourceUnavailable,
    UrlInvalid,
)

MAX_SHOWN: Final = 100
REDIRECTS: Final = frozenset((301, 302, 303, 307, 308))

_PICTURE_FOLLOWS: Final = frozenset((200, 203))
_REFUSALS: Final[dict[int, type[ImageError]]] = {
    202: SourceUnavailable,  # still being made
    204: NotAnImage,
    401: SourceForbidden,
    403: SourceForbidden,
    404: SourceGone,
    407: SourceForbidden,
    408: SourceUnavailable,
    410: SourceGone,
    425: SourceUnavailable,
    429: SourceThrottled,
    451: SourceForbidden,
}
_SERVER_ERRORS: Final = range(500, 600)


def refusal(host: str, status: int, retry_after: str, now: datetime) -> ImageError | None:
    """Return why no picture follows, or None if one should; `retry_after` is the header, or empty."""
    if status in _PICTURE_FOLLOWS:
        return None
    kind = _REFUSALS.get(status) or (SourceUnavailable if status in _SERVER_ERRORS else SourceRejected)
    sentence = f"{host} answers {_spoken(status)} instead of a picture."
    return kind(sentence, retry_after_seconds=retry_after_seconds(retry_after, now))


def retry_after_seconds(header: str, now: datetime) -> float | None:
    """Read a Retry-After header, which holds seconds or a date; None if it holds neither."""
    if fullmatch(r"[0-9]{1,15}", header):
        return float(header)
    try:
        date = parsedate_to_datetime(header)
    except (ValueError, OverflowError):
        return None
    return max(0.0, (date.replace(tzinfo=date.tzinfo or UTC) - now).total_seconds())


def redirect_target(url: str, status: int, location: str) -> str:
    """Return the URL that a redirect from `url` leads to; `location` is the header, or empty.

    Spaces are forgiven here, as browsers do: the supplier wrote the URL that we got, but not the
    software that answers. Raises SourceRejected if there is no target, UrlInvalid if it is no URL.
    """
    host = urlsplit(url).hostname
    if not location:
        raise SourceRejected(f"{host} answers {_spoken(status)} without saying where to go.")
    try:
        return urljoin(url, location.strip().replace(" ", "%20"))
    except ValueError as error:
        raise UrlInvalid(f"{host} redirects to something that is not a URL.") from error


def redirect_refused(host: str, target: str, reason: ImageError) -> str:
    """Return the sentence for a redirect from `host` to a `target` that we do not fetch.

    Of the target it names what is refused, and neither a password nor a megabyte.
    """
    try:
        parts = urlsplit(target)
        shown = f"{parts.scheme}://{parts.hostname}" if parts.hostname else f"{parts.scheme}:"
    except ValueError:
        shown = "what is no URL"
    return f"{host} redirects to {ascii(shown[:MAX_SHOWN])[1:-1]}, which we do not fetch. {reason}"


def _spoken(status: int) -> str:
    try:
        return f"{status} ({HTTPStatus(status).phrase})"
    except ValueError:
        return str(status)
