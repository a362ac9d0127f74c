"""
The moves of an image's row, as `lifecycle` draws them. Each is one guarded UPDATE.

A worker's move names its claim, (image_id, attempt): when the image was taken over, finished or
removed in the meantime, no row matches and StaleClaim is raised. Times are the database's.
Locks are taken in one order, the product and then its images by their ids, so that two moves never
wait for each other.
"""

from collections.abc import Collection, Mapping
from typing import Final, Self
from uuid import UUID

from packshot.database import Connection, Database, Row
from packshot.errors import Conflict, NotFound, StaleClaim
from packshot.lifecycle import GiveUp, Release, Retry
from packshot.models import Claim, Facts, Rendered, Rendition, Source
from packshot.telemetry import origin

DETAILS: Final = """
    SELECT i.*, coalesce((
        SELECT json_agg(r ORDER BY array_position(i.rendition_keys, r.key))
          FROM renditions r WHERE r.key = ANY(i.rendition_keys)), '[]') AS renditions
      FROM images i"""

ADD: Final = """
    INSERT INTO images (source_url, max_attempts, request_id, traceparent) VALUES ($1, $2, $3, $4)
    RETURNING *, '[]'::json AS renditions"""

CLAIM: Final = """
    UPDATE images
       SET state = 'processing', attempt = attempt + 1, worker_id = $2,
           lease_until = now() + make_interval(secs => $3), updated_at = now()
     WHERE image_id = $1 AND state = 'pending' AND due_at <= now()
    RETURNING image_id, attempt, max_attempts, product_id, source_url, request_id, traceparent"""

NOTE_SOURCE: Final = """
    UPDATE images
       SET source_sha256 = $3, source_bytes = $4, source_format = $5,
           source_width = NULL, source_height = NULL,
           lease_until = now() + make_interval(secs => $6), updated_at = now()
     WHERE image_id = $1 AND attempt = $2 AND state = 'processing'
    RETURNING image_id"""

# Of which there may be others than those that are wanted today.
RENDITIONS_OF_SOURCE: Final = """
    SELECT coalesce(json_agg(json_build_object(
               'recipe', recipe, 'preset', preset, 'format', format, 'key', key, 'width', width,
               'height', height, 'bytes', bytes, 'quality', quality, 'score', score) ORDER BY key), '[]')
      FROM renditions WHERE source_sha256 = i.source_sha256"""

RECORD: Final = """
    r(recipe text, preset text, format text, key text, width int, height int, bytes bigint,
      quality smallint, score real)"""

# Of two that made the same, the later file is in the store. In the order of keys, so that no two wait for
# each other; and a twin that made nothing writes nothing.
TAKE_THE_LATER: Final = """
             ORDER BY r.key
            ON CONFLICT (source_sha256, recipe, preset, format) DO UPDATE
           SET width = EXCLUDED.width, height = EXCLUDED.height, bytes = EXCLUDED.bytes,
               quality = EXCLUDED.quality, score = EXCLUDED.score
         WHERE (renditions.width, renditions.height, renditions.bytes, renditions.quality, renditions.score)
               IS DISTINCT FROM
               (EXCLUDED.width, EXCLUDED.height, EXCLUDED.bytes, EXCLUDED.quality, EXCLUDED.score)"""

TWIN: Final = f"""
    SELECT i.source_width AS width, i.source_height AS height, i.facts, ({RENDITIONS_OF_SOURCE}) AS renditions
      FROM images i
     WHERE i.source_sha256 = $1 AND i.source_width IS NOT NULL
     ORDER BY i.facts = '{{}}'
     LIMIT 1"""  # noqa: S608 - put together from constants

# The product is locked first: the count is always true, and makes that lock come before the image's.
# `position` is read from the newest version of the image's row, which an edit of the product may
# have moved while we worked.
FINISH: Final = f"""
    WITH product AS MATERIALIZED (
        SELECT product_id FROM products WHERE product_id = $3 FOR NO KEY UPDATE
    ), finished AS (
        UPDATE images
           SET state = 'ready', source_width = $4, source_height = $5, rendition_keys = $6,
               timings = $7, facts = $10, error_code = NULL, error_message = NULL,
               worker_id = NULL, lease_until = NULL, updated_at = now()
         WHERE image_id = $1 AND attempt = $2 AND state = 'processing'
           AND (SELECT count(*) FROM product) >= 0
        RETURNING image_id, product_id, position, source_sha256
    ), stored AS (
        INSERT INTO renditions
               (source_sha256, recipe, preset, format, key, width, height, bytes, quality, score)
        SELECT source_sha256, r.* FROM finished, jsonb_to_recordset($8) AS {RECORD} {TAKE_THE_LATER}
    ), written AS (
        UPDATE products p
           SET compressed_product_images[finished.position + 1] = $9, updated_at = now()
          FROM finished WHERE p.product_id = finished.product_id
    )
    SELECT image_id FROM finished"""  # noqa: S608 - put together from constants

GIVE_BACK: Final = """
    UPDATE images
       SET state = 'pending', max_attempts = max_attempts + $4, due_at = now() + make_interval(secs => $3),
           error_code = coalesce($5, error_code), error_message = coalesce($6, error_message),
           published_at = NULL, worker_id = NULL, lease_until = NULL, updated_at = now()
     WHERE image_id = $1 AND attempt = $2 AND state = 'processing'
    RETURNING image_id"""

# Passing over what others have locked at this moment: it is moving already.
RELEASE_ALL_BUT: Final = """
    WITH ours AS MATERIALIZED (
        SELECT image_id FROM images
         WHERE worker_id = $1 AND state = 'processing' AND NOT image_id = ANY($2)
           AND updated_at <= now() - make_interval(secs => $3)
           FOR UPDATE SKIP LOCKED
    )
    UPDATE images
       SET state = 'pending', max_attempts = max_attempts + 1, due_at = now(), published_at = NULL,
           worker_id = NULL, lease_until = NULL, updated_at = now()
      FROM ours WHERE images.image_id = ours.image_id
    RETURNING images.image_id"""

BATCH: Final = 5_000  # of a million rows that one command could not move in its time
FORGOTTEN_SECONDS: Final = 10  # a claim that is younger may be on its way to us

GIVE_UP: Final = """
    UPDATE images
       SET state = 'failed', error_code = $3, error_message = $4,
           worker_id = NULL, lease_until = NULL, updated_at = now()
     WHERE image_id = $1 AND attempt = $2 AND state = 'processing'
    RETURNING image_id"""

REQUEUE: Final = """
    UPDATE images
       SET state = 'pending', max_attempts = attempt + $1, losses = 0, due_at = now(), published_at = NULL,
           error_code = NULL, error_message = NULL, request_id = $2, traceparent = $3, updated_at = now()
     WHERE state = 'failed'"""

REQUEUE_FAILED: Final = f"""
    WITH wanted AS MATERIALIZED (
        SELECT image_id FROM images
         WHERE state = 'failed' AND ($4::text IS NULL OR error_code = $4)
           AND ($5::text IS NULL OR source_host(source_url) = $5) AND image_id > $6
         ORDER BY image_id LIMIT $7 FOR UPDATE
    )
    {REQUEUE} AND image_id IN (SELECT image_id FROM wanted)
    RETURNING image_id"""  # noqa: S608 - put together from constants


class Images:
    """The rows of images, moved on behalf of one worker."""

    def __init__(
        self, database: Database | Connection, worker_id: UUID, *, lease_seconds: float, max_attempts: int
    ) -> None:
        self._database = database
        self._worker_id = worker_id
        self._lease_seconds = lease_seconds
        self._max_attempts = max_attempts

    def within(self, connection: Connection) -> Self:
        """Return the same, inside the transaction of `connection`."""
        return type(self)(
            connection,
            self._worker_id,
            lease_seconds=self._lease_seconds,
            max_attempts=self._max_attempts,
        )

    async def get(self, image_id: int) -> Row:
        """Return the row with its renditions; raise NotFound."""
        row = await self._database.fetch_row(f"{DETAILS} WHERE i.image_id = $1", image_id)
        if row is None:
            raise NotFound(f"There is no image {image_id}.")
        return row

    async def add(self, source_url: str) -> Row:
        """Store a stand-alone image, pending, and return its row."""
        row = await self._database.fetch_row(ADD, source_url, self._max_attempts, *origin())
        assert row is not None  # noqa: S101 - RETURNING always returns
        return row

    async def claim(self, image_id: int) -> Claim | None:
        """Take the image in hand for one attempt; None if it is not there to be taken."""
        row = await self._database.fetch_row(CLAIM, image_id, self._worker_id, self._lease_seconds)
        return Claim(**row) if row else None

    async def note_source(self, claim: Claim, source: Source) -> Rendered | None:
        """Record what was downloaded; return what there is of it, if it has been decoded for a twin.

        From here on nobody removes files of this source: `Collector` takes the same lock.
        """
        async with self._database.transaction() as connection:
            await connection.execute(
                "SELECT pg_advisory_xact_lock_shared(hashtextextended($1, 0))", source.sha256
            )
            noted = await connection.fetch_row(
                NOTE_SOURCE, *fence(claim), source.sha256, source.bytes, source.format, self._lease_seconds
            )
            _must_be_ours(noted, claim)
            twin = await connection.fetch_row(TWIN, source.sha256)
        return made_of(twin) if twin else None

    async def finish(
        self, claim: Claim, rendered: Rendered, location: str, timings: Mapping[str, float]
    ) -> None:
        """Make the image ready and write `location` into its product, or raise StaleClaim."""
        row = await self._database.fetch_row(
            FINISH,
            *fence(claim),
            claim.product_id,
            rendered.width,
            rendered.height,
            [rendition.key for rendition in rendered.renditions],
            timings,
            rendered.renditions,
            location,
            rendered.facts or {},
        )
        _must_be_ours(row, claim)

    async def retry(self, claim: Claim, verdict: Retry) -> None:
        """Put the image back for another attempt, or raise StaleClaim."""
        await self._give_back(claim, verdict.delay_seconds, 0, verdict.code, verdict.message)

    async def release(self, claim: Claim, verdict: Release) -> None:
        """Put the image back as if this attempt had not been, or raise StaleClaim."""
        await self._give_back(claim, verdict.delay_seconds, 1, None, None)

    async def release_held(self) -> None:
        """Put everything back that this worker has in hand: it is leaving."""
        await self._database.fetch(RELEASE_ALL_BUT, self._worker_id, (), 0)

    async def release_forgotten(self, in_hand: Collection[int]) -> list[int]:
        """Put back what is ours by its row and not `in_hand`; return the ids.

        When the connection breaks in a claim, or while an image is given back, nobody knows whether
        the database has done it.
        """
        rows = await self._database.fetch(RELEASE_ALL_BUT, self._worker_id, list(in_hand), FORGOTTEN_SECONDS)
        return [row["image_id"] for row in rows]

    async def give_up(self, claim: Claim, verdict: GiveUp) -> None:
        """Fail the image, or raise StaleClaim."""
        row = await self._database.fetch_row(GIVE_UP, *fence(claim), verdict.code, verdict.message)
        _must_be_ours(row, claim)

    async def requeue(self, image_id: int) -> Row:
        """Give a failed image new attempts and return its row; raise NotFound or Conflict."""
        sql = f"{REQUEUE} AND image_id = $4 RETURNING image_id"
        moved = await self._database.fetch_row(sql, self._max_attempts, *origin(), image_id)
        row = await self.get(image_id)
        if moved is None:
            raise Conflict(f"Image {image_id} is {row['state']}; only a failed image can be retried.")
        return row

    async def requeue_failed(self, code: str | None = None, host: str | None = None) -> int:
        """Give failed images new attempts, those with this error code and from this host; return how many."""
        count = last_id = 0
        wanted = (self._max_attempts, *origin(), code, host)
        while rows := await self._database.fetch(REQUEUE_FAILED, *wanted, last_id, BATCH):
            count += len(rows)
            last_id = max(row["image_id"] for row in rows)  # one that fails again meanwhile is not for us
        return count

    async def _give_back(
        self, claim: Claim, delay_seconds: float, extra_attempts: int, code: str | None, message: str | None
    ) -> None:
        row = await self._database.fetch_row(
            GIVE_BACK, *fence(claim), delay_seconds, extra_attempts, code, message
        )
        _must_be_ours(row, claim)


def made_of(row: Row) -> Rendered:
    """Read what was made of a source."""
    facts = Facts(**row["facts"]) if row["facts"] else None
    made = tuple(Rendition(**one) for one in row["renditions"])
    return Rendered(row["width"], row["height"], made, facts)


def fence(claim: Claim) -> tuple[int, int]:
    """Return what guards every write of a claim."""
    return claim.image_id, claim.attempt


def _must_be_ours(row: Row | None, claim: Claim) -> None:
    if row is None:
        raise StaleClaim(f"Image {claim.image_id}, attempt {claim.attempt}, is no longer in our hands.")
