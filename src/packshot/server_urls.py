"""
Splits the URL of a server: a database, a broker, a store, a cache.

It may name several servers. Python's own function refuses an IPv6 address among them since 2025. What a URL
says is for those who use the server to judge.
"""

import re
from typing import Final
from urllib.parse import SplitResult

PARTS: Final = re.compile(
    r"(?:([^:/?#]+):)?(?://([^/?#]*))?([^?#]*)(?:\?([^#]*))?(?:#(.*))?", re.DOTALL
)  # RFC 3986, appendix B


def split_url(url: str) -> SplitResult:
    """Return the parts of a URL, whatever they are."""
    found = PARTS.fullmatch(url)
    assert found is not None  # noqa: S101 - every text has these parts, if only a path
    scheme, netloc, path, query, fragment = found.groups("")
    return SplitResult(scheme.lower(), netloc, path, query, fragment)
