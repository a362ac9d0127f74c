"""
The queries about deliveries: what is to be told to whom, how far that is, and what came back.

A delivery is leased by its `due_at`, and every write names the attempt: who was killed in between is
followed by another one a minute later, and who comes too late writes nothing. So a receiver hears of
each event at least once, in no promised order.
"""

import logging
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from packshot.database import Database, Row
from packshot.errors import NotFound
from packshot.patience import DAY_SECONDS, Delivered, Failed, Later, Receipt

log = logging.getLogger(__name__)

LEASE_SECONDS: Final = 60  # much longer than an attempt can take
KEPT_SECONDS: Final = 7 * DAY_SECONDS
BATCH: Final = 1_000  # rows that one statement moves

TAKE: Final = """
    WITH due AS MATERIALIZED (
        SELECT d.delivery_id, w.url, w.enabled_at,
               array_remove(ARRAY[w.secret, CASE WHEN w.old_secret_until > now() THEN w.old_secret END], NULL)
               AS secrets
          FROM webhooks w CROSS JOIN LATERAL (
               SELECT delivery_id FROM webhook_deliveries
                WHERE webhook_id = w.webhook_id AND state = 'pending' AND due_at <= now()
                ORDER BY due_at LIMIT $2 FOR UPDATE SKIP LOCKED) d
         WHERE w.disabled_at IS NULL AND NOT w.webhook_id = ANY($1)
    )
    UPDATE webhook_deliveries d SET attempt = attempt + 1, due_at = now() + make_interval(secs => $3)
      FROM due WHERE d.delivery_id = due.delivery_id
    RETURNING d.delivery_id, d.webhook_id, d.attempt, d.event_id, d.type, d.data, d.created_at,
              due.url, due.secrets,
              extract(epoch FROM now() - greatest(d.queued_at, due.enabled_at))::float8 AS age_seconds"""

GONE: Final = "The receiver answered 410: it wants no more messages."
DEAF: Final = "Nothing got through for a day."

# A webhook's failures begin with the first one after a success: as late after the event as an attempt takes.
REASON: Final = f"""
    CASE WHEN $8 THEN '{GONE}'
         WHEN $6::text IS NOT NULL
              AND failing_since <= now() - make_interval(secs => {DAY_SECONDS - LEASE_SECONDS})
         THEN '{DEAF}' END"""

RECORD: Final = f"""
    WITH recorded AS (
        UPDATE webhook_deliveries
           SET state = $3, due_at = now() + make_interval(secs => $4),
               ended_at = CASE WHEN $3 = 'pending' THEN NULL ELSE now() END,
               last_status = $5, last_error = $6, last_milliseconds = $7
         WHERE delivery_id = $1 AND attempt = $2 AND state = 'pending'
        RETURNING webhook_id
    )
    UPDATE webhooks w
       SET failing_since = CASE WHEN $6::text IS NOT NULL THEN coalesce(failing_since, now()) END,
           disabled_at = CASE WHEN {REASON} IS NOT NULL THEN now() END, disabled_reason = {REASON}
      FROM recorded
     WHERE w.webhook_id = recorded.webhook_id AND w.disabled_at IS NULL
       AND ((failing_since IS NULL) <> ($6::text IS NULL) OR {REASON} IS NOT NULL)
    RETURNING w.webhook_id, w.disabled_reason"""  # noqa: S608 - put together from constants

REMOVE_OLD: Final = """
    DELETE FROM webhook_deliveries WHERE delivery_id = ANY(ARRAY(
        SELECT delivery_id FROM webhook_deliveries
         WHERE queued_at < now() - make_interval(secs => $1) ORDER BY queued_at LIMIT $2
           FOR UPDATE SKIP LOCKED))
    RETURNING delivery_id"""

LOG: Final = """
    SELECT * FROM webhook_deliveries
     WHERE ($1::int IS NULL OR webhook_id = $1) AND ($2::text IS NULL OR state = $2)
       AND ($3::bigint IS NULL OR delivery_id < $3)
     ORDER BY delivery_id DESC LIMIT $4"""

# It keeps its event_id, by which a receiver knows what it has seen; the attempt, our fence, only goes up.
REPLAY: Final = """
    UPDATE webhook_deliveries
       SET state = 'pending', due_at = now(), queued_at = now(), ended_at = NULL"""

REPLAY_FAILED: Final = f"""
    WITH failed AS MATERIALIZED (
        SELECT delivery_id FROM webhook_deliveries
         WHERE state = 'failed' AND created_at >= $1 AND ($2::int IS NULL OR webhook_id = $2)
           AND delivery_id > $3
         ORDER BY delivery_id LIMIT $4 FOR UPDATE
    )
    {REPLAY} WHERE delivery_id IN (SELECT delivery_id FROM failed)
    RETURNING delivery_id"""  # noqa: S608 - put together from constants


@dataclass(frozen=True, slots=True)
class Letter:
    """One attempt at one delivery; (delivery_id, attempt) is the fence."""

    delivery_id: int
    webhook_id: int
    attempt: int
    event_id: UUID
    type: str
    data: dict[str, Any]
    created_at: datetime
    url: str
    secrets: Sequence[str]
    age_seconds: float


class Outbox:
    """The rows of deliveries."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def take(self, but: Collection[int], per_webhook: int) -> list[Letter]:
        """Lease what is due, up to `per_webhook` for each webhook that is enabled and not in `but`."""
        rows = await self._database.fetch(TAKE, list(but), per_webhook, LEASE_SECONDS)
        return [Letter(**row) for row in rows]

    async def record(self, letter: Letter, verdict: Delivered | Later | Failed, receipt: Receipt) -> None:
        """Write what came of an attempt, on the delivery and on the webhook; too late writes nothing.

        The webhook is disabled if its receiver says that it is gone, or after a day without a success.
        """
        state = {Delivered: "delivered", Later: "pending", Failed: "failed"}[type(verdict)]
        delay = verdict.delay_seconds if isinstance(verdict, Later) else 0
        is_gone = isinstance(verdict, Failed) and verdict.is_gone
        result = (receipt.status, receipt.error, receipt.milliseconds)
        changed = await self._database.fetch_row(
            RECORD, letter.delivery_id, letter.attempt, state, delay, *result, is_gone
        )
        if changed and changed["disabled_reason"]:
            log.warning("webhook disabled", extra={**changed})

    async def remove_old(self) -> int:
        """Remove deliveries of last week, a batch at a time; return how many went."""
        return len(await self._database.fetch(REMOVE_OLD, KEPT_SECONDS, BATCH))

    async def log(
        self,
        webhook_id: int | None = None,
        state: str | None = None,
        before: int | None = None,
        limit: int = 50,
    ) -> Sequence[Row]:
        """Return deliveries, newest first, of one webhook or of all."""
        return await self._database.fetch(LOG, webhook_id, state, before, limit)

    async def replay(self, delivery_id: int, webhook_id: int | None = None) -> Row:
        """Send a delivery once more and return its row; raise NotFound."""
        sql = f"{REPLAY} WHERE delivery_id = $1 AND ($2::int IS NULL OR webhook_id = $2) RETURNING *"
        row = await self._database.fetch_row(sql, delivery_id, webhook_id)
        if row is None:
            raise NotFound(f"There is no delivery {delivery_id}.")
        return row

    async def replay_failed(self, since: datetime, webhook_id: int | None = None) -> int:
        """Send once more what has failed of the events `since` then; return how many."""
        count = last_id = 0
        while rows := await self._database.fetch(REPLAY_FAILED, since, webhook_id, last_id, BATCH):
            count += len(rows)
            last_id = max(row["delivery_id"] for row in rows)
        return count
