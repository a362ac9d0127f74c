"""
The books: every move of every image, written by a trigger of the chaos database.

They are read past the cable, so that they are there while Packshot's own connections are not. What they
must say in the end is in `verdict`.
"""

import asyncio
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any, Final

import asyncpg

AUDIT: Final = """
    CREATE TABLE audit (
        image_id   bigint NOT NULL,
        attempt    int NOT NULL,
        old_state  text NOT NULL,
        new_state  text NOT NULL,
        worker_id  uuid,
        at         timestamptz NOT NULL DEFAULT clock_timestamp()
    );
    CREATE INDEX ON audit (image_id);
    CREATE FUNCTION audit_move() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        INSERT INTO audit (image_id, attempt, old_state, new_state, worker_id)
        VALUES (NEW.image_id, NEW.attempt, OLD.state, NEW.state, coalesce(NEW.worker_id, OLD.worker_id));
        RETURN NULL;
    END $$;
    CREATE TRIGGER audit_move AFTER UPDATE ON images
       FOR EACH ROW WHEN (OLD.state <> NEW.state OR NEW.state IN ('ready', 'failed'))
       EXECUTE FUNCTION audit_move()"""

UNFINISHED: Final = "SELECT image_id FROM images WHERE state IN ('pending', 'processing')"

IN_HAND: Final = """
    SELECT image_id FROM images JOIN workers USING (worker_id) WHERE state = 'processing' AND pid = $1"""

BUSY: Final = """
    SELECT pid FROM workers JOIN images USING (worker_id)
     WHERE state = 'processing' AND pid = ANY($1) GROUP BY pid ORDER BY count(*) DESC"""

RECENT: Final = """
    SELECT product_id, image_id FROM images WHERE created_at > now() - make_interval(secs => $1)"""

# A session of ours must not be among the victims, and PostgreSQL's own are none.
TERMINATE: Final = """
    SELECT pg_terminate_backend(pid) FROM pg_stat_activity
     WHERE datname = current_database() AND pid <> pg_backend_pid()"""

HISTORY: Final = """
    SELECT attempt, old_state, new_state, left(worker_id::text, 8) AS worker, at
      FROM audit WHERE image_id = $1 ORDER BY at"""

ENDED_AT: Final = """
    SELECT image_id, extract(epoch FROM max(at))::float8 AS at
      FROM audit WHERE image_id = ANY($1) AND new_state IN ('ready', 'failed')
     GROUP BY image_id ORDER BY at"""

AWAY: Final = (
    OSError,
    asyncpg.InterfaceError,
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,
)
PATIENCE_SECONDS: Final = 60
POLL_SECONDS: Final = 0.25


@dataclass(frozen=True, slots=True)
class Incident:
    """Something was broken: when it began, and the images that it may concern."""

    began: float
    images: Collection[int]
    remark: str = ""


@dataclass(frozen=True, slots=True)
class Recovery:
    """How an incident ended: seconds to the end of its last image; None if there was nothing to recover."""

    fault: str
    incident: Incident
    seconds: float | None
    last_image: int = 0


class Books:
    """Asks the database itself, and goes on asking while it is being restarted."""

    def __init__(self, url: str) -> None:
        self._url = url

    async def open(self) -> None:
        """Begin to write down every move."""
        connection = await asyncpg.connect(self._url)
        await connection.execute(AUDIT)
        await connection.close()

    async def ask(self, sql: str, *arguments: object) -> Sequence[Any]:
        """Return the rows; raise TimeoutError if the database stays away."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            while True:
                try:
                    return await self._ask_once(sql, *arguments)
                except AWAY:
                    await asyncio.sleep(POLL_SECONDS)

    async def unfinished(self) -> set[int]:
        """Return the images that are not ready or failed."""
        return {row["image_id"] for row in await self.ask(UNFINISHED)}

    async def in_hand(self, pid: int) -> set[int]:
        """Return the images that a process has in hand, or had when it ended."""
        return {row["image_id"] for row in await self.ask(IN_HAND, pid)}

    async def busy(self, pids: Collection[int]) -> list[int]:
        """Return which of the processes have something in hand, those with most of it first."""
        return [row["pid"] for row in await self.ask(BUSY, list(pids))]

    async def recent(self, seconds: float) -> Sequence[Any]:
        """Return product and image ids of what was submitted a moment ago."""
        return await self.ask(RECENT, seconds)

    async def terminate_connections(self) -> int:
        """End every session but this one; return how many."""
        return len(await self.ask(TERMINATE))

    async def settled(self, images: Collection[int], seconds: float) -> set[int]:
        """Wait until these images are ready or failed, at most so long; return those that are not."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + seconds
        while left := (await self.unfinished()).intersection(images):
            if loop.time() > deadline:
                return left
            await asyncio.sleep(POLL_SECONDS)
        return set()

    async def recovery(self, fault: str, incident: Incident, seconds: float) -> Recovery:
        """Wait until the incident is over, and say how long that took by the database's clock."""
        late = await self.settled(incident.images, seconds)
        ended = await self.ask(ENDED_AT, list(incident.images))
        if late:
            return Recovery(fault, incident, seconds, min(late))
        if not ended:
            return Recovery(fault, incident, None)
        return Recovery(fault, incident, max(0.0, ended[-1]["at"] - incident.began), ended[-1]["image_id"])

    async def history(self, image_id: int) -> str:
        """Tell what has happened to an image, one move a line."""
        told = "    {at:%H:%M:%S.%f} attempt {attempt}: {old_state} → {new_state}, worker {worker}"
        return "\n".join(told.format(**move) for move in await self.ask(HISTORY, image_id))

    async def _ask_once(self, sql: str, *arguments: object) -> Sequence[Any]:
        connection = await asyncpg.connect(self._url, timeout=PATIENCE_SECONDS)
        try:
            rows: Sequence[Any] = await connection.fetch(sql, *arguments)
            return rows
        finally:
            connection.terminate()
