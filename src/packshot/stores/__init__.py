"""
Stores keep renditions under keys that follow from their content.

Writing the same key twice is harmless: it is the same content. A store never lists or searches:
the database knows what there is.
"""

from pathlib import Path
from typing import Protocol
from urllib.parse import unquote, urlsplit

from packshot.errors import ConfigError
from packshot.stores.local import LocalStore


class Store(Protocol):
    """Every method raises ServiceUnavailable when the store does not answer, refuses, or is full."""

    async def put(self, key: str, file: Path, content_type: str) -> None:
        """Keep `file` under `key`, durably; it is the store's now. Readers see the whole of it or nothing."""

    async def get(self, key: str) -> bytes:
        """Raise NotFound if there is no such key."""

    async def delete(self, key: str) -> None:
        """Deleting a missing key is fine."""

    def location(self, key: str) -> str:
        """Say where the file is, for other programs: a path, or `s3://bucket/key`."""


def open_store(url: str) -> Store:
    """Open `file:///folder`; raise ConfigError for anything else."""
    parts = urlsplit(url)
    if parts.scheme == "file" and parts.netloc in ("", "localhost") and parts.path.startswith("/"):
        return LocalStore(Path(unquote(parts.path)))
    raise ConfigError(f"PACKSHOT_STORE_URL: {url!r} is not a store; use file:///folder.")
