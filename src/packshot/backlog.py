"""
The queries about work that waits: what is due for publishing, and what was lost on the way.

`WITH … AS MATERIALIZED (… FOR UPDATE SKIP LOCKED)` gives each row to one process. Written as
`IN (SELECT … LIMIT n FOR UPDATE)` the planner may run the subquery again and take more than n.
"""

from collections.abc import Collection
from typing import Final
from uuid import UUID

from packshot.database import Database, Row
from packshot.errors import WorkerLost
from packshot.lifecycle import MAX_LOSSES
from packshot.models import Hint

PUBLISH_DUE: Final = """
    WITH due AS MATERIALIZED (
        SELECT image_id FROM images
         WHERE state = 'pending' AND published_at IS NULL AND due_at <= now()
         ORDER BY due_at, image_id LIMIT $1 FOR UPDATE SKIP LOCKED
    )
    UPDATE images SET published_at = now()
      FROM due WHERE images.image_id = due.image_id
    RETURNING images.product_id, images.image_id"""

# Rows that somebody moves or edits at this moment are passed over: waiting for several of them, in
# an order of our own, is how deadlocks are made. What is passed over now is found the next time.
PUBLISH_OVERDUE: Final = """
    WITH overdue AS MATERIALIZED (
        SELECT image_id FROM images
         WHERE state = 'pending' AND published_at <= now() - make_interval(secs => $2)
         ORDER BY published_at LIMIT $1 FOR UPDATE SKIP LOCKED
    )
    UPDATE images SET published_at = now()
      FROM overdue WHERE images.image_id = overdue.image_id
    RETURNING images.product_id, images.image_id"""

# Two rounds of work for everybody: one that waits in front of the workers, one on its way to them.
WINDOW_LEFT: Final = """
    SELECT greatest($1, 4 * (SELECT coalesce(sum(slots), 0) FROM workers
                              WHERE last_seen > now() - make_interval(secs => $2)))
           - (SELECT count(*) FROM images WHERE state = 'pending' AND published_at IS NOT NULL) AS room"""

UNPUBLISH: Final = """
    WITH refused AS MATERIALIZED (
        SELECT image_id FROM images
         WHERE state = 'pending' AND image_id = ANY($1)
           FOR UPDATE SKIP LOCKED
    )
    UPDATE images SET published_at = NULL FROM refused WHERE images.image_id = refused.image_id"""

# A worker is gone when its neighbour says so, or when it has been silent for too long. The image
# comes back later with every loss: if it is what kills workers, others go first.
RESCUE: Final = """
    WITH gone AS MATERIALIZED (
        SELECT image_id, losses + 1 AS losses FROM images
         WHERE state = 'processing'
           AND (lease_until < now() OR worker_id = ANY($1) OR worker_id NOT IN (
                SELECT worker_id FROM workers WHERE last_seen > now() - make_interval(secs => $2)))
         ORDER BY product_id, image_id
           FOR UPDATE SKIP LOCKED
    )
    UPDATE images
       SET state = CASE WHEN gone.losses < $5 THEN 'pending' ELSE 'failed' END,
           losses = gone.losses, max_attempts = max_attempts + 1,
           error_code = CASE WHEN gone.losses < $5 THEN error_code ELSE $6 END,
           error_message = CASE WHEN gone.losses < $5 THEN error_message ELSE $3 END,
           due_at = now() + make_interval(secs => gone.losses * $4), published_at = NULL,
           worker_id = NULL, lease_until = NULL, updated_at = now()
      FROM gone WHERE images.image_id = gone.image_id
    RETURNING images.image_id"""

SUMMARY: Final = """
    SELECT (SELECT count(*) FROM products) AS products,
           (SELECT coalesce(json_object_agg(state, n), '{}')
              FROM (SELECT state, count(*) AS n FROM images GROUP BY state) AS states) AS images,
           (SELECT coalesce(json_object_agg(error_code, n), '{}')
              FROM (SELECT error_code, count(*) AS n FROM images WHERE state = 'failed' GROUP BY error_code)
                AS codes) AS failures,
           (SELECT coalesce(extract(epoch FROM now() - min(due_at))::float8, 0)
              FROM images WHERE state = 'pending' AND due_at <= now()) AS oldest_due_seconds,
           (SELECT coalesce(json_agg(w ORDER BY started_at), '[]')
              FROM workers w WHERE last_seen > now() - interval '30 seconds') AS workers"""

SMALLEST_WINDOW: Final = 32
SILENT_SECONDS: Final = 30  # a worker without a heartbeat for so long is gone
LOSS_DELAY_SECONDS: Final = 2
LOST: Final = "The worker that had this picture in hand vanished or took too long."


class Backlog:
    """Rows that are due, and rows whose worker or message is gone."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def publish_due(self, limit: int) -> list[Hint]:
        """Mark up to `limit` due images as published, the longest due first, and return their hints."""
        return [Hint(**row) for row in await self._database.fetch(PUBLISH_DUE, limit)]

    async def unpublish(self, hints: Collection[Hint]) -> None:
        """Take back the mark: the broker did not accept these."""
        await self._database.execute(UNPUBLISH, [hint.image_id for hint in hints])

    async def publish_overdue(self, limit: int, older_than_seconds: float) -> list[Hint]:
        """Mark up to `limit` images anew whose message is that old and may be lost; return their hints."""
        rows = await self._database.fetch(PUBLISH_OVERDUE, limit, older_than_seconds)
        return [Hint(**row) for row in rows]

    async def window_left(self) -> int:
        """Return how many more messages may be out: the backlog stays here, where it is safe and in order."""
        row = await self._database.fetch_row(WINDOW_LEFT, SMALLEST_WINDOW, SILENT_SECONDS)
        assert row is not None  # noqa: S101 - a row of aggregates
        return max(0, int(row["room"]))

    async def rescue(self, dead: Collection[UUID], silent_seconds: float) -> list[int]:
        """Take images back from workers that are `dead` or silent, and from leases that are over.

        No attempt is used up; the third loss makes the image `failed: worker_lost`.
        """
        rows = await self._database.fetch(
            RESCUE, dead, silent_seconds, LOST, LOSS_DELAY_SECONDS, MAX_LOSSES, WorkerLost.code
        )
        return [row["image_id"] for row in rows]

    async def summary(self) -> Row:
        """Return counts of products and of images by state, failures by code, and who works."""
        row = await self._database.fetch_row(SUMMARY)
        assert row is not None  # noqa: S101 - a row of aggregates
        return row
