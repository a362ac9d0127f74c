"""
Notices that this process has stood still: stopped by a signal, starved, or asleep with its machine.

What runs into a time limit meanwhile is not the supplier's fault, nor the picture's.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from math import inf
from time import monotonic
from typing import Final, Self

BEAT_SECONDS: Final = 0.5
LONGEST_GAP_SECONDS: Final = 3  # a busy machine may be so late


class Pulse:
    """Beats while `beating`; a beat that comes much too late is remembered."""

    def __init__(self) -> None:
        self._stood_still_at = -inf

    @classmethod
    @asynccontextmanager
    async def beating(cls) -> AsyncIterator[Self]:
        """Beat for the length of the block."""
        pulse = cls()
        beat = asyncio.create_task(pulse._beat())
        try:
            yield pulse
        finally:
            beat.cancel()

    def stood_still_since(self, moment: float) -> bool:
        """Say whether a standstill has ended after `moment`, in `monotonic` seconds."""
        return self._stood_still_at > moment

    async def _beat(self) -> None:
        while True:
            before = monotonic()
            await asyncio.sleep(BEAT_SECONDS)
            if monotonic() - before > LONGEST_GAP_SECONDS:
                self._stood_still_at = monotonic()
