"""Removes the files of a source when no image refers to it any more."""

import logging
from collections.abc import Collection
from typing import Final

from packshot.database import Database
from packshot.errors import ServiceUnavailable
from packshot.stores import Store

log = logging.getLogger(__name__)

FORGET_RENDITIONS: Final = """
    DELETE FROM renditions
     WHERE source_sha256 = $1 AND NOT EXISTS (SELECT FROM images WHERE source_sha256 = $1)
    RETURNING key"""

IS_WANTED: Final = "SELECT FROM images WHERE source_sha256 = $1 LIMIT 1"


class Collector:
    """Deletes rows first, then files: a crash in between leaves a file too many, never one too few."""

    def __init__(self, database: Database, store: Store) -> None:
        self._database = database
        self._store = store

    async def collect(self, sources: Collection[str], keys: Collection[str] = ()) -> None:
        """Remove the renditions of those `sources` (sha256) that no image has, and `keys` of theirs.

        A worker that has just downloaded the same bytes notes them under the same lock, so either
        it is seen here, or it finds nothing and makes the files anew after they are gone.
        """
        for source in sources:
            try:
                await self._collect(source, keys)
            except ServiceUnavailable as error:
                log.warning(
                    "files of a removed image stay behind", extra={"source": source, "error": str(error)}
                )

    async def _collect(self, source: str, keys: Collection[str]) -> None:
        async with self._database.locked(source) as connection:
            if await connection.fetch_row(IS_WANTED, source) is not None:  # a row of no columns is false
                return
            rows = await connection.fetch(FORGET_RENDITIONS, source)
            for key in {*keys, *(row["key"] for row in rows)}:
                await self._store.delete(key)
