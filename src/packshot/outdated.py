"""
Ready images that have not what today's presets want, and the one UPDATE that gives it to them.

Such an image stays ready all the time, and is in nobody's hands: who brings it up to date holds no claim, so
the UPDATE names everything that must still be true. Files are made and recorded under the lock of their
source, which `GarbageCollection` takes too: it sees both or neither, and two that bring twins up to date do
so one after the other. Locks are taken in one order: the source, the product, the image.
"""

from collections.abc import AsyncIterator, Collection, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final

from packshot.database import Connection, Database
from packshot.images import RECORD, RENDITIONS_OF_SOURCE, TAKE_THE_LATER, made_of
from packshot.models import Rendered, Rendition

PAGE: Final = 500  # of a million images that one command could not look at in its time
HASHES: Final = 2**32
SILENT_SECONDS: Final = 30  # a worker without a heartbeat for so long is gone

LAST: Final = "SELECT coalesce(max(image_id), 0) AS image_id FROM images"

END_OF_PAGE: Final = """
    SELECT max(image_id) AS up_to
      FROM (SELECT image_id FROM images WHERE image_id > $1 ORDER BY image_id LIMIT $2) AS page"""

OUTDATED: Final = """
    SELECT image_id, source_sha256 FROM images i
     WHERE image_id > $1 AND image_id <= $2 AND state = 'ready'
       AND ('x' || left(md5(image_id::text), 8))::bit(32)::bigint < $3
       AND $4::text[] <> array(
            SELECT r.preset || ' ' || r.recipe FROM renditions r
             WHERE r.key = ANY(i.rendition_keys) AND NOT r.preset = ANY($5)
             ORDER BY array_position(i.rendition_keys, r.key))
     ORDER BY image_id"""

# A twin that was brought up to date a moment ago knows more of the picture than this image does.
READY: Final = f"""
    SELECT i.image_id, i.attempt, i.product_id, i.source_url, i.source_sha256, i.rendition_keys,
           i.source_width AS width, i.source_height AS height,
           (SELECT facts FROM images twin
             WHERE twin.source_sha256 = i.source_sha256 AND facts <> '{{}}'
             ORDER BY updated_at DESC LIMIT 1) AS facts,
           ({RENDITIONS_OF_SOURCE}) AS renditions
      FROM images i WHERE image_id = $1 AND state = 'ready'"""  # noqa: S608 - put together from constants

# The product is locked first, as in `images`. What is relied on without being made anew must still be there.
REPLACE: Final = f"""
    WITH product AS MATERIALIZED (
        SELECT product_id FROM products WHERE product_id = $3 FOR NO KEY UPDATE
    ), replaced AS (
        UPDATE images
           SET rendition_keys = $5, facts = $6, updated_at = now()
         WHERE image_id = $1 AND attempt = $2 AND state = 'ready' AND source_sha256 = $4
           AND (SELECT count(*) FROM product) >= 0
           AND (SELECT count(*) FROM renditions WHERE key = ANY($9)) = cardinality($9)
        RETURNING image_id, product_id, position, source_sha256
    ), stored AS (
        INSERT INTO renditions
               (source_sha256, recipe, preset, format, key, width, height, bytes, quality, score)
        SELECT source_sha256, r.* FROM replaced, jsonb_to_recordset($7) AS {RECORD}
         WHERE NOT r.key = ANY($9) {TAKE_THE_LATER}
    ), written AS (
        UPDATE products p
           SET compressed_product_images[replaced.position + 1] = $8, updated_at = now()
          FROM replaced WHERE p.product_id = replaced.product_id
    )
    SELECT image_id FROM replaced"""  # noqa: S608 - put together from constants

# A worker may just be about to refer to what it found there. The files are for `GarbageCollection`.
FORGET_UNUSED: Final = """
    DELETE FROM renditions r
     WHERE source_sha256 = $1
       AND NOT EXISTS (SELECT FROM images i
                        WHERE i.source_sha256 = $1
                          AND (i.state = 'processing' OR r.key = ANY(i.rendition_keys)))"""

# The two kinds of pending have an index each. What nobody is there to do is in nobody's way.
IS_NEW_WORK_WAITING: Final = """
    SELECT (EXISTS (SELECT FROM images WHERE state = 'processing')
            OR EXISTS (SELECT FROM images
                        WHERE state = 'pending' AND published_at IS NULL AND due_at <= now())
            OR EXISTS (SELECT FROM images
                        WHERE state = 'pending' AND published_at IS NOT NULL AND due_at <= now()))
           AND EXISTS (SELECT FROM workers
                        WHERE slots > 0 AND last_seen > now() - make_interval(secs => $1)) AS answer"""


@dataclass(frozen=True, slots=True)
class ReadyImage:
    """An image as it was found: its own `keys`, the main one first, and all that there is of its source."""

    image_id: int
    attempt: int
    product_id: int | None
    source_url: str
    source_sha256: str
    keys: tuple[str, ...]
    of_source: Rendered

    @property
    def renditions(self) -> list[Rendition]:
        """Return its own, the main one first."""
        there = {rendition.key: rendition for rendition in self.of_source.renditions}
        return [there[key] for key in self.keys if key in there]


class OutdatedImages:
    """The rows of images that are ready, but for presets of another day."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def last_id(self) -> int:
        """Return the id of the newest image, 0 if there is none."""
        row = await self._database.fetch_row(LAST)
        return int(row["image_id"]) if row else 0

    async def end_of_page(self, after: int) -> int | None:
        """Return up to which id to look next; None after the last image."""
        row = await self._database.fetch_row(END_OF_PAGE, after, PAGE)
        return row["up_to"] if row else None

    async def find(
        self,
        after: int,
        up_to: int,
        share: float,
        wanted: Iterable[tuple[str, str]],
        others: Collection[str] = (),
    ) -> list[tuple[int, str]]:
        """Return (image_id, source_sha256) of those between the two ids that are not as `wanted`.

        As wanted is who has each (preset, recipe), in this order, and nothing besides, but for renditions of
        the presets `others`. A `share` below 1 looks at that part of all images only, at the same ones each
        time.
        """
        names = [" ".join(name) for name in wanted]
        rows = await self._database.fetch(OUTDATED, after, up_to, round(share * HASHES), names, list(others))
        return [(row["image_id"], row["source_sha256"]) for row in rows]

    async def get(self, image_id: int) -> ReadyImage | None:
        """Return the image as it is now; None if it is not ready, or not there any more."""
        row = await self._database.fetch_row(READY, image_id)
        if row is None:
            return None
        return ReadyImage(
            image_id=row["image_id"],
            attempt=row["attempt"],
            product_id=row["product_id"],
            source_url=row["source_url"],
            source_sha256=row["source_sha256"],
            keys=tuple(row["rendition_keys"]),
            of_source=made_of(row),
        )

    async def is_new_work_waiting(self) -> bool:
        """Tell whether workers have something to do that has never been done."""
        row = await self._database.fetch_row(IS_NEW_WORK_WAITING, SILENT_SECONDS)
        return bool(row and row["answer"])

    @asynccontextmanager
    async def alone_with(self, source_sha256: str) -> AsyncIterator[Connection]:
        """Keep everybody else from noting, collecting or replacing files of this source; a transaction."""
        async with self._database.transaction() as connection:
            await connection.execute("SELECT pg_advisory_xact_lock(hashtextextended($1, 0))", source_sha256)
            yield connection

    async def replace(
        self, connection: Connection, image: ReadyImage, new: Rendered, location: str, made: Sequence[str]
    ) -> bool:
        """Give the image the renditions `new`, of which those with the keys `made` were not there before.

        Tells whether it has them now: not if it was removed or has changed since it was looked at.
        Rows of renditions that no image of this source needs any more go.
        """
        keys = [rendition.key for rendition in new.renditions]
        row = await connection.fetch_row(
            REPLACE,
            image.image_id,
            image.attempt,
            image.product_id,
            image.source_sha256,
            keys,
            new.facts or {},
            new.renditions,
            location,
            [key for key in keys if key not in made],
        )
        if row is None:
            return False
        await connection.execute(FORGET_UNUSED, image.source_sha256)
        return True
