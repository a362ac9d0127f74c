"""What RabbitMQ and Kafka both promise in trouble: nothing confirmed is lost, and all repairs itself."""

import gc
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from functools import partial
from time import monotonic
from typing import Final

import aio_pika
import pytest
from aiokafka import AIOKafkaProducer
from servers.kafka import Kafka
from servers.process import PrivateServer
from servers.rabbitmq import RabbitMQ
from tests.remote import (
    Taken,
    Turnstile,
    Words,
    connected,
    hints,
    listening,
    opened,
    publish,
    queue_of_ones_own,
    taking,
)
from tests.rows import eventually

from packshot.brokers import Broker, remote
from packshot.brokers.kafka_address import KafkaAddress
from packshot.errors import ServiceUnavailable

KINDS: Final = ["rabbitmq", "kafka"]
ENDS: Final = {"kill": PrivateServer.kill, "stop": PrivateServer.stop}
UNREADABLE: Final = [b"hello", b'{"version": 2, "image_id": 5}', b"", b'{"version": 1}']

End = Callable[[PrivateServer], Awaitable[None]]
Ending = tuple[PrivateServer, End]


@pytest.fixture(params=KINDS)
def server(request: pytest.FixtureRequest) -> PrivateServer:
    server: PrivateServer = request.getfixturevalue(request.param)
    return server


@pytest.fixture
def url(server: PrivateServer) -> str:
    return queue_of_ones_own(server.url)


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Limits for those who wait for them."""
    monkeypatch.setattr(remote, "CONFIRM_SECONDS", 0.5)
    monkeypatch.setattr("packshot.brokers.line.CONNECT_SECONDS", 2)
    monkeypatch.setattr(remote, "PAUSE_SECONDS", 0.1)


@dataclass
class Outage:
    """What was seen while a server was away, and after."""

    words: Words
    room: int = -1
    refused: bool = False
    seconds_to_close: float = 0
    kept: list[int] = field(default_factory=list)
    taken: list[int] = field(default_factory=list)


@pytest.fixture(scope="module", params=[(kind, end) for kind in KINDS for end in ENDS], ids="-".join)
def ending(request: pytest.FixtureRequest) -> Ending:
    kind, end = request.param
    return request.getfixturevalue(kind), ENDS[end]


@pytest.fixture(scope="module")
async def outage(ending: Ending) -> Outage:
    """A server ends with 1 to 50 in a queue, comes back, and gets 51 in another queue that has a taker."""
    server, end = ending
    with pytest.MonkeyPatch.context() as patch, listening() as words:
        patch.setattr(remote, "PAUSE_SECONDS", 0.1)
        seen = Outage(words)
        await live_through(seen, server, end)
    return seen


async def live_through(seen: Outage, server: PrivateServer, end: End) -> None:
    url, other_url = queue_of_ones_own(server.url), queue_of_ones_own(server.url)
    async with opened(url) as broker, taking(broker) as taken:
        async with opened(other_url) as other:
            await publish(other, *range(1, 51))
            await passes(broker, taken, 99)
            await eventually(partial(are_on_disk, server, url, other_url))
            await end(server)
            seen.refused, seen.room = await is_refused(broker), broker.room()
            seen.seconds_to_close = await time_to_close(other)
        await server.run_again()
        await passes(broker, taken, 51)
    async with opened(other_url) as other, taking(other) as kept:
        await kept.has(*range(1, 51))
    seen.taken, seen.kept = taken.image_ids, kept.image_ids


async def passes(broker: Broker, taken: Taken, image_id: int) -> None:
    await publish(broker, image_id)
    await taken.has(image_id)


async def are_on_disk(server: PrivateServer, *urls: str) -> bool:
    """RabbitMQ before 4.0 notes a new quorum queue half a second late, and a kill before that loses it."""
    notes = b"".join(file.read_bytes() for file in server.folder.rglob("quorum/*/names.dets"))
    return isinstance(server, Kafka) or all(url.rpartition("=")[2].encode() in notes for url in urls)


async def is_refused(broker: Broker) -> bool:
    try:
        await broker.publish(hints(99))
    except ServiceUnavailable:
        return True
    return False


async def time_to_close(broker: Broker) -> float:
    started = monotonic()
    await broker.close()
    return monotonic() - started


async def test_what_was_confirmed_survives_the_servers_end(outage: Outage) -> None:
    assert set(outage.kept) == set(range(1, 51))


async def test_publisher_and_taker_come_back_by_themselves(outage: Outage) -> None:
    assert outage.taken[-1] == 51


async def test_there_is_no_room_while_the_server_is_away(outage: Outage) -> None:
    assert (outage.refused, outage.room) == (True, 0)


async def test_closing_does_not_wait_for_a_server_that_is_away(outage: Outage) -> None:
    assert outage.seconds_to_close < 4


async def test_trouble_is_logged_when_it_begins_and_when_it_ends_and_not_in_between(outage: Outage) -> None:
    times = Counter(outage.words.said)

    # Two brokers publish, and a server that ends politely may let somebody in once more.
    assert max(times.values()) <= 4
    for (event, what), count in times.items():
        if event == "broker is back":
            assert times["broker is away", what] >= count
    assert {event for event, _ in times} == {"broker is away", "broker is back"}


async def test_a_frozen_server_refuses_within_the_limit_and_is_used_again_after(
    server: PrivateServer,
    url: str,
    quick: None,  # noqa: ARG001 - for its effect
) -> None:
    async with opened(url) as broker, taking(broker) as taken:
        await passes(broker, taken, 1)

        server.freeze()
        try:
            started = monotonic()
            with pytest.raises(ServiceUnavailable):
                await broker.publish(hints(2))
            assert monotonic() - started < 2
            assert broker.room() == 0
        finally:
            server.thaw()

        await passes(broker, taken, 3)


async def test_closing_does_not_wait_for_a_frozen_server_and_leaves_no_mess(
    server: PrivateServer, url: str
) -> None:
    async with opened(url) as broker, taking(broker, done=False) as taken:
        await passes(broker, taken, 1)
        server.freeze()
        try:
            await taken.deliveries[0].done()
            assert await time_to_close(broker) < 8
        finally:
            server.thaw()
    gc.collect()


async def test_a_doubt_makes_a_silent_connection_anew(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async with opened(url) as broker, taking(broker, done=False) as taken:
        await passes(broker, taken, 1)
        monkeypatch.setattr(remote, "SILENT_SECONDS", -1)

        broker.doubt()

        await taken.has(1, times=2)  # because what is in nobody's hands comes back


async def test_a_taker_that_heard_something_lately_keeps_its_connection(url: str) -> None:
    async with opened(url) as broker, taking(broker, done=False) as taken:
        await passes(broker, taken, 1)

        broker.doubt()
        await publish(broker, 2)
        await taken.has(2)

    assert taken.image_ids == [1, 2]


async def test_what_was_not_done_comes_back_after_the_close(url: str) -> None:
    async with opened(url) as broker, taking(broker, done=False) as taken:
        await publish(broker, 1, 2, 3)
        await taken.has(1, 2, 3)
        await taken.deliveries[0].done()

    async with opened(url) as broker, taking(broker) as again:
        await again.has(2, 3)

    assert set(again.image_ids) == {2, 3}


async def test_what_was_done_at_the_last_moment_does_not_come_back(url: str) -> None:
    async with opened(url) as broker, taking(broker, done=False) as taken:
        await passes(broker, taken, 1)
        await taken.deliveries[0].done()

    async with opened(url) as broker, taking(broker) as again:
        await publish(broker, 2)
        await again.has(2)

    assert again.image_ids == [2]


async def test_messages_that_nobody_understands_are_counted_once_and_stop_nobody(url: str) -> None:
    counted: list[str] = []
    async with opened(url, counted=counted) as broker, taking(broker) as taken:
        await connected(broker)
        for body in UNREADABLE:
            await send_raw(url, body)
        await passes(broker, taken, 1)
    async with opened(url, counted=counted) as broker, taking(broker) as taken:
        await publish(broker, 2)
        await taken.has(2)

    assert counted == ["unreadable_messages"] * len(UNREADABLE)


async def send_raw(url: str, body: bytes) -> None:
    """Publish what we would not."""
    if url.startswith("amqp"):
        async with await aio_pika.connect(url) as connection:
            channel = await connection.channel()
            await channel.default_exchange.publish(aio_pika.Message(body), url.rpartition("=")[2])
    else:
        address = KafkaAddress.read(url)
        async with AIOKafkaProducer(bootstrap_servers=list(address.servers)) as producer:
            await producer.send_and_wait(address.topic, body)


async def test_messages_travel_encrypted_to_a_server_whose_certificate_is_known(
    rabbitmq: RabbitMQ, kafka: Kafka
) -> None:
    for tls_url in (rabbitmq.tls_url, kafka.tls_url):
        async with opened(queue_of_ones_own(tls_url)) as broker, taking(broker) as taken:
            await publish(broker, 1)
            await taken.has(1)


def with_wrong_password(server: RabbitMQ | Kafka) -> str:
    return server.tls_url.replace(":secret@", ":hush@").replace(":guest@", ":hush@")


def without_its_authority(server: RabbitMQ | Kafka) -> str:
    return server.tls_url.partition("?")[0]


@pytest.mark.parametrize("spoil", [with_wrong_password, without_its_authority])
async def test_a_server_that_must_not_be_used_leaves_no_room_and_is_told_once(
    server: RabbitMQ | Kafka,
    spoil: Callable[[RabbitMQ | Kafka], str],
    quick: None,  # noqa: ARG001 - for its effect
) -> None:
    async with Turnstile(spoil(server)) as turnstile, opened(queue_of_ones_own(turnstile.url)) as broker:
        with listening() as words:
            assert broker.room() == 0

            async def was_tried_again() -> bool:
                return turnstile.came_in > 8

            await eventually(was_tried_again)

        assert broker.room() == 0
        assert [event for event, _ in words.said] == ["broker is away"]
        assert "hush" not in "".join(words.lines)
