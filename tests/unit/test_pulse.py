"""A standstill is noticed by the beat that comes too late."""

import asyncio
import time

import pytest

from packshot import pulse
from packshot.pulse import Pulse


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pulse, "BEAT_SECONDS", 0.001)
    monkeypatch.setattr(pulse, "LONGEST_GAP_SECONDS", 0.2)


async def test_a_standstill_is_remembered() -> None:
    async with Pulse.beating() as heart:
        started = time.monotonic()
        await asyncio.sleep(0)
        time.sleep(0.25)  # noqa: ASYNC251 - nothing else runs meanwhile: that is a standstill
        await asyncio.sleep(0.01)

        assert heart.stood_still_since(started)
        assert not heart.stood_still_since(time.monotonic())


async def test_who_only_waits_does_not_stand_still() -> None:
    async with Pulse.beating() as heart:
        started = time.monotonic()
        await asyncio.sleep(0.25)

        assert not heart.stood_still_since(started)
