"""
Moves house: copies every file of a store to another one, and then rewrites where products say they are.

Copying may be cut short at any time and started again: what is there is left alone, and compared.
Nothing is deleted here. Each file is read back and compared, because the old store will be thrown away.
"""

import logging
from asyncio import Semaphore, TaskGroup, to_thread
from collections.abc import Callable
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Final

from packshot.database import Database
from packshot.errors import NotFound, ServiceUnavailable
from packshot.presets import CONTENT_TYPES, FORMATS
from packshot.stores import ANY_KEY, Store
from packshot.stores.keys import KEY

log = logging.getLogger(__name__)

AT_ONCE: Final = 8
TYPES: Final = {form.suffix: CONTENT_TYPES[name] for name, form in FORMATS.items()}

PRODUCTS_AT_ONCE: Final = 500
NEXT_PAGE: Final = """
    SELECT max(product_id) AS up_to
      FROM (SELECT product_id FROM products WHERE product_id > $1 ORDER BY product_id LIMIT $2) AS page"""
SWITCH: Final = """
    UPDATE products
       SET updated_at = now(), compressed_product_images = ARRAY(
            SELECT CASE WHEN starts_with(place, $1) THEN $2 || substr(place, length($1) + 1) ELSE place END
              FROM unnest(compressed_product_images) WITH ORDINALITY AS location(place, position)
             ORDER BY position)
     WHERE product_id > $3 AND product_id <= $4
       AND EXISTS (SELECT FROM unnest(compressed_product_images) AS place WHERE starts_with(place, $1))
    RETURNING product_id"""


@dataclass(slots=True)
class Load:
    """How many files were copied, were there already, the `same` or `different`, or are not ours."""

    copied: int = 0
    copied_bytes: int = 0
    same: int = 0
    different: int = 0
    foreign: int = 0

    @property
    def files(self) -> int:
        """How many files have been looked at."""
        return self.copied + self.same + self.different + self.foreign

    def summary(self) -> dict[str, int]:
        """Return the numbers by their names."""
        return asdict(self)


class Move:
    """All files on their way from one store to another, some at a time; `folder` holds those in hand."""

    def __init__(self, origin: Store, target: Store, folder: str) -> None:
        self._origin = origin
        self._target = target
        self._folder = folder
        self._slots = Semaphore(AT_ONCE)
        self.load = Load()

    async def run(self, report: Callable[[Load], None]) -> None:
        """Copy everything, and report after each file; raise ServiceUnavailable when a store gives up."""
        try:
            async with TaskGroup() as in_hand:
                async for file in self._origin.keys():
                    await self._slots.acquire()
                    in_hand.create_task(self._copy_and_report(file.key, report))
        except ExceptionGroup as failures:
            raise failures.exceptions[0] from failures

    async def _copy_and_report(self, key: str, report: Callable[[Load], None]) -> None:
        try:
            await self._copy(key)
            report(self.load)
        finally:
            self._slots.release()

    async def _copy(self, key: str) -> None:
        kind = TYPES.get(key.rpartition(".")[2])
        if kind is None or KEY.fullmatch(key) is None:
            self.load.foreign += 1
            return
        try:
            data = await self._origin.get(key)
        except NotFound:  # deleted since it was listed
            return
        match await self._compare(key, data):
            case True:
                self.load.same += 1
            case False:  # one of the two is damaged, and we cannot know which
                self.load.different += 1
                log.warning("file differs", extra={"key": key})
            case None:
                await self._put(key, data, kind)

    async def _put(self, key: str, data: bytes, kind: str) -> None:
        file = await to_thread(self._write, data)
        try:
            await self._target.put(key, file, kind)
        finally:
            file.unlink(missing_ok=True)
        if not await self._compare(key, data):
            raise ServiceUnavailable(f"{self._target.location(key)} is not what was written there.")
        self.load.copied += 1
        self.load.copied_bytes += len(data)

    async def _compare(self, key: str, data: bytes) -> bool | None:
        """Tell whether the target has these bytes, or None if it has none."""
        try:
            there = await self._target.get(key)
        except NotFound:
            return None
        return sha256(there).digest() == sha256(data).digest()

    def _write(self, data: bytes) -> Path:
        with NamedTemporaryFile(dir=self._folder, delete=False) as file:
            file.write(data)
        return Path(file.name)


async def switch(database: Database, origin: Store, target: Store) -> int:
    """Rewrite the locations of products, some at a time; return how many products had any."""
    old, new = _place(origin), _place(target)
    switched, after = 0, 0
    while up_to := await _end_of_page(database, after):
        switched += len(await database.fetch(SWITCH, old, new, after, up_to))
        after = up_to
    return switched


async def _end_of_page(database: Database, after: int) -> int | None:
    row = await database.fetch_row(NEXT_PAGE, after, PRODUCTS_AT_ONCE)
    return row["up_to"] if row else None


def _place(store: Store) -> str:
    """Return what all locations of a store begin with."""
    return store.location(ANY_KEY).removesuffix(ANY_KEY)
