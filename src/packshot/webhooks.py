"""
The queries about webhooks: who wants to be told of what, at which URL, and with which secret.

What there is to tell is written by the database itself, in the transaction of the change: see
schema/0006_webhooks.sql. Rows of deliveries are in `outbox.py`.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from packshot.database import Database, Row
from packshot.errors import InvalidInput, NotFound, UrlInvalid
from packshot.signing import new_secret

EVENTS: Final = ("image.ready", "image.failed", "product.completed")

ADD: Final = "INSERT INTO webhooks (url, secret, events) VALUES ($1, $2, $3) RETURNING *"

# Enabled once more, a webhook has another day; what waited meanwhile goes out.
CHANGE: Final = """
    UPDATE webhooks
       SET url = coalesce($2, url), events = coalesce($3, events),
           enabled_at = CASE WHEN $4 AND disabled_at IS NOT NULL THEN now() ELSE enabled_at END,
           failing_since = CASE WHEN $4 THEN NULL ELSE failing_since END,
           disabled_at = CASE $4 WHEN true THEN NULL WHEN false THEN coalesce(disabled_at, now())
                                 ELSE disabled_at END,
           disabled_reason = CASE $4 WHEN true THEN NULL
                                     WHEN false THEN coalesce(disabled_reason, 'A person disabled it.')
                                     ELSE disabled_reason END
     WHERE webhook_id = $1 RETURNING *"""

ROTATE: Final = """
    UPDATE webhooks SET old_secret = secret, old_secret_until = now() + interval '1 day', secret = $2
     WHERE webhook_id = $1 RETURNING *"""


REMOVE_DELIVERIES: Final = """
    DELETE FROM webhook_deliveries WHERE delivery_id = ANY(ARRAY(
        SELECT delivery_id FROM webhook_deliveries WHERE webhook_id = $1 LIMIT $2 FOR UPDATE))
    RETURNING delivery_id"""

BATCH: Final = 5_000  # what one statement deletes in its time


class Webhooks:
    """The rows of webhooks. `check` raises UrlInvalid for a URL that nothing may be sent to."""

    def __init__(self, database: Database, check: Callable[[str], object]) -> None:
        self._database = database
        self._check = check

    async def add(self, url: str, events: Sequence[str] = EVENTS) -> Row:
        """Store a webhook with a new secret and return its row; raise InvalidInput for the URL."""
        self._must_be_allowed(url)
        row = await self._database.fetch_row(ADD, url, new_secret(), list(events))
        assert row is not None  # noqa: S101 - RETURNING always returns
        return row

    async def get(self, webhook_id: int) -> Row:
        """Return the row; raise NotFound."""
        sql = "SELECT * FROM webhooks WHERE webhook_id = $1"
        return _found(await self._database.fetch_row(sql, webhook_id), webhook_id)

    async def all(self) -> list[Row]:
        """Return every webhook, oldest first."""
        return list(await self._database.fetch("SELECT * FROM webhooks ORDER BY webhook_id"))

    async def change(self, webhook_id: int, changes: Mapping[str, Any]) -> Row:
        """Change `url`, `events` or `enabled`, and return the row; raise NotFound or InvalidInput."""
        if "url" in changes:
            self._must_be_allowed(changes["url"])
        wanted = (changes.get("url"), changes.get("events"), changes.get("enabled"))
        return _found(await self._database.fetch_row(CHANGE, webhook_id, *wanted), webhook_id)

    async def rotate(self, webhook_id: int) -> Row:
        """Give it a new secret and return the row; for a day messages are signed with the old one, too."""
        row = await self._database.fetch_row(ROTATE, webhook_id, new_secret())
        return _found(row, webhook_id)

    async def remove(self, webhook_id: int) -> None:
        """Delete it with all its deliveries, which may be a million; raise NotFound."""
        while await self._database.fetch(REMOVE_DELIVERIES, webhook_id, BATCH):
            pass
        sql = "DELETE FROM webhooks WHERE webhook_id = $1 RETURNING webhook_id"
        _found(await self._database.fetch_row(sql, webhook_id), webhook_id)

    def _must_be_allowed(self, url: str) -> None:
        try:
            self._check(url)
        except UrlInvalid as error:
            raise InvalidInput("url", str(error)) from error


def _found(row: Row | None, webhook_id: int) -> Row:
    if row is None:
        raise NotFound(f"There is no webhook {webhook_id}.")
    return row
