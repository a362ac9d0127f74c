"""Who holds a slot, who has stepped aside, and who goes first."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Final

import pytest

from packshot.slots import Slots

TURNS: Final = 20  # of the event loop: more than anything here takes that needs no clock


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who waits steps aside after no time at all."""
    monkeypatch.setattr("packshot.slots.MOMENT_SECONDS", 0)


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


async def test_who_waits_keeps_its_slot_while_no_place_is_free() -> None:
    async with images(Slots(2, places=3), 7) as everybody:
        assert places_of(everybody) == ["the source"] * 5 + ["the door"] * 2


async def test_a_place_that_gets_free_is_taken_by_somebody_who_waits_with_a_slot() -> None:
    async with images(Slots(1, places=1), 3) as everybody:
        assert places_of(everybody) == ["the source", "the source", "the door"]

        everybody[0].answer.set_result(None)
        await everybody_goes_on()

        assert places_of(everybody) == ["work", "the source", "the door"]


async def test_who_comes_back_goes_before_who_is_new() -> None:
    async with images(Slots(1, places=1), 1) as (first,), images(first.slots, 2) as (second, third):
        first.answer.set_result(None)
        second.answer.set_result(None)
        await everybody_goes_on()
        assert places_of([first, second, third]) == ["the door again", "work", "the door"]

        second.is_made.set()
        await everybody_goes_on()

        assert places_of([first, second, third]) == ["work", "home", "the door"]


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


@pytest.mark.parametrize("end", [fail, succeed, lambda _: None])
@pytest.mark.parametrize("is_cancelled_at_once", [True, False])
async def test_all_slots_and_places_are_free_when_all_have_gone(
    end: Callable[[Image], None], *, is_cancelled_at_once: bool
) -> None:
    slots = Slots(2, places=2)
    async with images(slots, 6) as everybody:
        for image in everybody[:4]:
            end(image)
        if not is_cancelled_at_once:
            await everybody_goes_on()

    async with images(slots, 5) as everybody:
        assert places_of(everybody) == ["the source"] * 4 + ["the door"]
        for image in everybody:
            image.answer.set_result(None)
        await everybody_goes_on()
        assert places_of(everybody) == ["the door again"] * 2 + ["work"] * 2 + ["the door"]


async def test_who_need_not_wait_keeps_its_slot(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("packshot.slots.MOMENT_SECONDS", 60)

    async with images(Slots(1), 2) as everybody:
        assert places_of(everybody) == ["the source", "the door"]
