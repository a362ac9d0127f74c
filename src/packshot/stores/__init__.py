"""
Stores keep renditions under keys that follow from their content.

Writing the same key twice is harmless: it is the same content. A store never searches: the database
knows what there is. It lists its files only for those who clean up or move house.
"""

from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Final, Protocol
from urllib.parse import unquote, urlsplit

from packshot.errors import ConfigError
from packshot.models import StoredFile
from packshot.stores.local import LocalStore

REMOTE: Final = ("s3", "gs", "az")
ANY_KEY: Final = "00/0"  # for who wants to know what a store makes of a key
NOTHING: Final[Mapping[str, str]] = MappingProxyType({})


class Store(Protocol):
    """Every method raises ServiceUnavailable when the store does not answer, refuses, or is full."""

    async def put(self, key: str, file: Path, content_type: str) -> None:
        """Keep `file` under `key`, durably; it is the store's now. Readers see the whole of it or nothing."""

    async def get(self, key: str) -> bytes:
        """Raise NotFound if there is no such key."""

    async def delete(self, key: str) -> None:
        """Deleting a missing key is fine."""

    async def url(self, key: str) -> str | None:
        """Return where a browser gets the file for the next hour; None if it has to come through us."""

    def location(self, key: str) -> str:
        """Say where the file is, for other programs: a path, or `s3://bucket/key`."""

    def keys(self) -> AsyncIterator[StoredFile]:
        """List every file there is, also those that are not ours, whose names are no keys."""


def open_store(url: str, environment: Mapping[str, str] = NOTHING) -> Store:
    """Open `file:///folder`, `s3://bucket/prefix`, `gs://…` or `az://…`; raise ConfigError for anything else.

    `environment` says where AWS keeps its profiles; the address itself may hold a secret and is not repeated.
    """
    parts = urlsplit(url)
    if parts.scheme == "file" and parts.netloc in ("", "localhost") and parts.path.startswith("/"):
        return LocalStore(Path(unquote(parts.path)))
    if parts.scheme in REMOTE:
        from packshot.stores.s3 import S3Store  # noqa: PLC0415 - heavy, and not for everybody

        return S3Store(url, environment)
    raise ConfigError(
        "PACKSHOT_STORE_URL: use file:///folder, s3://bucket/prefix, gs://bucket/prefix or"
        " az://account/container/prefix."
    )
