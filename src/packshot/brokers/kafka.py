"""
Kafka: one topic, one consumer group, an idempotent producer that waits for all replicas.

The key of a message is its product, so the images of a product stay together. Offsets are committed
by us, after the claim: never automatically, which would be before it. A commit that fails costs a
message that comes twice. A topic that is missing is made; one that exists is taken as it is.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Collection, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import Final

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.abc import ConsumerRebalanceListener
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import ConsumerStoppedError, KafkaError, TopicAlreadyExistsError, for_code

from packshot.brokers.kafka_address import KafkaAddress
from packshot.brokers.line import Clients, Publish
from packshot.brokers.messages import encode
from packshot.brokers.remote import CONFIRM_SECONDS
from packshot.models import Hint
from packshot.reasons import reason_in

log = logging.getLogger(__name__)

SESSION_MILLISECONDS: Final = 6_000  # a worker that is gone keeps its partitions so long; the least allowed
HEARTBEAT_MILLISECONDS: Final = 1_500
METADATA_MILLISECONDS: Final = 10_000  # how late we see that the topic was made anew
COMMIT_SECONDS: Final = 0.1
FAILURES_WORTH_A_LINE: Final = 10  # a rebalance costs a few
COMMIT_LIMIT_SECONDS: Final = CONFIRM_SECONDS + 1  # aiokafka tries for ever; a single request ends before
REPLICAS: Final = 3  # of a topic that we make, if there are so many brokers


class KafkaParcel:
    """A record whose offset is not committed yet."""

    def __init__(self, body: bytes, note: Callable[[], None]) -> None:
        self.body = body
        self._note = note

    async def done(self) -> None:
        """Let the offset be committed with the next ones."""
        self._note()


class Offsets:
    """Knows what may be committed: everything before the first record that is still in hand."""

    def __init__(self) -> None:
        self.changed = asyncio.Event()
        self._in_hand: dict[TopicPartition, set[int]] = {}
        self._next: dict[TopicPartition, int] = {}

    def take(self, partition: TopicPartition, offset: int) -> None:
        """Note a record that has arrived."""
        self._in_hand.setdefault(partition, set()).add(offset)
        self._next[partition] = offset + 1

    def done(self, partition: TopicPartition, offset: int) -> None:
        """Note a record that has been taken care of."""
        self._in_hand.get(partition, set()).discard(offset)
        self.changed.set()

    def committable(self) -> dict[TopicPartition, int]:
        """Return the first offset of each partition that is not to be skipped after a restart."""
        return {partition: min(self._in_hand[partition], default=n) for partition, n in self._next.items()}

    def clear(self) -> None:
        """Forget everything: the partitions are somebody else's now."""
        self._in_hand.clear()
        self._next.clear()


class KafkaLine:
    """The way to one topic."""

    troubles = (KafkaError, ConsumerStoppedError, OSError, TimeoutError)

    def __init__(self, address: KafkaAddress) -> None:
        self.name = f"Kafka at {','.join(address.servers)}, topic {address.topic}"
        self._topic = address.topic
        self._group = address.group
        self._partitions = address.partitions
        self._connection = {
            **address.connection(),
            "request_timeout_ms": 1000 * CONFIRM_SECONDS,
            "metadata_max_age_ms": METADATA_MILLISECONDS,
        }
        self._clients = Clients()

    @asynccontextmanager
    async def publishing(self, _: asyncio.Event) -> AsyncIterator[Publish]:
        """Open a producer; aiokafka does not say when the brokers are gone, only publishing does."""
        await self._make_topic()
        producer = AIOKafkaProducer(**self._connection, acks="all", enable_idempotence=True)

        async def publish(hints: Sequence[Hint]) -> None:
            sent = [await producer.send(self._topic, encode(hint), key=_key(hint)) for hint in hints]
            await asyncio.gather(*sent)

        async with self._clients.started(producer.start, producer.stop):
            yield publish

    @asynccontextmanager
    async def taking(self) -> AsyncIterator[AsyncIterator[KafkaParcel]]:
        """Join the group."""
        await self._make_topic()
        consumer = AIOKafkaConsumer(
            **self._connection,
            group_id=self._group,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            session_timeout_ms=SESSION_MILLISECONDS,
            heartbeat_interval_ms=HEARTBEAT_MILLISECONDS,
        )
        offsets = Offsets()
        committer = Committer(consumer, offsets)
        consumer.subscribe([self._topic], listener=committer)
        committing = asyncio.create_task(committer.run())
        async with self._clients.started(consumer.start, partial(_leave, consumer, committer, committing)):
            yield _parcels(consumer, offsets)

    async def _make_topic(self) -> None:
        admin = AIOKafkaAdminClient(**self._connection)
        async with self._clients.started(admin.start, admin.close):
            if self._topic in await admin.list_topics():
                return
            brokers = len((await admin.describe_cluster())["brokers"])
            topic = NewTopic(self._topic, self._partitions, min(REPLICAS, brokers))
            answer = await admin.create_topics([topic])
            for error in (for_code(code) for _, code, *_ in answer.topic_errors if code):
                if error is not TopicAlreadyExistsError:  # somebody was quicker
                    raise error(f"the topic {self._topic} cannot be made")


class Committer(ConsumerRebalanceListener):  # type: ignore[misc] # aiokafka has no types
    """Commits what is done: now and then, and before partitions go to somebody else."""

    def __init__(self, consumer: AIOKafkaConsumer, offsets: Offsets) -> None:
        self._consumer = consumer
        self._offsets = offsets
        self._failures = 0

    async def run(self) -> None:
        """Commit until cancelled."""
        while True:
            await self._offsets.changed.wait()
            self._offsets.changed.clear()
            await self.commit()
            await asyncio.sleep(COMMIT_SECONDS)

    async def commit(self) -> None:
        """Commit once. One that fails is covered by the next one, or the next owner takes a message twice."""
        try:
            async with asyncio.timeout(COMMIT_LIMIT_SECONDS):
                if wanted := self._offsets.committable():
                    await self._consumer.commit(wanted)
        except Exception as error:  # noqa: BLE001 - a rebalance brings several kinds
            self._failures += 1
            if self._failures == FAILURES_WORTH_A_LINE:
                log.warning("Kafka takes no commits", extra={"reason": reason_in(error)})
        else:
            self._failures = 0

    async def on_partitions_revoked(self, _: Collection[TopicPartition]) -> None:
        """Commit, and forget: aiokafka takes all of them away, and gives some back."""
        await self.commit()
        self._offsets.clear()

    async def on_partitions_assigned(self, assigned: Collection[TopicPartition]) -> None:
        """Say when there are more of us than partitions; else each goes on where it was committed."""
        if not assigned:
            log.warning(
                "this process gets no messages",
                extra={"reason": "the topic has fewer partitions than the group has members; add some"},
            )


async def _parcels(consumer: AIOKafkaConsumer, offsets: Offsets) -> AsyncIterator[KafkaParcel]:
    async for record in consumer:
        partition, offset = TopicPartition(record.topic, record.partition), record.offset
        offsets.take(partition, offset)
        yield KafkaParcel(record.value or b"", partial(offsets.done, partition, offset))


async def _leave(consumer: AIOKafkaConsumer, committer: Committer, committing: "asyncio.Task[None]") -> None:
    await committer.commit()  # after the one in flight, which would fail unheard if it were cancelled
    committing.cancel()
    await consumer.stop()


def _key(hint: Hint) -> bytes | None:
    return None if hint.product_id is None else str(hint.product_id).encode()
