"""
The real servers, one of each for a test run, started by the first test that asks for it.

A server that is not on this machine skips its tests and is named at the end of the run; under CI, where
nothing may be left out, it fails them. A test that ends a server lets it run again.
"""

import os
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

import pytest
from servers import ServerMissing
from servers.kafka import Kafka
from servers.postgresql import PostgreSQL
from servers.prometheus import Prometheus, find_program
from servers.rabbitmq import RabbitMQ
from servers.redis import Redis
from servers.s3 import ENVIRONMENT, S3

MISSING: set[str] = set()


@pytest.fixture(scope="session")
async def rabbitmq(session_folder: Path) -> AsyncIterator[RabbitMQ]:
    with needed():
        async with RabbitMQ.start(session_folder / "rabbitmq") as server:
            yield server


@pytest.fixture(scope="session")
async def kafka(session_folder: Path) -> AsyncIterator[Kafka]:
    with needed():
        async with Kafka.start(session_folder / "kafka") as server:
            yield server


@pytest.fixture(scope="session")
async def postgresql(session_folder: Path) -> AsyncIterator[PostgreSQL]:
    with needed():
        async with PostgreSQL.start(session_folder / "postgresql") as server:
            yield server


@pytest.fixture(scope="session")
async def s3(session_folder: Path) -> AsyncIterator[S3]:
    with needed():
        async with S3.start(session_folder / "s3") as server:
            yield server


@pytest.fixture(scope="session")
async def prometheus(session_folder: Path) -> AsyncIterator[Prometheus]:
    with needed():
        async with Prometheus.start(session_folder / "prometheus") as server:
            yield server


@pytest.fixture(scope="session")
def promtool() -> str:
    with needed():
        return find_program("promtool")


@pytest.fixture
def aws_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    """Put the key of `s3` where its client looks for it, and nothing else."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)


@pytest.fixture(scope="session")
async def redis_server(session_folder: Path) -> AsyncIterator[Redis]:
    with needed():
        async with Redis.start(session_folder / "redis") as server:
            yield server


@pytest.fixture
async def redis(redis_server: Redis) -> Redis:
    """The test run's Redis, emptied, with its counters at zero."""
    await redis_server.tell("FLUSHALL")
    await redis_server.tell("CONFIG RESETSTAT")
    return redis_server


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    for missing in sorted(MISSING):
        terminalreporter.write_line(f"LEFT OUT: tests of a real server. {missing}", red=True, bold=True)


@contextmanager
def needed() -> Iterator[None]:
    try:
        yield
    except ServerMissing as missing:
        _leave_out(str(missing))


def _leave_out(missing: str) -> NoReturn:
    MISSING.add(missing)
    if os.environ.get("CI") == "true":
        pytest.fail(missing, pytrace=False)
    pytest.skip(missing)
