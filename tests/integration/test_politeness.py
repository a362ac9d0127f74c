"""Manners towards sources: in one process, and across workers that share a Redis."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from time import monotonic
from typing import Final

import pytest
from servers.redis import Redis as Server
from tests.rows import a_source, eventually

from packshot.cache import Redis
from packshot.errors import SourceBusy, SourceGone, SourceThrottled, SourceUnavailable, UrlInvalid
from packshot.models import Source
from packshot.politeness import SCATTER_SECONDS, SOONEST_SECONDS, Manners

URL: Final = "https://shop.example/shoe.png"
OTHER_URL: Final = "https://other.example/shoe.png"
TO: Final = Path("nowhere")
LIMIT: Final = 3


class Shop:
    """Counts its visitors, and keeps them while its doors are closed; fails with `error` if it has one."""

    def __init__(self, error: Exception | None = None) -> None:
        self.now = self.most = self.all = 0
        self.error = error
        self.doors = asyncio.Event()
        self.doors.set()

    async def download(self, _: str, __: Path) -> Source:
        self.all += 1
        self.now += 1
        self.most = max(self.most, self.now)
        try:
            await asyncio.sleep(0)
            await self.doors.wait()
        finally:
            self.now -= 1
        if self.error:
            raise self.error
        return a_source()

    async def has(self, visitors: int) -> None:
        """Return once it has that many."""

        async def reached() -> bool:
            return self.now == visitors

        await eventually(reached)


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("packshot.politeness.PATIENCE_SECONDS", 0.1)


@pytest.fixture
async def lines(redis: Server) -> AsyncIterator[list[Redis]]:
    """What two workers have."""
    async with AsyncExitStack() as stack:
        yield [await stack.enter_async_context(Redis.open(redis.url, seconds=0.5)) for _ in range(2)]


def manners(redis: Redis | None = None, *, longest_seconds: float = 30, **limits: int) -> Manners:
    own = {f"{name}.example": limit for name, limit in limits.items()}
    return Manners(LIMIT, own, longest_seconds=longest_seconds, longest_pause_seconds=1000, redis=redis)


async def visit(*everybody: Manners, shop: Shop, times: int, url: str = URL) -> list[Source]:
    downloads = [one.polite(shop.download) for one in everybody]
    return await asyncio.gather(*(downloads[turn % len(downloads)](url, TO) for turn in range(times)))


async def refusal(one: Manners, shop: Shop, url: str = URL) -> float:
    """The seconds after which one may come back; fails the test if one is let in."""
    with pytest.raises(SourceBusy) as busy:
        await visit(one, shop=shop, times=1, url=url)
    return busy.value.retry_after_seconds


@asynccontextmanager
async def without(redis: Server, end: str) -> AsyncIterator[None]:
    if end == "freeze":
        redis.freeze()
    else:
        await redis.kill()
    yield
    if end == "freeze":
        redis.thaw()
    else:
        await redis.run_again()


async def throttled(one: Manners, shop: Shop) -> None:
    with pytest.raises(SourceThrottled):
        await visit(one, shop=shop, times=1)


async def test_a_host_has_no_more_visitors_than_its_limit() -> None:
    shop = Shop()

    await visit(manners(), shop=shop, times=20)

    assert (shop.most, shop.all) == (LIMIT, 20)


async def test_a_host_may_have_a_limit_of_its_own() -> None:
    shop = Shop()

    await visit(manners(shop=5, other=1), shop=shop, times=20)

    assert shop.most == 5


@pytest.mark.parametrize("same", ["http://SHOP.example:80/boot.png?a=b", "https://shop.example./"])
@pytest.mark.usefixtures("impatient")
async def test_a_host_is_known_however_its_url_is_written(same: str) -> None:
    one, shop = manners(shop=1), Shop()
    shop.doors.clear()
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(visit(one, shop=shop, times=1))
        await shop.has(1)

        await refusal(one, shop, same)
        shop.doors.set()


@pytest.mark.usefixtures("impatient")
async def test_who_finds_a_host_full_comes_back_a_little_later() -> None:
    one, shop = manners(shop=1), Shop()
    shop.doors.clear()
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(visit(one, shop=shop, times=1))
        await shop.has(1)

        assert SOONEST_SECONDS <= await refusal(one, shop) <= SOONEST_SECONDS + 1
        shop.doors.set()


async def test_a_full_host_is_no_reason_to_stay_away_from_another() -> None:
    one, shop, other = manners(), Shop(), Shop()
    shop.doors.clear()
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(visit(one, shop=shop, times=LIMIT))
        await shop.has(LIMIT)

        await visit(one, shop=other, times=1, url=OTHER_URL)
        shop.doors.set()


async def test_another_port_is_another_server_with_the_limit_of_its_host() -> None:
    one, shop, other = manners(shop=2), Shop(), Shop()
    shop.doors.clear()
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(visit(one, shop=shop, times=2))
        await shop.has(2)

        await visit(one, shop=other, times=5, url="https://shop.example:8443/shoe.png")
        shop.doors.set()

    assert other.most == 2


async def test_a_download_that_fails_leaves_its_seat() -> None:
    one = manners(shop=1)
    for _ in range(3):
        with pytest.raises(SourceGone):
            await visit(one, shop=Shop(SourceGone("404")), times=1)


@pytest.mark.parametrize("kind", [SourceThrottled, SourceUnavailable])
async def test_a_host_that_asks_for_a_pause_gets_it(kind: type[SourceThrottled | SourceUnavailable]) -> None:
    one, shop = manners(), Shop(kind("Not now.", retry_after_seconds=60))
    with pytest.raises(kind):
        await visit(one, shop=shop, times=1)

    assert 59 < await refusal(one, shop) <= 60 + SCATTER_SECONDS
    assert shop.all == 1


async def test_a_pause_is_for_one_host() -> None:
    one = manners()
    await throttled(one, Shop(SourceThrottled("Not now.", retry_after_seconds=60)))

    await visit(one, shop=Shop(), times=1, url=OTHER_URL)


async def test_a_pause_has_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    one = manners()
    await throttled(one, Shop(SourceThrottled("Not now.", retry_after_seconds=60)))
    now = monotonic()
    monkeypatch.setattr("packshot.politeness.monotonic", lambda: now + 61)

    await visit(one, shop=Shop(), times=1)


async def test_a_host_cannot_send_us_away_for_ever() -> None:
    one, shop = manners(), Shop(SourceThrottled("Not now.", retry_after_seconds=1e12))
    await throttled(one, shop)

    assert await refusal(one, shop) <= 1000 + SCATTER_SECONDS


async def test_a_host_that_fails_without_asking_for_a_pause_gets_none() -> None:
    one = manners()
    with pytest.raises(SourceUnavailable):
        await visit(one, shop=Shop(SourceUnavailable("500")), times=1)

    await visit(one, shop=Shop(), times=1)


async def test_a_url_that_is_none_is_refused_as_ever() -> None:
    with pytest.raises(UrlInvalid):
        await visit(manners(), shop=Shop(), times=1, url="https://[")


async def test_workers_with_redis_count_together(lines: list[Redis]) -> None:
    shop = Shop()

    await visit(*map(manners, lines), shop=shop, times=40)

    assert (shop.most, shop.all) == (LIMIT, 40)


@pytest.mark.usefixtures("impatient")
async def test_what_one_worker_holds_another_cannot_have(lines: list[Redis]) -> None:
    one, another = map(manners, lines)
    shop = Shop()
    shop.doors.clear()
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(visit(one, shop=shop, times=LIMIT))
        await shop.has(LIMIT)

        await refusal(another, shop)
        shop.doors.set()

    await visit(another, shop=shop, times=LIMIT)


async def test_workers_with_redis_hear_of_each_others_pauses(lines: list[Redis]) -> None:
    one, another = map(manners, lines)
    shop = Shop(SourceThrottled("Not now.", retry_after_seconds=60))
    await throttled(one, shop)

    assert 59 < await refusal(another, shop) <= 60 + SCATTER_SECONDS
    assert shop.all == 1


async def test_a_shorter_pause_does_not_end_a_longer_one(lines: list[Redis]) -> None:
    one, another = map(manners, lines)
    long, short = (Shop(SourceThrottled("Not now.", retry_after_seconds=seconds)) for seconds in (60, 1))
    short.doors.clear()
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(throttled(another, short))
        await short.has(1)
        await throttled(one, long)
        short.doors.set()

    assert await refusal(manners(lines[0]), long) > 50


async def test_what_a_killed_worker_holds_is_free_after_the_longest_download(
    lines: list[Redis], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("packshot.politeness.LEASE_MARGIN_SECONDS", 0)
    one = manners(lines[0], longest_seconds=0.3, shop=2)
    another = manners(lines[1], longest_seconds=30, shop=2)
    shop, open_shop = Shop(), Shop()
    shop.doors.clear()
    async with asyncio.TaskGroup() as tasks:
        for holder in (one, another):  # the first is as good as killed; the second goes on
            tasks.create_task(visit(holder, shop=shop, times=1))
        await shop.has(2)

        await visit(another, shop=open_shop, times=1)

        shop.doors.set()


@pytest.mark.parametrize("end", ["freeze", "kill"])
async def test_without_its_redis_each_worker_counts_for_itself_at_once(
    lines: list[Redis], redis: Server, end: str
) -> None:
    everybody = [manners(line) for line in lines]
    shop = Shop()

    async with without(redis, end):
        await visit(*everybody, shop=shop, times=40)

    assert LIMIT < shop.most <= 2 * LIMIT
    assert shop.all == 40
