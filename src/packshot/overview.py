"""
What a person looks at to see how things stand: totals, failures by code and host, the system.

The numbers come from the tallies (`ledger.py`), so they cost the same however many images there are, and are
at most a second old while somebody looks. Nothing here changes an image.
"""

import re
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from packshot.database import Database, Row
from packshot.ledger import POSITION, Ledger
from packshot.lifecycle import ImageState
from packshot.models import LARGEST_BIGINT
from packshot.redaction import MASK, Redaction
from packshot.settings import PREFIX, Settings, secrets_in

MINUTES: Final = 60  # the newest of them is not over yet
MOST_GROUPS: Final = 200
BATCH: Final = 1_000

TOTALS: Final = f"""
    SELECT {POSITION} AS position,
           CASE WHEN seen IS NOT NULL THEN counted_at END AS counted_at,
           (SELECT coalesce(json_object_agg(subject, amount), '{{}}')
              FROM (SELECT subject, sum(amount) AS amount FROM tallies GROUP BY subject) AS s) AS amounts,
           (SELECT coalesce(sum(source_bytes), 0)::bigint FROM tallies) AS source_bytes,
           (SELECT coalesce(sum(rendition_bytes), 0)::bigint FROM tallies) AS rendition_bytes,
           ARRAY(SELECT coalesce(images, 0)
                   FROM generate_series(date_trunc('minute', now()) - make_interval(mins => $1 - 1),
                                        date_trunc('minute', now()), interval '1 minute') AS g(minute)
                   LEFT JOIN ready_minutes USING (minute) ORDER BY minute) AS ready_per_minute,
           extract(epoch FROM now() - least(
               (SELECT min(due_at) FROM images
                 WHERE state = 'pending' AND published_at IS NULL AND due_at <= now()),
               (SELECT min(due_at) FROM images
                 WHERE state = 'pending' AND published_at IS NOT NULL AND due_at <= now())
           ))::float8 AS oldest_due_seconds
      FROM tallied"""  # noqa: S608 - put together from constants

FAILURES: Final = """
    SELECT t.error_code AS code, t.host, t.amount AS images, t.last_at,
           (SELECT error_message FROM images i
             WHERE i.state = 'failed' AND i.error_code = t.error_code AND source_host(i.source_url) = t.host
             ORDER BY i.image_id DESC LIMIT 1) AS message
      FROM tallies t
     WHERE subject = 'failed' AND amount > 0
     ORDER BY amount DESC, code, host LIMIT $1"""

FAILED_IMAGES: Final = """
    SELECT i.image_id, i.product_id, p.product_name, i.position, i.source_url, i.error_code, i.error_message,
           i.updated_at AS failed_at
      FROM images i LEFT JOIN products p USING (product_id)
     WHERE i.state = 'failed' AND i.image_id < $1"""
OF_CODE: Final = "AND i.error_code = ${}"
OF_HOST: Final = "AND source_host(i.source_url) = ${}"

SYSTEM: Final = """
    SELECT current_setting('server_version') AS server_version,
           pg_database_size(current_database()) AS database_bytes,
           (SELECT json_agg(name ORDER BY version) FROM schema_migrations) AS migrations,
           (SELECT coalesce(json_agg(w ORDER BY w.started_at), '[]')
              FROM (SELECT *, extract(epoch FROM now() - started_at)::float8 AS age_seconds,
                           extract(epoch FROM now() - last_seen)::float8 AS silent_seconds
                      FROM workers) AS w) AS workers"""

SECRET: Final = re.compile(r".*(key|secret|password|token|headers|credential).*")


@dataclass(frozen=True, slots=True)
class Totals:
    """How things stand. `counted_at` is None while everything is being counted for the first time.

    `position` is what `GET /events?since=` takes: everything that happens after this was read follows there.
    `ready_per_minute` ends with the minute that is not over yet. The bytes are those of all ready images: of
    what was downloaded, and of the main rendition of each.
    """

    position: str
    counted_at: datetime | None
    products: int
    images: dict[str, int]
    ready_per_minute: list[int]
    source_bytes: int
    rendition_bytes: int
    oldest_due_seconds: float


@dataclass(frozen=True, slots=True)
class FailureGroup:
    """Images that failed with the same code on the same host. The message is the newest image's."""

    code: str
    host: str
    images: int
    message: str
    last_at: datetime


@dataclass(frozen=True, slots=True)
class FailedImage:
    """A failed image; product, name and position are None for one that stands alone."""

    image_id: int
    product_id: int | None
    product_name: str | None
    position: int | None
    source_url: str
    error_code: str
    error_message: str
    failed_at: datetime


@dataclass(frozen=True, slots=True)
class System:
    """The database, who works on it (rows of workers, with `age_seconds` and `silent_seconds`), the settings.

    The settings are those of this process, by the names they have in the environment, without secrets.
    """

    server_version: str
    database_bytes: int
    migrations: list[str]
    workers: list[Row]
    settings: dict[str, str]


class Overview:
    """Answers what a person wants to know of everything together."""

    def __init__(self, database: Database, ledger: Ledger, settings: Settings) -> None:
        self._database = database
        self._ledger = ledger
        self._settings = settings

    async def totals(self) -> Totals:
        """Count products, images by state, bytes, and what became ready in each of the last minutes."""
        await self._ledger.add_up()
        row = await self._row(TOTALS, MINUTES)
        amounts = row["amounts"]
        return Totals(
            position=row["position"],
            counted_at=row["counted_at"],
            products=amounts.get("products", 0),
            images={state: amounts.get(state, 0) for state in ImageState},
            ready_per_minute=row["ready_per_minute"],
            source_bytes=row["source_bytes"],
            rendition_bytes=row["rendition_bytes"],
            oldest_due_seconds=row["oldest_due_seconds"] or 0,
        )

    async def failures(self, limit: int = MOST_GROUPS) -> list[FailureGroup]:
        """Group the failed images by code and host, the largest groups first."""
        await self._ledger.add_up()
        return [FailureGroup(**row) for row in await self._database.fetch(FAILURES, limit)]

    async def failed_images(
        self, code: str | None = None, host: str | None = None, *, before: int | None = None, limit: int
    ) -> list[FailedImage]:
        """Return up to `limit` failed images, newest first; `before` is the last image_id already seen."""
        wanted = {OF_CODE: code, OF_HOST: host}
        conditions = {sql: value for sql, value in wanted.items() if value is not None}
        where = " ".join(sql.format(number) for number, sql in enumerate(conditions, 3))
        sql = f"{FAILED_IMAGES} {where} ORDER BY i.image_id DESC LIMIT $2"
        rows = await self._database.fetch(sql, before or LARGEST_BIGINT, limit, *conditions.values())
        return [FailedImage(**row) for row in rows]

    async def every_failed_image(
        self, code: str | None = None, host: str | None = None
    ) -> AsyncIterator[Sequence[FailedImage]]:
        """Yield all failed images in batches, newest first."""
        before = None
        while batch := await self.failed_images(code, host, before=before, limit=BATCH):
            yield batch
            before = batch[-1].image_id

    async def system(self) -> System:
        """Describe the database, the workers and the settings."""
        return System(**await self._row(SYSTEM), settings=in_force(self._settings))

    async def _row(self, sql: str, *arguments: object) -> Row:
        row = await self._database.fetch_row(sql, *arguments)
        assert row is not None  # noqa: S101 - a row of aggregates
        return row


def in_force(settings: Settings) -> dict[str, str]:
    """Write the settings as they are read from the environment, without what must stay secret."""
    redaction = Redaction(secrets_in(settings))
    shown = settings.model_dump(mode="json")
    return {PREFIX + name.upper(): _without_secrets(redaction, name, value) for name, value in shown.items()}


def _without_secrets(redaction: Redaction, name: str, value: object) -> str:
    if value in (None, "", []):
        return ""
    if SECRET.fullmatch(name):
        return MASK
    parts = value if isinstance(value, list) else [value]
    return ",".join(redaction.text("=".join(map(str, p)) if isinstance(p, list) else str(p)) for p in parts)
