"""Webhooks for tests: rows of them, what is written for them, and a courier to the test supplier."""

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any, Final

from tests.fetching import HERE

from packshot.courier import Courier
from packshot.database import Database, Row
from packshot.outbox import Outbox
from packshot.posting import Poster, receivers_guard
from packshot.settings import Settings
from packshot.stores import Store
from packshot.web.messages import Writer
from packshot.webhooks import Webhooks

DAY_SECONDS: Final = 86_400
SECONDS: Final = 5  # for an attempt; a test that needs fewer says so


def any_url(_: str) -> None:
    """Allow a webhook to be anywhere; what the courier is allowed is another matter."""


def ignore(_: str) -> None:
    """Count nothing."""


def webhooks_of(database: Database) -> Webhooks:
    return Webhooks(database, any_url)


def guarded(seconds: float = SECONDS, **settings: object) -> Poster:
    """A poster for which the test supplier is allowed, unless the settings say otherwise."""
    options: dict[str, Any] = {"_env_file": None, "allow_webhooks": (HERE,), **settings}
    return Poster(receivers_guard(Settings(**options)), seconds)


@asynccontextmanager
async def a_courier(
    database: Database, store: Store, poster: Poster, count: Callable[[str], None] = ignore
) -> AsyncIterator[Courier]:
    """A courier that is not on its way yet."""
    async with poster:
        yield Courier(Outbox(database), poster.post, Writer(store).write, count)


async def told(database: Database) -> list[Row]:
    """What there is to tell, oldest first."""
    return list(await database.fetch("SELECT * FROM webhook_deliveries ORDER BY delivery_id"))


async def types_told(database: Database) -> list[str]:
    return [row["type"] for row in await told(database)]


async def put_out(database: Database, kind: str = "image.failed", **data: object) -> int:
    """Something to tell every webhook, without an image; return the last delivery's id."""
    facts: Mapping[str, object] = {
        "image_id": 7,
        "product_id": None,
        "position": None,
        "source_url": "https://shop.example/shoe.png",
        "state": "failed",
        "attempt": 1,
        "error_code": "source_gone",
        "error_message": "shop.example answers 404 (Not Found) instead of a picture.",
        "renditions": [],
        **data,
    }
    await database.execute("SELECT put_out($1, $2)", kind, facts)
    return int((await told(database))[-1]["delivery_id"])


async def move_times(database: Database, *columns: str, seconds: float) -> None:
    """Move times of all deliveries by that many seconds."""
    for column in columns:
        sql = f"UPDATE webhook_deliveries SET {column} = {column} + make_interval(secs => $1)"  # noqa: S608 - our own columns
        await database.execute(sql, seconds)
