"""
The first answer to each request that names an Idempotency-Key, to be given again word for word.

The answer is kept in the transaction that does the work, so there is never one without the other. An
advisory lock of that transaction stands for a request in flight: it ends with it, also when a process is
killed. What was refused or failed leaves nothing behind, so it can be tried again.

An answer is kept for a day. Each new one takes some away that are older; nothing else has to look after them.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

from packshot.database import Connection, Database
from packshot.errors import InvalidInput, RequestInFlight

KEPT_SECONDS: Final = 24 * 3600
HEADER: Final = "idempotency-key"

LOCK: Final = """
    SELECT pg_try_advisory_xact_lock(hashtextextended(concat_ws(' ', 'first answer', $1::int, $2::text), 0))
           AS ours"""

FIND: Final = """
    SELECT fingerprint, status, location, body FROM idempotent_answers
     WHERE owner = $1 AND key = $2 AND created_at > now() - make_interval(secs => $3)"""

KEEP: Final = """
    WITH old AS MATERIALIZED (
        SELECT owner, key FROM idempotent_answers
         WHERE created_at <= now() - make_interval(secs => $7) AND (owner, key) <> ($1, $2)
         ORDER BY created_at LIMIT 10 FOR UPDATE SKIP LOCKED
    ), removed AS (
        DELETE FROM idempotent_answers USING old
         WHERE idempotent_answers.owner = old.owner AND idempotent_answers.key = old.key
    )
    INSERT INTO idempotent_answers (owner, key, fingerprint, status, location, body)
    VALUES ($1, $2, $3, $4, $5, $6)
    ON CONFLICT (owner, key) DO UPDATE
       SET fingerprint = EXCLUDED.fingerprint, status = EXCLUDED.status, location = EXCLUDED.location,
           body = EXCLUDED.body, created_at = EXCLUDED.created_at"""


@dataclass(frozen=True, slots=True)
class Question:
    """A request that may come again: whose it is, its key, and a hash of all that it asks for."""

    owner: int
    key: str
    fingerprint: bytes


@dataclass(frozen=True, slots=True)
class Answer:
    """What was answered, word for word; `location` is where the new thing can be read."""

    status: int
    location: str | None
    body: bytes
    is_repeated: bool = False


class FirstAnswers:
    """The rows of answers."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def answer(self, question: Question, work: Callable[[Connection], Awaitable[Answer]]) -> Answer:
        """Return the first answer, or let `work` give it and keep it in the same transaction.

        Raises RequestInFlight, or InvalidInput if the key came with another request before.
        """
        async with self._database.transaction() as connection:
            kept = await _find(connection, question)
            if kept:
                return kept
            answer = await work(connection)
            values = (answer.status, answer.location, answer.body, KEPT_SECONDS)
            await connection.execute(KEEP, question.owner, question.key, question.fingerprint, *values)
        return answer


async def _find(connection: Connection, question: Question) -> Answer | None:
    """Look after the lock was tried: who was in flight then may have answered by now."""
    whose = (question.owner, question.key)
    lock = await connection.fetch_row(LOCK, *whose)
    row = await connection.fetch_row(FIND, *whose, KEPT_SECONDS)
    if row is None and lock and not lock["ours"]:
        raise RequestInFlight("The first request with this Idempotency-Key has not been answered yet.")
    if row is None:
        return None
    if row["fingerprint"] != question.fingerprint:
        raise InvalidInput(HEADER, "came with another request before; take a new key for each request")
    return Answer(row["status"], row["location"], row["body"], is_repeated=True)
