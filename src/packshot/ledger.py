"""
Counts that are at hand at any time, kept from a log of changes.

Counting half a million images takes too long for a page, and every process writes them. So triggers
(`schema/0008_overview.sql`) write each change into a log, whichever release made it, and here the log is
added up: now and then in the background, and once a second while somebody looks. The snapshot that a sum was
taken in is remembered with it, so each change is counted once, however long its transaction took.

The rows of images and products remain the truth; `tallied.seen = NULL` has everything counted anew.
"""

import asyncio
from typing import Final

from packshot.database import Database
from packshot.lifeline import Lifeline

FRESH_SECONDS: Final = 1  # how old what people look at may be
KEEP_SECONDS: Final = 10  # how long the log grows while nobody looks
LOG_SECONDS: Final = 300  # how long a reader may be away and still be told what it missed
RECOUNT_SECONDS: Final = 3600

# A place in the log, for who reads it: what this snapshot does not show comes after it. The time tells
# whether the log still has all of that.
POSITION: Final = "extract(epoch FROM now())::bigint || '-' || pg_current_snapshot()"

# A snapshot or a change from the future is from another server, whose dump this database was made of.
FROM_ELSEWHERE: Final = "xid >= pg_snapshot_xmax(pg_current_snapshot())"

# Who does not get the row leaves the work to who has it.
TAKE: Final = f"""
    SELECT CASE WHEN pg_snapshot_xmax(seen) <= pg_snapshot_xmax(pg_current_snapshot())
                 AND NOT EXISTS (SELECT FROM changes WHERE {FROM_ELSEWHERE})
                THEN seen::text END AS seen
      FROM tallied
     WHERE seen IS NULL OR counted_at <= now() - make_interval(secs => $1)
       FOR UPDATE SKIP LOCKED"""  # noqa: S608 - put together from constants

ADD_UP: Final = """
    WITH fresh AS MATERIALIZED (
        SELECT subject, sign * amount AS amount, at,
               CASE subject WHEN 'failed' THEN error_code END AS error_code,
               CASE subject WHEN 'failed' THEN host END AS host,
               CASE WHEN sign > 0 THEN source_bytes END AS source_bytes,
               CASE WHEN sign > 0 THEN rendition_bytes END AS rendition_bytes
          FROM changes, LATERAL (VALUES (entered, 1), (left_state, -1)) AS sides (subject, sign)
         WHERE subject IS NOT NULL
           AND xid >= pg_snapshot_xmin($1::text::pg_snapshot)
           AND NOT pg_visible_in_snapshot(xid, $1::text::pg_snapshot)
    ), added AS (
        INSERT INTO tallies AS t
        SELECT subject, coalesce(error_code, ''), coalesce(host, ''), sum(amount),
               coalesce(sum(source_bytes), 0), coalesce(sum(rendition_bytes), 0),
               max(at) FILTER (WHERE amount > 0)
          FROM fresh GROUP BY 1, 2, 3
        ON CONFLICT (subject, error_code, host) DO UPDATE
           SET amount = t.amount + excluded.amount,
               source_bytes = t.source_bytes + excluded.source_bytes,
               rendition_bytes = t.rendition_bytes + excluded.rendition_bytes,
               last_at = greatest(t.last_at, excluded.last_at)
    ), timed AS (
        INSERT INTO ready_minutes AS m
        SELECT date_trunc('minute', at), sum(amount) FROM fresh
         WHERE subject = 'ready' AND amount > 0 GROUP BY 1
        ON CONFLICT (minute) DO UPDATE SET images = m.images + excluded.images
    )
    UPDATE tallied SET seen = pg_current_snapshot(), counted_at = now()"""

# What no snapshot shows would be added up each time, and never be forgotten.
FORGET_ALL: Final = f"""
    SET LOCAL statement_timeout = 0;
    DELETE FROM changes WHERE {FROM_ELSEWHERE};
    DELETE FROM tallies;
    DELETE FROM ready_minutes"""  # noqa: S608 - put together from constants

COUNT_ALL: Final = """
    WITH counted AS (
        INSERT INTO tallies
        SELECT 'products', '', '', count(*), 0, 0, NULL::timestamptz
          FROM products HAVING count(*) > 0
         UNION ALL
        SELECT state, CASE state WHEN 'failed' THEN error_code ELSE '' END,
               CASE state WHEN 'failed' THEN source_host(source_url) ELSE '' END,
               count(*), coalesce(sum(source_bytes) FILTER (WHERE state = 'ready'), 0),
               coalesce(sum(bytes), 0), max(i.updated_at)
          FROM images i LEFT JOIN renditions r ON state = 'ready' AND r.key = i.rendition_keys[1]
         GROUP BY 1, 2, 3
    ), timed AS (
        INSERT INTO ready_minutes
        SELECT date_trunc('minute', updated_at), count(*) FROM images
         WHERE state = 'ready' AND updated_at > now() - interval '1 hour' GROUP BY 1
    )
    UPDATE tallied SET seen = pg_current_snapshot(), counted_at = now()"""

# What the tallies do not hold yet stays, however old it is.
PRUNE: Final = """
    DELETE FROM changes USING tallied
     WHERE at < now() - make_interval(secs => $1) AND pg_visible_in_snapshot(xid, seen)"""

TIDY: Final = """
    DELETE FROM tallies WHERE amount = 0;
    DELETE FROM ready_minutes WHERE minute < now() - interval '2 hours'"""


class Ledger:
    """Adds up what changed."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add_up(self, older_than_seconds: float = FRESH_SECONDS) -> None:
        """Bring the tallies up to date, unless they are, or another process is about to."""
        async with self._database.transaction() as connection:
            taken = await connection.fetch_row(TAKE, older_than_seconds)
            if taken and taken["seen"]:
                await connection.execute(ADD_UP, taken["seen"])
                await connection.execute(TIDY)

    async def count_all(self) -> None:
        """Count everything, if that has never been done here; it takes seconds for a million images."""
        async with self._database.transaction(RECOUNT_SECONDS) as connection:
            taken = await connection.fetch_row(TAKE, 0)
            if taken and taken["seen"] is None:
                await connection.execute(FORGET_ALL)
                await connection.execute(COUNT_ALL)

    async def prune(self) -> None:
        """Forget changes that have been added up and that no reader is likely to ask for."""
        await self._database.execute(PRUNE, LOG_SECONDS)

    async def keep(self) -> None:
        """Keep the log short and the tallies not far behind it."""
        await self.count_all()
        await self.add_up(KEEP_SECONDS)
        await self.prune()

    async def run(self, lifeline: Lifeline) -> None:
        """Keep until cancelled, whatever happens to the database."""
        while True:
            async with lifeline.surviving("counting"):
                await self.keep()
            await asyncio.sleep(KEEP_SECONDS)
