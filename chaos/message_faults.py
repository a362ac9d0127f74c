"""What happens to messages: thrown away, with their queue or without; all again; ten times, in any order."""

import asyncio
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from typing import Final

import aio_pika
from aio_pika.abc import AbstractQueue
from aiokafka import AIOKafkaConsumer, TopicPartition

from chaos.books import Incident
from chaos.system import System
from packshot.brokers import Broker, open_broker
from packshot.brokers.kafka_address import GROUP, PARTITIONS, TOPIC
from packshot.brokers.rabbitmq import QUEUE
from packshot.brokers.remote import BATCH
from packshot.models import Hint

BURST: Final = 40  # more than all workers take at once, so that messages wait
FULL_SECONDS: Final = 15  # until the burst has filled the queue
TENFOLD_ROUNDS: Final = 5  # of a second
RECENT_SECONDS: Final = 2
CONNECT_SECONDS: Final = 15
COPIES: Final = 10
POLL_SECONDS: Final = 0.1


async def empty_queue(system: System, turn: int) -> Incident:
    """Purge the queue, or delete it, in turn, while messages wait in it."""
    await system.load.submit(BURST)
    return await system.suffer(_delete(system) if turn % 2 else _purge(system))


async def rewind(system: System, _: int) -> Incident:
    """Set the group back to the first message of all; Kafka allows that while nobody is in it."""
    return await system.suffer(_rewind(system))


async def tenfold(system: System, _: int) -> Incident:
    """Deliver every message ten times more, in random order, for some seconds."""
    return await system.suffer(_repeat(system))


async def _purge(system: System) -> str:
    async with _filled_queue(system) as queue:
        purged = (await queue.purge()).message_count
    return f"{purged} messages purged"


async def _delete(system: System) -> str:
    async with _filled_queue(system) as queue:
        deleted = (await queue.delete(if_unused=False, if_empty=False)).message_count
    return f"deleted with {deleted} messages"


@asynccontextmanager
async def _filled_queue(system: System) -> AsyncIterator[AbstractQueue]:
    """Open the queue at a moment when messages wait in it."""
    async with await aio_pika.connect(system.broker.url) as connection, asyncio.timeout(FULL_SECONDS):
        channel = await connection.channel()
        while not (
            queue := await channel.declare_queue(QUEUE, passive=True)
        ).declaration_result.message_count:
            await asyncio.sleep(POLL_SECONDS)
        yield queue


async def _rewind(system: System) -> str:
    await asyncio.gather(*(worker.stop() for worker in system.workers))
    consumer = AIOKafkaConsumer(
        bootstrap_servers=f"127.0.0.1:{system.broker.port}", group_id=GROUP, enable_auto_commit=False
    )
    await consumer.start()
    try:
        partitions = [TopicPartition(TOPIC, number) for number in range(PARTITIONS)]
        consumer.assign(partitions)
        ends = await consumer.end_offsets(partitions)
        await consumer.commit(dict.fromkeys(partitions, 0))
    finally:
        await consumer.stop()
        for worker in system.workers:
            worker.go()
    return f"{sum(ends.values())} messages again"


async def _repeat(system: System) -> str:
    broker = open_broker(system.broker.url, 1, lambda _: None)
    sent: set[int] = set()
    try:
        async with asyncio.timeout(CONNECT_SECONDS):
            while not broker.room():
                await asyncio.sleep(POLL_SECONDS)
        for _ in range(TENFOLD_ROUNDS):
            sent |= await _publish_copies(system, broker, sent)
            await asyncio.sleep(1)
    finally:
        await broker.close()
    return f"{COPIES * len(sent)} copies"


async def _publish_copies(system: System, broker: Broker, sent: Collection[int]) -> set[int]:
    recent = [Hint(*row) for row in await system.books.recent(RECENT_SECONDS)]
    copies = COPIES * [hint for hint in recent if hint.image_id not in sent]
    system.chance.shuffle(copies)
    for start in range(0, len(copies), BATCH):
        await broker.publish(copies[start : start + BATCH])
    return {hint.image_id for hint in copies}
