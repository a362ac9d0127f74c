"""
Finds files in the store that nobody refers to, and deletes them when asked.

Nobody refers to a file when no rendition has its key. A worker writes its files before they are recorded,
so two things keep them: they are young, and their source is noted by an image in processing. The second
is asked under the lock of the source, under which workers note it (see `Images.note_source`): whoever
comes later makes its files after ours are gone. What is no key of ours is counted and never touched.
"""

import re
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from itertools import groupby
from typing import Final

from packshot.database import Connection, Database
from packshot.models import StoredFile
from packshot.presets import FORMATS
from packshot.stores import Store

BATCH: Final = 1000
SUFFIXES: Final = "|".join(form.suffix for form in FORMATS.values())
OUR_KEY: Final = re.compile(rf"([0-9a-f]{{2}})/(\1[0-9a-f]{{62}})/[a-z0-9][-a-z0-9_.]*\.(?:{SUFFIXES})")

RECORDED: Final = "SELECT key FROM renditions WHERE key = ANY($1)"

# An image that is ready refers to its renditions by itself: to be asked twice costs nothing here.
WANTED: Final = """
    SELECT key FROM renditions WHERE key = ANY($2)
     UNION ALL
    SELECT unnest(CASE state WHEN 'processing' THEN $2 ELSE rendition_keys END)
      FROM images WHERE source_sha256 = $1"""


@dataclass(slots=True)
class Findings:
    """How many files there are of each kind; `garbage_bytes` is what they take."""

    files: int = 0
    in_use: int = 0
    young: int = 0
    foreign: int = 0
    garbage: int = 0
    garbage_bytes: int = 0
    deleted: int = 0

    def summary(self) -> dict[str, int]:
        """Return the numbers by their names."""
        return asdict(self)


class GarbageCollection:
    """One look at all files of a store. `findings` are true at any moment, also after it was cut short."""

    def __init__(self, database: Database, store: Store, *, grace_hours: float, delete: bool) -> None:
        self._database = database
        self._store = store
        self._older_than = datetime.now(UTC) - timedelta(hours=grace_hours)
        self._delete = delete
        self.findings = Findings()

    async def run(self, report: Callable[[Findings], None]) -> None:
        """Go through the store, and report after each batch of files."""
        async for batch in _batches(self._store.keys()):
            for source, files in _by_source(await self._unreferenced(batch)):
                await self._remove(source, files)
            report(self.findings)

    async def _unreferenced(self, batch: Sequence[StoredFile]) -> list[StoredFile]:
        ours = [file for file in batch if OUR_KEY.fullmatch(file.key)]
        rows = await self._database.fetch(RECORDED, [file.key for file in ours])
        recorded = {row["key"] for row in rows}
        unknown = [file for file in ours if file.key not in recorded]
        old = [file for file in unknown if file.modified_at < self._older_than]
        self.findings.files += len(batch)
        self.findings.foreign += len(batch) - len(ours)
        self.findings.in_use += len(ours) - len(unknown)
        self.findings.young += len(unknown) - len(old)
        return old

    async def _remove(self, source: str, files: Sequence[StoredFile]) -> None:
        async with self._database.locked(source) as connection:
            garbage = await self._still_garbage(connection, source, files)
            self.findings.in_use += len(files) - len(garbage)
            for file in garbage:
                self.findings.garbage += 1
                self.findings.garbage_bytes += file.bytes
                if self._delete:
                    await self._store.delete(file.key)
                    self.findings.deleted += 1

    async def _still_garbage(
        self, connection: Connection, source: str, files: Sequence[StoredFile]
    ) -> list[StoredFile]:
        rows = await connection.fetch(WANTED, source, [file.key for file in files])
        wanted = {row["key"] for row in rows}
        return [file for file in files if file.key not in wanted]


async def _batches(files: AsyncIterator[StoredFile]) -> AsyncIterator[list[StoredFile]]:
    batch: list[StoredFile] = []
    async for file in files:
        batch.append(file)
        if len(batch) == BATCH:
            yield batch
            batch = []
    if batch:
        yield batch


def _by_source(files: Iterable[StoredFile]) -> list[tuple[str, list[StoredFile]]]:
    ordered = sorted(files, key=_source_of)
    return [(source, list(of_source)) for source, of_source in groupby(ordered, key=_source_of)]


def _source_of(file: StoredFile) -> str:
    return file.key.split("/")[1]
