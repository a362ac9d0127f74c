"""How politeness foretells: who waits for a slow server, and when those come back whom it sends away."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from itertools import pairwise
from pathlib import Path
from typing import Final

import pytest

from packshot.errors import (
    ImageError,
    SourceBusy,
    SourceThrottled,
    SourceUnavailable,
)
from packshot.models import Source
from packshot.politeness import (
    BOOKED_SECONDS,
    CROWD_SECONDS,
    MOST_SERVERS,
    PATIENCE_SECONDS,
    SOONEST_SECONDS,
    Manners,
)

TO: Final = Path("nowhere")
LIMIT: Final = 2


class Clock:
    """What politeness takes for the time."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class SlowShop:
    """Each of its visits takes `seconds`, in no time, and fails with `error` if it has one."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.seconds = 0.0
        self.error: Exception | None = None
        self.visitors = 0
        self.most = 0
        self.doors = asyncio.Event()
        self.doors.set()

    async def download(self, _: str, __: Path) -> Source:
        self.visitors += 1
        self.most = max(self.most, self.visitors)
        try:
            await self.doors.wait()
        finally:
            self.visitors -= 1
        self.clock.now += self.seconds
        if self.error:
            raise self.error
        return Source("0" * 64, 1, "png")


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr("packshot.politeness.monotonic", clock)
    return clock


@pytest.fixture
def shop(clock: Clock) -> SlowShop:
    return SlowShop(clock)


@pytest.fixture
def manners() -> Manners:
    return Manners(LIMIT, {}, longest_seconds=30, longest_pause_seconds=1000)


async def visit(manners: Manners, shop: SlowShop, host: str = "shop.example") -> None:
    with suppress(ImageError):
        await manners.polite(shop.download)(f"https://{host}/shoe.png", TO)


async def is_sent_away(manners: Manners, shop: SlowShop) -> float:
    """The seconds after which one may come back; fails the test if one has to wait for that, or is let in."""
    refusal = asyncio.ensure_future(manners.polite(shop.download)("https://shop.example/shoe.png", TO))
    for _ in range(10):
        await asyncio.sleep(0)
    assert refusal.done(), "one is let wait, or let in"
    error = refusal.exception()
    assert isinstance(error, SourceBusy)
    return error.retry_after_seconds


@asynccontextmanager
async def crowded(manners: Manners, shop: SlowShop, visitors: int = LIMIT) -> AsyncIterator[None]:
    """Keep so many visitors in the shop during the block."""
    shop.doors.clear()
    async with asyncio.TaskGroup() as tasks:
        for _ in range(visitors):
            tasks.create_task(visit(manners, shop))
        for _ in range(10):
            await asyncio.sleep(0)
        assert shop.visitors == visitors
        yield
        shop.doors.set()


async def test_nobody_waits_for_a_server_whose_visitors_have_been_there_for_long(
    manners: Manners, shop: SlowShop, clock: Clock
) -> None:
    async with crowded(manners, shop):
        clock.now += PATIENCE_SECONDS + 0.1

        assert await is_sent_away(manners, shop) >= SOONEST_SECONDS


async def test_nobody_waits_for_a_server_that_has_been_slow_to_others(
    manners: Manners, shop: SlowShop
) -> None:
    shop.seconds = 20
    await visit(manners, shop)

    async with crowded(manners, shop):
        assert await is_sent_away(manners, shop) >= SOONEST_SECONDS


async def test_who_is_sent_away_comes_back_one_after_the_other_at_the_servers_own_speed(
    manners: Manners, shop: SlowShop
) -> None:
    shop.seconds = 10
    for _ in range(30):  # until it is certain
        await visit(manners, shop)

    async with crowded(manners, shop):
        appointments = [await is_sent_away(manners, shop) for _ in range(5)]

    gaps = [later - sooner for sooner, later in pairwise(appointments)]
    assert gaps == pytest.approx([10 / LIMIT] * 4, rel=0.01)


async def test_however_long_the_queue_few_of_it_ask_at_a_time_and_all_ask_soon(
    manners: Manners, shop: SlowShop
) -> None:
    shop.seconds = 30
    for _ in range(30):
        await visit(manners, shop)

    async with crowded(manners, shop):
        appointments = [await is_sent_away(manners, shop) for _ in range(1_000)]

    assert max(appointments) < BOOKED_SECONDS + 30 + 1_000 * CROWD_SECONDS
    assert all(
        sum(second <= moment < second + 1 for moment in appointments) <= 1 / CROWD_SECONDS + 1
        for second in range(200)
    )


async def test_servers_that_were_visited_long_ago_are_forgotten(manners: Manners, shop: SlowShop) -> None:
    shop.seconds = 20
    await visit(manners, shop)
    shop.seconds = 0
    for number in range(MOST_SERVERS):
        await visit(manners, shop, f"{number}.example")

    async with crowded(manners, shop), asyncio.TaskGroup() as tasks:
        tasks.create_task(visit(manners, shop))  # waits, as for one that nobody knows
        shop.doors.set()


@pytest.mark.parametrize("kind", [SourceThrottled, SourceUnavailable])
async def test_a_server_that_asked_for_a_pause_is_not_forgotten_before_its_end(
    manners: Manners, shop: SlowShop, kind: type[SourceThrottled | SourceUnavailable]
) -> None:
    shop.error = kind("Not now.", retry_after_seconds=60)
    await visit(manners, shop)
    shop.error = None
    for number in range(MOST_SERVERS):
        await visit(manners, shop, f"{number}.example")

    assert await is_sent_away(manners, shop) > 59
