"""
An act: one broker, everything running, each fault in its turn, and the books at the end.

Before the first fault each picture is made once in peace; that is what all others are compared with.
"""

import asyncio
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import Final

from chaos.books import Incident, Recovery
from chaos.faults import Fault
from chaos.system import System, running
from chaos.verdict import Pixels, Verdict, judge, learn

RECOVERY_SECONDS: Final = 90  # nobody waits longer before the next fault
SETTLE_SECONDS: Final = 120
SLOW_SECONDS: Final = 40  # then the history of the last image is told


@dataclass(frozen=True, slots=True)
class Outcome:
    """What an act has shown."""

    recoveries: Sequence[Recovery]
    verdict: Verdict


@dataclass(frozen=True, slots=True)
class Options:
    """How an act is played."""

    times: Callable[[Fault], int]
    seed: int
    logs: Path | None


async def play(act: str, faults: Sequence[Fault], options: Options) -> Outcome:
    """Play an act; raise ServerMissing if it needs a server that is not there."""
    print(f"{_now()} {act} …", file=sys.stderr)
    async with running(act, Random(options.seed), options.logs) as system:  # noqa: S311 - to be repeated
        expected = await learn(system)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(system.load.run())
            recoveries = await _strike_all(system, faults, options)
            system.load.stop()
        return await _settle(system, recoveries, expected)


async def _strike_all(system: System, faults: Sequence[Fault], options: Options) -> list[Recovery]:
    async with asyncio.TaskGroup() as tasks:
        watches = []
        for fault in faults:
            for turn in range(options.times(fault)):
                incident = await fault.strike(system, turn)
                watch = tasks.create_task(_watch(system, fault, turn, incident))
                watches.append(watch)
                if not fault.may_overlap:
                    await watch
                await asyncio.sleep(fault.pause_seconds)
    return [watch.result() for watch in watches]


async def _watch(system: System, fault: Fault, turn: int, incident: Incident) -> Recovery:
    recovery = await system.books.recovery(fault.name, incident, RECOVERY_SECONDS)
    took = "nothing in flight" if recovery.seconds is None else f"recovered in {recovery.seconds:.1f} s"
    print(
        f"{_now()} {fault.name} {turn + 1}: {incident.remark}, {len(incident.images)} in flight, {took}",
        file=sys.stderr,
    )
    if (recovery.seconds or 0) > SLOW_SECONDS:
        print(await system.books.history(recovery.last_image), file=sys.stderr)
    return recovery


async def _settle(system: System, recoveries: list[Recovery], expected: Pixels) -> Outcome:
    await system.books.settled(await system.books.unfinished(), SETTLE_SECONDS)
    return Outcome(recoveries, await judge(system, expected))


def _now() -> str:
    return f"{datetime.now(UTC):%H:%M:%S}"
