"""
Takes secrets out of what is about to be written, whoever wrote it.

Some are known: the passwords in our settings, the keys of our store. The others are known by their shape:

    https://user:password@host/path?query#fragment   the login, the query and the fragment of any URL
    postgresql://user:password@host/database         likewise, whatever characters the password has
    /path?query  https%3A%2F%2Fhost%3Fquery          the query of a path, and of a URL inside of a URL
    password=…  "secret": "…"  Authorization: …      what stands behind a telling name
    Bearer …  Basic …                                what a header carries
    packshot_…  whsec_…                              access keys but for their prefix, webhooks' secrets

It does not know what a secret without a shape looks like that nobody told it. Pure.
"""

import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Final
from urllib.parse import parse_qs, unquote

from packshot.server_urls import split_url

MASK: Final = "***"
LEAST_CHARACTERS: Final = 6  # a shorter one would be found in every other word
TELLING: Final = (
    r"[\w-]*(?:password|passwd|secret|token|authorization|cookie|credential|signature"
    r"|api[_-]?key|access[_-]?key|account[_-]?key|\bpwd\b|\bsig\b)"
)
WEB: Final = ("http", "https")

NAME: Final = re.compile(rf"{TELLING}[\w-]*", re.IGNORECASE)
URL: Final = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://([^\s'\"<>\\]*)")
QUERY: Final = re.compile(r"(?<=[\w/.~%-])\?[^\s'\"<>\\]+")
NAMED: Final = re.compile(
    rf"(\b{TELLING}[\w-]*['\"]?\s*[:=]\s*(?:(?:bearer|basic|digest)\s+)?b?['\"]?)(?!\s|{re.escape(MASK)})[^\s'\",;&)}}\]]+",
    re.IGNORECASE,
)
ENCODED: Final = re.compile(r"(%3A%2F%2F[^\s'\"<>\\]*?%3F)[^\s'\"<>\\]+", re.IGNORECASE)
CARRIED: Final = re.compile(r"\b(bearer|basic)\s+[\w+/=.~-]{8,}", re.IGNORECASE)
TOKEN: Final = re.compile(r"(packshot_)[A-Za-z0-9]{12,}|(whsec_)[\w+/=-]+")
ONE_HOST: Final = re.compile(r"[\w.-]+|\[[^\]]*\]")  # and no port
USUAL_PORTS: Final = {
    "amqp": ":5672",
    "amqps": ":5671",
    "postgres": ":5432",
    "postgresql": ":5432",
    "redis": ":6379",
    "rediss": ":6379",
}
MARKS: Final = frozenset(":?=_% ")  # every shape has one of them
NUMBERS: Final = (int, float)  # `int | float` would be put together anew for each fact of each line
OURS: Final = frozenset({"timestamp", "level", "logger"})  # words that nobody else has a say in


class Redaction:
    """Takes out secrets by their shape, and those that are `known`."""

    def __init__(self, known: Iterable[str] = ()) -> None:
        spelt = {spelling for secret in known for spelling in (secret, unquote(secret))}
        words = sorted((word for word in spelt if len(word) >= LEAST_CHARACTERS), key=len, reverse=True)
        self._known = re.compile("|".join(map(re.escape, words))) if words else None

    def text(self, text: str) -> str:
        """Return the text without secrets."""
        if self._known:
            text = self._known.sub(MASK, text)
        return text if MARKS.isdisjoint(text) else _without_shapes(text)

    def value(self, name: str, value: object) -> object:
        """Return what may be written under a name: nothing of what a telling name stands for."""
        if value is None or isinstance(value, NUMBERS) or name in OURS:
            return value
        return MASK if _is_telling(name) else self._value(value)

    def _value(self, value: object) -> object:
        match value:
            case str():
                return self.text(value)
            case None | int() | float():
                return value
            case Mapping():
                return {self.text(str(name)): self.value(str(name), inner) for name, inner in value.items()}
            case list() | tuple() | set() | frozenset():
                return [self._value(inner) for inner in value]
        return self.text(str(value))


@lru_cache(maxsize=1000)
def _is_telling(name: str) -> bool:
    return NAME.fullmatch(name) is not None


@lru_cache(maxsize=1000)  # events, routes and loggers come again and again
def _without_shapes(text: str) -> str:
    text = URL.sub(_without_login_and_query, text)
    text = QUERY.sub(f"?{MASK}", text)
    text = ENCODED.sub(rf"\1{MASK}", text)
    text = NAMED.sub(rf"\1{MASK}", text)
    text = CARRIED.sub(rf"\1 {MASK}", text)
    return TOKEN.sub(lambda found: f"{found[1] or found[2]}{MASK}", text)


def place_of(url: str) -> str:
    """Return where the URL of a server leads: `host:port/name`, without login and query."""
    parts = split_url(url)
    if "@" in parts.path:  # a login that was not spelt as it has to be
        return MASK
    place = (
        parts.netloc.rpartition("@")[2] or parse_qs(parts.query).get("host", [""])[0]
    )  # or a socket's folder
    if ONE_HOST.fullmatch(place):
        place += USUAL_PORTS.get(parts.scheme, "")
    return place + parts.path.rstrip("/")


def _without_login_and_query(url: re.Match[str]) -> str:
    """Browsers know where a login ends; in other URLs a password may have been left as it is."""
    scheme, rest = url[1], url[2]
    end = re.search(r"[/?#]", rest) if scheme.lower() in WEB else None
    at = rest.rfind("@", 0, end.start() if end else len(rest))
    rest = rest if at < 0 else f"{MASK}@{rest[at + 1 :]}"
    bare = re.match(r"[^?#]*", rest)
    kept = bare[0] if bare else ""
    return f"{scheme}://{kept}" + (f"?{MASK}" if kept != rest else "")
