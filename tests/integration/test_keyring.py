"""The keys in memory: how new they are, and what they cost the database."""

import asyncio
from collections.abc import AsyncIterator, Sequence

import pytest

from packshot.database import Database, Row
from packshot.keyring import NOTE_SECONDS, REMEMBER_SECONDS, Keyring
from packshot.keys import Caller, Keys, Scope, make_secret


class CountedKeys(Keys):
    """Keys that know how often they were asked for."""

    asked = 0
    noted = 0

    async def usable(self) -> Sequence[Row]:
        self.asked += 1
        return await super().usable()

    async def note_use(self, key_id: int) -> None:
        self.noted += 1
        await super().note_use(key_id)


class Clock:
    """A clock that is set by hand."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def keys(database: Database) -> CountedKeys:
    return CountedKeys(database)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def keyring(keys: Keys, clock: Clock) -> AsyncIterator[Keyring]:
    async with Keyring.open(keys, clock) as keyring:
        yield keyring


async def test_a_key_leads_to_who_has_it(keyring: Keyring, keys: Keys) -> None:
    secret, row = await keys.create("Shop", Scope.WRITE, requests_per_minute=60)

    assert await keyring.verify(secret) == Caller(row["key_id"], Scope.WRITE, 60)


async def test_a_key_that_nobody_made_leads_nowhere(keyring: Keyring, keys: Keys) -> None:
    await keys.create("Shop", Scope.WRITE)

    assert await keyring.verify(make_secret()) is None
    assert await keyring.verify("packshot_") is None


async def test_a_revoked_key_works_no_longer_than_a_second(
    keyring: Keyring, keys: Keys, clock: Clock
) -> None:
    secret, _ = await keys.create("Shop", Scope.WRITE)
    assert await keyring.verify(secret)
    await keys.revoke(secret)

    clock.now += REMEMBER_SECONDS

    assert REMEMBER_SECONDS == 1
    assert await keyring.verify(secret) is None


async def test_an_expired_key_works_no_longer_than_a_second(
    keyring: Keyring, keys: Keys, clock: Clock, database: Database
) -> None:
    secret, _ = await keys.create("Shop", Scope.WRITE, expires_in_seconds=60)
    assert await keyring.verify(secret)
    await database.execute("UPDATE access_keys SET expires_at = now()")

    clock.now += REMEMBER_SECONDS

    assert await keyring.verify(secret) is None


async def test_without_a_key_that_works_the_ring_is_empty(keyring: Keyring, keys: Keys, clock: Clock) -> None:
    assert await keyring.is_empty()
    secret, _ = await keys.create("Shop", Scope.READ)

    clock.now += REMEMBER_SECONDS
    assert not await keyring.is_empty()
    await keys.revoke(secret)

    clock.now += REMEMBER_SECONDS
    assert await keyring.is_empty()


async def test_a_ring_is_new_until_the_first_key_and_never_again(
    keyring: Keyring, keys: Keys, clock: Clock
) -> None:
    assert await keyring.is_new()
    secret, _ = await keys.create("Shop", Scope.READ)
    await keys.revoke(secret)

    clock.now += REMEMBER_SECONDS
    assert not await keyring.is_new()


async def test_a_thousand_wrong_keys_cost_one_query(keyring: Keyring, keys: CountedKeys) -> None:
    wrong = [make_secret() for _ in range(1000)]

    await asyncio.gather(*(keyring.verify(secret) for secret in wrong))

    assert keys.asked == 1


async def test_who_gives_up_waiting_for_the_keys_does_not_disappoint_the_others(
    keyring: Keyring, keys: Keys
) -> None:
    secret, _ = await keys.create("Shop", Scope.READ)
    first, second = (asyncio.create_task(keyring.verify(secret)) for _ in range(2))
    await asyncio.sleep(0)

    first.cancel()

    assert await second is not None


async def test_the_last_use_is_written_once_a_minute_however_many_ask(
    keyring: Keyring, keys: CountedKeys, clock: Clock
) -> None:
    secret, _ = await keys.create("Shop", Scope.READ)

    for minute in (1, 2):
        await asyncio.gather(*(keyring.verify(secret) for _ in range(10)))
        await asyncio.sleep(0)  # what was started begins
        assert keys.noted == minute
        clock.now += NOTE_SECONDS


async def test_the_last_use_is_written_without_without_keeping_the_request(
    keyring: Keyring, keys: Keys
) -> None:
    secret, _ = await keys.create("Shop", Scope.READ)

    await keyring.verify(secret)

    async with asyncio.timeout(5):
        while (await keys.all())[0]["last_used_at"] is None:  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.001)
