"""The line to Redis: what it brings, and how little it costs when Redis hangs, dies, or is full."""

import asyncio
import logging
from collections.abc import AsyncIterator
from time import monotonic
from typing import Final

import pytest
from servers.redis import Redis as Server
from tests.rows import eventually

from packshot.cache import Cache, Redis
from packshot.errors import ConfigError

AWAY: Final = "Redis is away; going on without"
BACK: Final = "Redis is back"


@pytest.fixture(autouse=True)
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Look again soon whether Redis is back."""
    monkeypatch.setattr("packshot.cache.PAUSE_SECONDS", 0.05)


@pytest.fixture
async def line(redis: Server) -> AsyncIterator[Redis]:
    async with Redis.open(redis.url, seconds=0.25) as line:  # the machine may be busy
        yield line


@pytest.fixture
def cache(line: Redis) -> Cache:
    return Cache(line)


async def until_back(line: Redis) -> None:
    async def answers() -> bool:
        return await line.ask("PING") is not None

    await eventually(answers)


async def until_late(line: Redis) -> None:
    """A signal takes a moment to stop a process."""
    while await line.ask("PING") is not None:
        pass


async def test_an_answer_comes_back_for_its_version(cache: Cache) -> None:
    cache.put("1", "version", b"line\nline")

    assert await cache.get("1", "version") == b"line\nline"


async def test_an_answer_of_another_version_does_not_come_back(cache: Cache) -> None:
    cache.put("1", "older", b"old")

    assert await cache.get("1", "newer") is None


async def test_what_was_never_kept_is_not_there(cache: Cache) -> None:
    assert await cache.get("1", "") is None


async def test_an_answer_does_not_stay_for_ever(redis: Server, cache: Cache) -> None:
    cache.put("1", "version", b"answer")

    assert int((await redis.tell("TTL packshot:answer:1")).removeprefix(b":")) > 0


async def test_everybody_gets_the_answer_to_their_own_question(cache: Cache) -> None:
    keys = [str(number) for number in range(100)]
    for key in keys:
        cache.put(key, "version", key.encode())

    answers = await asyncio.gather(*(cache.get(key, "version") for key in keys))

    assert answers == [key.encode() for key in keys]


async def test_one_who_stops_waiting_does_not_disturb_the_others(cache: Cache) -> None:
    cache.put("1", "version", b"answer")

    impatient = asyncio.create_task(cache.get("1", "version"))
    patient = asyncio.create_task(cache.get("1", "version"))
    await asyncio.sleep(0)
    impatient.cancel()

    assert await patient == b"answer"


async def test_a_frozen_redis_keeps_nobody_waiting(redis: Server, line: Redis) -> None:
    redis.freeze()
    try:
        await until_late(line)
        started = monotonic()
        for _ in range(100):
            assert await asyncio.gather(*(line.ask("PING") for _ in range(10))) == [None] * 10
        assert monotonic() - started < 3  # for a thousand questions
    finally:
        redis.thaw()


async def test_an_answer_that_is_late_meets_no_other_question(
    redis: Server, line: Redis, cache: Cache
) -> None:
    cache.put("1", "version", b"one")
    cache.put("2", "version", b"two")
    redis.freeze()
    while await cache.get("1", "version") is not None:
        pass
    redis.thaw()
    await until_back(line)

    assert await cache.get("2", "version") == b"two"


async def test_one_late_answer_is_no_reason_to_give_up(
    redis: Server, line: Redis, caplog: pytest.LogCaptureFixture
) -> None:
    redis.freeze()
    await until_late(line)
    redis.thaw()
    await until_back(line)

    assert caplog.records == []


async def test_a_killed_redis_is_found_again(redis: Server, line: Redis, cache: Cache) -> None:
    await redis.kill()
    try:
        assert await cache.get("1", "version") is None
    finally:
        await redis.run_again()

    await until_back(line)
    cache.put("1", "version", b"answer")
    assert await cache.get("1", "version") == b"answer"


async def test_a_redis_that_comes_later_is_found(redis: Server) -> None:
    await redis.kill()
    async with Redis.open(redis.url) as line:
        at_first = await line.ask("PING")
        await redis.run_again()

        await until_back(line)

    assert at_first is None


async def test_a_full_redis_is_away_until_there_is_room(redis: Server, line: Redis, cache: Cache) -> None:
    await redis.tell("CONFIG SET maxmemory 1")
    try:
        cache.put("1", "version", b"answer")
        assert await line.ask("PING") is None
    finally:
        await redis.tell("CONFIG SET maxmemory 0")

    await until_back(line)


async def test_the_log_says_once_that_redis_went_and_once_that_it_is_back(
    redis: Server, line: Redis, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    redis.freeze()
    while not caplog.records:
        await line.ask("PING")
    await asyncio.gather(*(line.ask("PING") for _ in range(10)))
    redis.thaw()
    await until_back(line)

    assert [record.message for record in caplog.records] == [AWAY, BACK]


async def test_a_password_is_not_logged(redis: Server, caplog: pytest.LogCaptureFixture) -> None:
    async with Redis.open(redis.url.replace("//", "//user:s3cret@")) as line:
        assert await line.ask("PING") is None

    (record,) = caplog.records
    assert (record.message, vars(record)["server"]) == (AWAY, f"127.0.0.1:{redis.port}")
    assert "s3cret" not in str(vars(record))


@pytest.mark.parametrize(
    "url",
    [
        "http://:s3cret@redis.example",
        "redis:s3cret",
        "redis://",
        "redis://:s3cret@redis.example:port",
        "redis://:s3cret@redis.example/cache",
        "redis://:s3cret@redis.example/0?colour=red",
        "redis://:s3cret@redis.example/0?socket_timeout=long",
        "rediss://[s3cret",
    ],
)
async def test_a_wrong_url_is_refused_without_being_repeated(url: str) -> None:
    with pytest.raises(ConfigError, match="PACKSHOT_CACHE_URL") as error:
        async with Redis.open(url):
            pass

    assert "s3cret" not in str(error.value)
