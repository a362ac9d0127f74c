"""What only Kafka can do to us: keys, offsets, partitions, and members of a group that come and go."""

import asyncio
import json
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from servers.kafka import Kafka
from tests.remote import Taken, connected, hints, opened, publish, queue_of_ones_own, taking

from packshot.brokers import Broker, remote
from packshot.brokers import kafka as kafka_line
from packshot.brokers.kafka_address import KafkaAddress

TAKE_AND_KEEP: Final = """
import asyncio, sys
from packshot.brokers import open_broker

async def main():
    async for delivery in open_broker(sys.argv[1], 1, print).deliveries():
        print(delivery.image_id, flush=True)

asyncio.run(main())
"""


@pytest.fixture
def url(kafka: Kafka) -> str:
    return queue_of_ones_own(kafka.url)


@pytest.fixture
def shared_url(kafka: Kafka) -> str:
    """Of a topic that two can share."""
    return queue_of_ones_own(kafka.url, partitions=4)


@asynccontextmanager
async def admin_of(url: str) -> AsyncIterator[AIOKafkaAdminClient]:
    admin = AIOKafkaAdminClient(bootstrap_servers=list(KafkaAddress.read(url).servers))
    await admin.start()
    try:
        yield admin
    finally:
        await admin.close()


@asynccontextmanager
async def reading(url: str) -> AsyncIterator[AIOKafkaConsumer]:
    """The only partition, read by hand in the name of the group."""
    address = KafkaAddress.read(url)
    consumer = AIOKafkaConsumer(
        bootstrap_servers=list(address.servers),
        group_id=address.group,
        auto_offset_reset="earliest",
        enable_auto_commit=False,
    )
    consumer.assign([TopicPartition(address.topic, 0)])
    async with consumer:
        yield consumer


def partition_of(url: str) -> TopicPartition:
    return TopicPartition(KafkaAddress.read(url).topic, 0)


async def test_the_key_is_the_product_and_the_value_names_product_and_image(url: str) -> None:
    async with opened(url) as broker:
        await publish(broker, 17)

    async with reading(url) as consumer:
        record = await consumer.getone()
    assert record.key == b"17"
    assert json.loads(record.value) == {"version": 1, "product_id": 17, "image_id": 17}


async def test_a_topic_is_made_with_the_partitions_that_the_url_says(shared_url: str) -> None:
    async with opened(shared_url) as broker:
        await connected(broker)

    async with admin_of(shared_url) as admin:
        (topic,) = await admin.describe_topics([KafkaAddress.read(shared_url).topic])
    assert len(topic["partitions"]) == 4


async def test_a_topic_that_exists_is_taken_as_it_is(shared_url: str) -> None:
    async with opened(shared_url) as broker:
        await connected(broker)
    wider = shared_url.replace("partitions=4", "partitions=5")
    async with opened(wider) as broker, taking(broker) as taken:
        await publish(broker, 1)
        await taken.has(1)

    async with admin_of(shared_url) as admin:
        (topic,) = await admin.describe_topics([KafkaAddress.read(shared_url).topic])
    assert len(topic["partitions"]) == 4


async def test_only_what_is_done_is_committed(url: str) -> None:
    async with opened(url) as broker, taking(broker, done=False) as taken:
        await publish(broker, 1)
        await publish(broker, 2)
        await publish(broker, 3)
        await taken.has(1, 2, 3)
        await taken.deliveries[0].done()
        await taken.deliveries[2].done()

    async with reading(url) as consumer:
        assert await consumer.committed(partition_of(url)) == 1


async def test_offsets_that_are_set_back_only_repeat_messages(url: str) -> None:
    async with opened(url) as broker, taking(broker) as taken:
        await publish(broker, 1, 2, 3)
        await taken.has(1, 2, 3)
    async with reading(url) as consumer:
        await consumer.commit({partition_of(url): 0})

    async with opened(url) as broker, taking(broker) as again:
        await publish(broker, 4)
        await again.has(4)

    assert again.image_ids == [1, 2, 3, 4]


async def test_a_topic_that_was_deleted_is_made_anew(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kafka_line, "METADATA_MILLISECONDS", 500)
    monkeypatch.setattr(remote, "CONFIRM_SECONDS", 1)
    async with opened(url) as broker, taking(broker) as taken:
        await publish(broker, 1)
        await taken.has(1)

        async with admin_of(url) as admin:
            await admin.delete_topics([KafkaAddress.read(url).topic])

        await publish(broker, 2)
        await taken.has(2)


async def both_have_some(broker: Broker, one: Taken, other: Taken) -> None:
    """Publish until both have got something."""
    async with asyncio.timeout(20):
        for image_id in range(100, 10_000):
            if one.deliveries and other.deliveries:
                return
            await broker.publish(hints(image_id))


async def test_two_share_a_topic_and_one_takes_over_when_the_other_leaves(shared_url: str) -> None:
    async with opened(shared_url) as broker, taking(broker) as taken:
        async with opened(shared_url) as other, taking(other) as others:
            await connected(broker)
            await both_have_some(broker, taken, others)

        await publish(broker, *range(1, 41))
        await taken.has(*range(1, 41))


async def test_what_was_in_the_hands_of_one_that_died_goes_to_the_others(url: str) -> None:
    victim = await asyncio.create_subprocess_exec(
        sys.executable, "-c", TAKE_AND_KEEP, url, stdout=subprocess.PIPE
    )
    assert victim.stdout
    async with opened(url) as broker:
        await publish(broker, 1)
        assert await victim.stdout.readline() == b"1\n"
        victim.kill()
        await victim.communicate()

        async with taking(broker) as taken:
            await taken.has(1)
