"""
Carries what the database has put out to the receivers of webhooks. Runs in every process that sweeps.

Each webhook has one round at a time in a process: a few deliveries together, and the next round when the
last of them has ended. So a receiver that hangs keeps only its own waiting, and one that is quick is sent
to as fast as it answers. Nothing is locked while anybody talks.
"""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Coroutine, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from time import time
from typing import Any, Final
from uuid import UUID, uuid4

from packshot.database import Row
from packshot.lifeline import Lifeline
from packshot.outbox import BATCH, Letter, Outbox
from packshot.patience import Delivered, Failed, Later, Receipt, judge
from packshot.signing import signed_headers

POLL_SECONDS: Final = 0.5  # how late a message can be
PER_WEBHOOK: Final = 8  # messages to one receiver at the same time, by one process
REMOVE_SECONDS: Final = 60
TEST: Final = "webhook.test"
OUTCOMES: Final = {Delivered: "delivered", Later: "retry", Failed: "failed"}

# A URL, headers and a body to what came of it; raises ServiceUnavailable if the fault is our own.
Post = Callable[[str, Mapping[str, str], bytes], Coroutine[None, None, Receipt]]
# Type, time and data of an event to the body that is sent.
Write = Callable[[str, datetime, dict[str, Any]], bytes]


class Courier:
    """Takes what is due from the outbox, sends it, and writes down what came back, which `count` is told."""

    def __init__(self, outbox: Outbox, post: Post, write: Write, count: Callable[[str], None]) -> None:
        self._outbox = outbox
        self._post = post
        self._write = write
        self._count = count
        self._in_a_round: set[int] = set()
        self._ended = asyncio.Event()

    async def run(self, lifeline: Lifeline) -> None:
        """Deliver until cancelled, whatever happens to the database."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._remove_regularly(lifeline))
            while True:
                self._ended.clear()
                async with lifeline.surviving("webhooks"):
                    await self._begin_rounds(tasks, lifeline)
                await self._pause()

    async def test(self, webhook: Row) -> Receipt:
        """Send a message that tells of nothing, now, and return what came of it."""
        body = self._write(TEST, datetime.now(UTC), {"webhook_id": webhook["webhook_id"]})
        return await self._send(webhook["url"], uuid4(), [webhook["secret"]], body)

    async def _begin_rounds(self, tasks: asyncio.TaskGroup, lifeline: Lifeline) -> None:
        bags: defaultdict[int, list[Letter]] = defaultdict(list)
        for letter in await self._outbox.take(self._in_a_round, PER_WEBHOOK):
            bags[letter.webhook_id].append(letter)
        for webhook_id, letters in bags.items():
            self._in_a_round.add(webhook_id)
            tasks.create_task(self._round(webhook_id, letters, lifeline))

    async def _round(self, webhook_id: int, letters: Sequence[Letter], lifeline: Lifeline) -> None:
        await asyncio.gather(*(self._deliver(letter, lifeline) for letter in letters))
        self._in_a_round.remove(webhook_id)
        self._ended.set()

    async def _deliver(self, letter: Letter, lifeline: Lifeline) -> None:
        """Send one message. What fails here is our own fault, and the lease brings the message back."""
        async with lifeline.surviving("webhook", delivery_id=letter.delivery_id):
            body = self._write(letter.type, letter.created_at, letter.data)
            receipt = await self._send(letter.url, letter.event_id, letter.secrets, body)
            verdict = judge(receipt, letter.age_seconds)
            await self._outbox.record(letter, verdict, receipt)
            self._count(OUTCOMES[type(verdict)])

    async def _send(self, url: str, event_id: UUID, secrets: Sequence[str], body: bytes) -> Receipt:
        return await self._post(url, signed_headers(str(event_id), int(time()), body, secrets), body)

    async def _pause(self) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(POLL_SECONDS):
                await self._ended.wait()

    async def _remove_regularly(self, lifeline: Lifeline) -> None:
        while True:
            async with lifeline.surviving("removal of old deliveries"):
                while await self._outbox.remove_old() == BATCH:
                    pass
            await asyncio.sleep(REMOVE_SECONDS)
