"""
The figures that are true of the whole system, whichever process is asked for them; see `vitals`.

One query, cheap enough to be asked every few seconds however long the queue is.
"""

from typing import Final

from packshot.backlog import SILENT_SECONDS
from packshot.database import Database, Row

# Each count of images walks a partial index that holds nothing else, and so does the look for a message.
FIGURES: Final = """
    SELECT (SELECT count(*) FROM images
             WHERE state = 'pending' AND published_at IS NULL AND due_at <= now())
           + (SELECT count(*) FROM images WHERE state = 'pending' AND published_at IS NOT NULL) AS due,
           (SELECT count(*) FROM images
             WHERE state = 'pending' AND published_at IS NULL AND due_at > now()) AS later,
           (SELECT count(*) FROM images WHERE state = 'processing') AS processing,
           (SELECT count(*) FROM images WHERE state = 'failed') AS failed,
           (SELECT coalesce(extract(epoch FROM now() - least(
                (SELECT min(due_at) FROM images
                  WHERE state = 'pending' AND published_at IS NULL AND due_at <= now()),
                (SELECT min(due_at) FROM images
                  WHERE state = 'pending' AND published_at IS NOT NULL)))::float8, 0)) AS oldest_due_seconds,
           (SELECT count(*) FROM workers
             WHERE slots > 0 AND last_seen > now() - make_interval(secs => $1)) AS workers,
           (SELECT coalesce(extract(epoch FROM now() - min(due_at))::float8, 0)
              FROM webhooks w CROSS JOIN LATERAL (
                   SELECT due_at FROM webhook_deliveries
                    WHERE webhook_id = w.webhook_id AND state = 'pending' AND due_at <= now()
                    ORDER BY due_at LIMIT 1) AS first
             WHERE disabled_at IS NULL) AS oldest_message_seconds,
           (SELECT CASE WHEN count(*) = 0 THEN 'Infinity'
                        ELSE greatest(0, max(extract(epoch FROM coalesce(expires_at, 'infinity'))::float8
                                             - extract(epoch FROM now())::float8)
                                         FILTER (WHERE revoked_at IS NULL)) END
              FROM access_keys WHERE scope = 'admin') AS admin_key_seconds"""


class Census:
    """Counts what there is."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def figures(self) -> Row:
        """Return images that are not ready, by state, how long the first in line waits, and who works.

        Likewise how long the first message of a webhook waits, and for how long a key of scope admin works
        yet: for ever if one has no end, or if there never was one.
        """
        row = await self._database.fetch_row(FIGURES, SILENT_SECONDS)
        assert row is not None  # noqa: S101 - a row of aggregates
        return row
