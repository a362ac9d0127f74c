"""The servers that other tests rely on: private, mortal, and themselves again after their death."""

import asyncio
import signal
import subprocess
import sys
from pathlib import Path

import aio_pika
import asyncpg
import psutil
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from servers import ServerFailed, ServerMissing
from servers.kafka import Kafka
from servers.postgresql import PostgreSQL
from servers.process import PrivateServer
from servers.rabbitmq import RabbitMQ
from tests.real_servers import MISSING, needed

START_AND_WAIT_FOR_THE_END = """
import asyncio, sys
from pathlib import Path
from servers.postgresql import PostgreSQL

async def main():
    async with PostgreSQL.start(Path(sys.argv[1])):
        print("ready", flush=True)
        await asyncio.Event().wait()

asyncio.run(main())
"""


@pytest.fixture(params=["rabbitmq", "kafka", "postgresql"])
def server(request: pytest.FixtureRequest) -> PrivateServer:
    server: PrivateServer = request.getfixturevalue(request.param)
    return server


async def test_a_message_survives_the_death_of_rabbitmq(rabbitmq: RabbitMQ) -> None:
    async with await aio_pika.connect(rabbitmq.url) as connection:
        channel = await connection.channel()
        await channel.declare_queue("kept", durable=True)
        kept = aio_pika.Message(b"kept", delivery_mode=aio_pika.DeliveryMode.PERSISTENT)
        await channel.default_exchange.publish(kept, "kept")

    await rabbitmq.kill()
    await rabbitmq.run_again()

    async with await aio_pika.connect(rabbitmq.url) as connection:
        queue = await (await connection.channel()).get_queue("kept")
        message = await queue.get()
        assert message.body == b"kept"
        await queue.delete(if_empty=False)


async def test_a_record_survives_the_death_of_kafka(kafka: Kafka) -> None:
    address = f"127.0.0.1:{kafka.port}"
    admin = AIOKafkaAdminClient(bootstrap_servers=address)
    await admin.start()
    await admin.create_topics([NewTopic("kept", num_partitions=1, replication_factor=1)])
    await admin.close()
    async with AIOKafkaProducer(bootstrap_servers=address) as producer:
        await producer.send_and_wait("kept", b"kept")

    await kafka.kill()
    await kafka.run_again()

    async with AIOKafkaConsumer("kept", bootstrap_servers=address, auto_offset_reset="earliest") as consumer:
        assert (await consumer.getone()).value == b"kept"


async def test_a_row_survives_each_end_of_postgresql(postgresql: PostgreSQL) -> None:
    connection = await asyncpg.connect(postgresql.url)
    await connection.execute("CREATE TABLE kept AS SELECT 'kept' AS word")

    await postgresql.restart_immediately()
    await postgresql.stop()
    await postgresql.run_again()
    await postgresql.kill()
    await postgresql.run_again()

    connection.terminate()
    connection = await asyncpg.connect(postgresql.url)
    assert await connection.fetchval("SELECT word FROM kept") == "kept"
    await connection.execute("DROP TABLE kept")
    await connection.close()


async def test_a_frozen_server_says_nothing_until_it_thaws(server: PrivateServer) -> None:
    server.freeze()
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(server.answers(), 0.3)

    server.thaw()
    assert await server.answers()


async def test_two_of_a_kind_run_side_by_side_and_one_leaves_alone(
    server: PrivateServer, tmp_path: Path
) -> None:
    async with type(server).start(tmp_path / "other") as other:
        assert other.url != server.url
        assert await server.answers()
        assert running_in(tmp_path)

    assert not running_in(tmp_path)
    assert await server.answers()


async def test_a_server_dies_with_the_process_that_started_it(tmp_path: Path) -> None:
    command = [sys.executable, "-c", START_AND_WAIT_FOR_THE_END, str(tmp_path / "server")]
    starter = await asyncio.create_subprocess_exec(*command, stdout=subprocess.PIPE)
    assert starter.stdout
    assert await starter.stdout.readline() == b"ready\n"
    servers = running_in(tmp_path)
    assert servers

    starter.send_signal(signal.SIGKILL)
    await starter.communicate()

    _, alive = await asyncio.to_thread(psutil.wait_procs, servers, timeout=20)
    assert not alive


async def test_a_server_that_does_not_come_up_shows_the_end_of_its_log(tmp_path: Path) -> None:
    async with PostgreSQL.start(tmp_path / "server") as server:
        await server.stop()
        next(tmp_path.rglob("pg_hba.conf")).write_text("nonsense\n")
        with pytest.raises(ServerFailed, match=r"does not come up(?s:.*)could not load .*pg_hba.conf"):
            await server.run_again()


@pytest.mark.parametrize("kind", [RabbitMQ, Kafka])
async def test_a_missing_program_is_named_with_its_package(
    kind: type[PrivateServer], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ServerMissing, match="apt-get install"):
        async with kind.start(tmp_path / "server"):
            pass


@pytest.mark.parametrize(("ci", "outcome"), [("", pytest.skip.Exception), ("true", pytest.fail.Exception)])
def test_a_missing_server_is_skipped_and_named_but_not_in_ci(
    ci: str, outcome: type[BaseException], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CI", ci)
    try:
        with pytest.raises(outcome, match="no such server"), needed():
            raise ServerMissing("no such server")
        assert "no such server" in MISSING
    finally:
        MISSING.discard("no such server")


def running_in(folder: Path) -> list[psutil.Process]:
    """List the processes that work in a folder."""
    found = psutil.process_iter(["cwd"])
    return [process for process in found if Path(process.info["cwd"] or "/").is_relative_to(folder)]
