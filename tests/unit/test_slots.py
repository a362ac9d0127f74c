"""Who holds a slot, who has stepped aside, and who goes first."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Final

import pytest

from packshot.errors import SourceBusy
from packshot.slots import CROWD_SECONDS, SOONEST_SECONDS, Slots

TURNS: Final = 20  # of the event loop: more than anything here takes that needs no clock


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who waits steps aside after no time at all, and nobody waits for long."""
    monkeypatch.setattr("packshot.slots.MOMENT_SECONDS", 0)
    monkeypatch.setattr("packshot.slots.LONG_SECONDS", 60)


class Image:
    """Takes a slot, waits for `answer`, works until `is_made`, and leaves."""

    def __init__(self, slots: Slots) -> None:
        self.slots = slots
        self.is_at = "the door"
        self.answer = asyncio.get_running_loop().create_future()
        self.is_made = asyncio.Event()
        self.task = asyncio.create_task(self.go())

    async def go(self) -> None:
        await self.slots.take()
        try:
            self.is_at = "the source"
            async with self.slots.stepping_aside():
                await self.answer
                self.is_at = "the door again"
            self.is_at = "work"
            await self.is_made.wait()
        finally:
            self.slots.leave()
            self.is_at = "home"


@asynccontextmanager
async def images(slots: Slots, count: int) -> AsyncIterator[list[Image]]:
    """That many images, one after the other, until the block ends; then all slots must be free."""
    everybody = [Image(slots) for _ in range(count)]
    await everybody_goes_on()
    yield everybody
    for image in everybody:
        image.task.cancel()
    await asyncio.gather(*(image.task for image in everybody), return_exceptions=True)


async def everybody_goes_on() -> None:
    for _ in range(TURNS):
        await asyncio.sleep(0)


def places_of(everybody: list[Image]) -> list[str]:
    return [image.is_at for image in everybody]


async def test_who_waits_does_without_a_slot() -> None:
    async with images(Slots(1), 3) as everybody:
        assert places_of(everybody) == ["the source"] * 3


async def test_no_more_images_are_at_work_than_there_are_slots() -> None:
    async with images(Slots(2), 5) as everybody:
        for image in everybody:
            image.answer.set_result(None)
        await everybody_goes_on()

        assert places_of(everybody) == ["work"] * 2 + ["the door again"] * 3


async def test_who_finds_no_place_is_sent_away_and_the_next_gets_the_slot() -> None:
    async with images(Slots(1, places=2), 3) as everybody:
        third = everybody[2]
        assert places_of(everybody) == ["the source", "the source", "home"]

        everybody[0].answer.set_result(None)
        await everybody_goes_on()

        assert places_of(everybody) == ["work", "the source", "home"]
        assert isinstance(third.task.exception(), SourceBusy)


async def test_who_waits_for_long_leaves_half_of_the_places_to_others(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    slots = Slots(1, places=4)
    monkeypatch.setattr("packshot.slots.LONG_SECONDS", 0)
    async with images(slots, 4) as everybody:
        assert places_of(everybody) == ["the source"] * 2 + ["home"] * 2

        monkeypatch.setattr("packshot.slots.LONG_SECONDS", 60)
        async with images(slots, 2) as others:
            assert places_of(others) == ["the source"] * 2


async def test_who_waited_for_long_leaves_the_place_to_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    slots = Slots(1, places=2)
    monkeypatch.setattr("packshot.slots.LONG_SECONDS", 0)
    for _ in range(2):
        async with images(slots, 1) as everybody:
            assert places_of(everybody) == ["the source"]


async def test_a_slot_is_not_lost_with_somebody_who_goes_when_it_is_their_turn() -> None:
    slots = Slots(1)
    await slots.take()
    leaving = asyncio.create_task(slots.take())
    await everybody_goes_on()

    slots.leave()
    leaving.cancel()
    await asyncio.wait([leaving])

    await asyncio.wait_for(slots.take(), timeout=1)


async def test_who_is_sent_away_is_told_what_all_may_wait_for() -> None:
    async with images(Slots(1, places=0), 1) as (image,):
        assert "slow sources" in str(image.task.exception())
        assert "twins" in str(image.task.exception())


async def test_those_who_are_sent_away_come_back_one_after_the_other() -> None:
    async with images(Slots(1, places=0), 3) as everybody:
        errors = [image.task.exception() for image in everybody]

    delays = [error.retry_after_seconds for error in errors if isinstance(error, SourceBusy)]
    assert delays == pytest.approx([SOONEST_SECONDS + n * CROWD_SECONDS for n in range(3)], abs=0.02)


async def test_a_limit_that_the_wait_itself_runs_into_is_not_ours() -> None:
    async with images(Slots(1), 1) as (image,):
        image.answer.set_exception(TimeoutError())
        await everybody_goes_on()

        assert isinstance(image.task.exception(), TimeoutError)


async def test_who_comes_back_goes_before_who_is_new() -> None:
    slots = Slots(1)
    async with images(slots, 2) as (first, second):
        second.answer.set_result(None)
        await everybody_goes_on()
        first.answer.set_result(None)
        async with images(slots, 1) as (new,):
            assert places_of([first, second, new]) == ["the door again", "work", "the door"]

            second.is_made.set()
            await everybody_goes_on()

            assert places_of([first, second, new]) == ["work", "home", "the door"]


async def test_who_fails_aside_does_not_wait_for_a_slot() -> None:
    async with images(Slots(1), 2) as (failing, working):
        working.answer.set_result(None)
        await everybody_goes_on()

        failing.answer.set_exception(ConnectionError())
        await everybody_goes_on()

        assert places_of([failing, working]) == ["home", "work"]


def fail(image: Image) -> None:
    image.answer.set_exception(ConnectionError())


def succeed(image: Image) -> None:
    image.answer.set_result(None)
    image.is_made.set()


def arrive(image: Image) -> None:
    image.answer.set_result(None)


@pytest.mark.parametrize("end", [fail, succeed, arrive, lambda _: None])
@pytest.mark.parametrize("is_cancelled_at_once", [True, False])
async def test_all_slots_and_places_are_free_when_all_have_gone(
    end: Callable[[Image], None], *, is_cancelled_at_once: bool
) -> None:
    slots = Slots(2, places=4)
    async with images(slots, 5) as everybody:
        for image in everybody[:4]:
            end(image)
        if not is_cancelled_at_once:
            await everybody_goes_on()

    async with images(slots, 5) as everybody:
        assert places_of(everybody) == ["the source"] * 4 + ["home"]
        for image in everybody[:4]:
            image.answer.set_result(None)
        await everybody_goes_on()
        assert places_of(everybody) == ["work"] * 2 + ["the door again"] * 2 + ["home"]


async def test_who_need_not_wait_keeps_its_slot(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("packshot.slots.MOMENT_SECONDS", 60)

    async with images(Slots(1), 2) as everybody:
        assert places_of(everybody) == ["the source", "the door"]
