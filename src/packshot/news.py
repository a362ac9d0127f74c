"""
Tells everybody who listens what changed, a second later at most.

One question to the database per second serves all listeners of a process, and none is asked while nobody
listens. It reads the log that `ledger.py` keeps, which every process writes; so it does not matter who
changed something, or which process a listener came back to. A position is a place in that log: who names one
hears what followed it. After some minutes, and when too much followed, that is only `many`: look again.

Nothing is sent to the database in the way of a change, so nobody is slower for being watched.
"""

import asyncio
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from math import inf
from time import monotonic
from typing import Any, Final

from packshot.database import Database, Row
from packshot.errors import ServiceUnavailable
from packshot.ledger import LOG_SECONDS, POSITION
from packshot.lifeline import Lifeline
from packshot.models import LARGEST_BIGINT
from packshot.overview import Overview
from packshot.products import STATE

POLL_SECONDS: Final = 1
TOTALS_SECONDS: Final = 10  # while nothing changes: time passes, and they tell the age of things
MOST_PRODUCTS: Final = 100
MOST_LISTENERS: Final = 500
MOST_UNHEARD: Final = 50  # events that one listener lets lie before it is let go
MEMORY_SECONDS: Final = LOG_SECONDS - 30  # a change may be that much older than its commit
PLACE: Final = re.compile(
    r"([0-9]{1,12})-([0-9]{1,19}):([0-9]{1,19}):((?:[0-9]{1,19}(?:,[0-9]{1,19}){0,99})?)"
)

SINCE: Final = f"""
    WITH fresh AS MATERIALIZED (
        SELECT DISTINCT product_id FROM changes
         WHERE xid >= pg_snapshot_xmin($1::text::pg_snapshot)
           AND NOT pg_visible_in_snapshot(xid, $1::text::pg_snapshot)
         LIMIT $2
    )
    SELECT {POSITION} AS position,
           pg_snapshot_xmax($1::text::pg_snapshot) <= pg_snapshot_xmax(pg_current_snapshot())
           AND to_timestamp($3::bigint) >= now() - make_interval(secs => $4) AS is_remembered,
           (SELECT count(*) FROM fresh) AS changed,
           (SELECT coalesce(json_agg(f), '[]') FROM (
                SELECT product_id, CASE WHEN p.product_id IS NULL THEN 'deleted' ELSE ({STATE}) END AS state
                  FROM fresh LEFT JOIN products p USING (product_id)
                 WHERE fresh.product_id IS NOT NULL) AS f) AS products"""  # noqa: S608 - put together from constants

NOW: Final = f"SELECT {POSITION} AS position"


MANY: Final = {"kind": "many"}


@dataclass(frozen=True, slots=True)
class Found:
    """What happened up to `position`."""

    position: str
    events: Sequence[Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Event:
    """What a listener hears: `position` is where it goes on from here."""

    position: str
    data: Mapping[str, Any]


class Listener:
    """What one listener has not heard yet."""

    def __init__(self) -> None:
        self._unheard: asyncio.Queue[Event | None] = asyncio.Queue()
        self.has_ended = False

    def tell(self, event: Event) -> None:
        """Add what there is to hear; who lets too much lie hears no more."""
        if self._unheard.qsize() >= MOST_UNHEARD:
            self.end()
        elif not self.has_ended:
            self._unheard.put_nowait(event)

    def end(self) -> None:
        """Add the end, once."""
        if not self.has_ended:
            self.has_ended = True
            self._unheard.put_nowait(None)

    async def hear(self) -> Event | None:
        """Wait for the next event; None is the end."""
        return await self._unheard.get()


class News:
    """Everybody who listens to this process."""

    def __init__(self, database: Database, overview: Overview) -> None:
        self._database = database
        self._overview = overview
        self.listeners: set[Listener] = set()
        self._somebody_listens = asyncio.Event()
        self._is_over = False
        self._position = ""
        self._totals_at = -inf

    @contextmanager
    def listening(self) -> Iterator[Listener]:
        """Hear what happens from now on; raise ServiceUnavailable if too many do."""
        if len(self.listeners) >= MOST_LISTENERS:
            raise ServiceUnavailable(f"{MOST_LISTENERS} listeners are all that one process takes.")
        listener = Listener()
        self._take_in(listener)
        try:
            yield listener
        finally:
            self._let_go(listener)

    def close(self) -> None:
        """Let everybody go, and nobody come: a stream that stays open would keep the server from stopping."""
        self._is_over = True
        for listener in self.listeners:
            listener.end()

    async def run(self, lifeline: Lifeline) -> None:
        """Look for news while somebody listens, until cancelled, whatever happens to the database."""
        while True:
            await self._somebody_listens.wait()
            async with lifeline.surviving("news"):
                await self.look()
            await asyncio.sleep(POLL_SECONDS)

    async def begin(self) -> None:
        """Remember where things are, if nobody has listened before: what changes from now on is heard."""
        if not self._position:
            position = await self._now()
            self._position = self._position or position

    async def look(self) -> None:
        """Tell everybody what changed since the last look, and then, or now and then, the totals."""
        await self.begin()
        found = await self.since(self._position)
        self._position = found.position
        for data in found.events:
            self._tell(data)
        now = monotonic()
        if found.events or now - self._totals_at >= TOTALS_SECONDS:
            self._totals_at = now
            self._tell({"kind": "totals", **asdict(await self._overview.totals())})

    async def since(self, position: str) -> Found:
        """Look up what changed after `position`; that is `many` if it is not known any more."""
        place = read_position(position)
        if place is None:
            return Found(await self._now(), [MANY])
        seconds, snapshot = place
        row = await self._database.fetch_row(SINCE, snapshot, MOST_PRODUCTS + 1, seconds, MEMORY_SECONDS)
        assert row is not None  # noqa: S101 - a row of aggregates
        return Found(row["position"], _events(row))

    def _take_in(self, listener: Listener) -> None:
        self.listeners.add(listener)
        self._somebody_listens.set()
        self._totals_at = -inf  # it wants to know them
        if self._is_over:
            listener.end()

    def _let_go(self, listener: Listener) -> None:
        self.listeners.discard(listener)
        if not self.listeners:
            self._somebody_listens.clear()
            self._position = ""

    async def _now(self) -> str:
        row = await self._database.fetch_row(NOW)
        assert row is not None  # noqa: S101 - a row of functions
        return str(row["position"])

    def _tell(self, data: Mapping[str, Any]) -> None:
        # Of this look, even if the totals are younger: what came between is told by the next look.
        for listener in self.listeners:
            listener.tell(Event(self._position, data))


def read_position(text: str) -> tuple[int, str] | None:
    """Take a position apart, into a time and a snapshot; None if it is not one that PostgreSQL would read."""
    match = PLACE.fullmatch(text)
    if match is None:
        return None
    seconds, oldest, next_one, running = match.groups()
    numbers = [int(oldest), *map(int, filter(None, running.split(","))), int(next_one)]
    if numbers != sorted(numbers) or not 0 < numbers[0] <= numbers[-1] <= LARGEST_BIGINT:
        return None
    return int(seconds), f"{oldest}:{next_one}:{running}"


def _events(row: Row) -> list[Mapping[str, Any]]:
    if not row["is_remembered"] or row["changed"] > MOST_PRODUCTS:
        return [MANY]
    products = [{"kind": "product", **product} for product in row["products"]]
    stands_alone = row["changed"] > len(products)
    return [*products, *[{"kind": "image"}] * stands_alone]
