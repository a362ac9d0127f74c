"""What happens to workers: killed at any moment and at each step, frozen past their lease, replaced."""

import asyncio
from collections.abc import Awaitable
from itertools import product
from time import time
from typing import Final

from chaos.books import Incident
from chaos.members import Member
from chaos.system import LEASE_SECONDS, System
from chaos.worker import STEPS

LATE_SECONDS: Final = 3
DOOMED_SECONDS: Final = 15  # a doomed worker that has not come to its step by then is killed
MOST_CALLS: Final = 3
BURST: Final = 60  # more than may be published at once: the rest is left to the workers
STANDSTILLS: Final = ("Images.finish:before", "Images.note_source:before", "LocalStore.put:before")
DOOMS: Final = [f"{step}:{moment}" for moment, step in product(("after", "before"), STEPS)]


async def kill(system: System, turn: int) -> Incident:
    """Kill a worker at a random moment, and let its next life end at a step: that is the next turn."""
    if turn % 2:
        return await _die_at_a_step(system, DOOMS[turn // 2 % len(DOOMS)])
    alive = [worker for worker in system.workers if worker.is_alive]
    victim = system.chance.choice(await _busy(system) or alive)
    victim.condemn(f"SIGKILL:{DOOMS[turn // 2 % len(DOOMS)]}:{system.chance.randint(1, MOST_CALLS)}")
    return await _after(system, victim.kill(), "at random")


async def stop_past_the_lease(system: System, turn: int) -> Incident:
    """Freeze a worker, at a step or at random, until others have taken its images; then let it go on."""
    step = STANDSTILLS[turn // 2 % len(STANDSTILLS)]
    victim = await (_stop_at_random(system) if turn % 2 else _stop_at_a_step(system, step))
    incident = Incident(time(), await system.books.in_hand(victim.pid), "at random" if turn % 2 else step)
    await asyncio.sleep(LEASE_SECONDS + LATE_SECONDS)
    victim.thaw()
    return incident


async def churn(system: System, turn: int) -> Incident:
    """Stop a worker politely and start another in its place: the group is divided anew, twice."""
    victim = system.workers[turn % len(system.workers)]
    return await system.suffer(_replace(victim))


async def _replace(victim: Member) -> str:
    await victim.stop()
    victim.go()
    return "replaced"


async def _stop_at_random(system: System) -> Member:
    victim = (await _busy(system) or system.workers)[0]
    victim.freeze()
    return victim


async def _stop_at_a_step(system: System, step: str) -> Member:
    victim = system.chance.choice(system.workers)
    await victim.stop()
    victim.condemn(f"SIGSTOP:{step}:{MOST_CALLS}")
    victim.go()
    await victim.standstill()
    return victim


async def _die_at_a_step(system: System, doom: str) -> Incident:
    victim = next(worker for worker in system.workers if worker.doomed)
    if doom.startswith("RemoteBroker.publish"):  # who has submitted publishes, up to the window
        await system.load.submit(BURST)
    try:
        async with asyncio.timeout(DOOMED_SECONDS):
            return await _after(system, victim.doomsday(), doom)
    except TimeoutError:
        victim.doomed = None
        return await _after(system, victim.kill(), f"{doom} not reached")


async def _busy(system: System) -> list[Member]:
    by_pid = {worker.pid: worker for worker in system.workers if worker.is_alive}
    return [by_pid[pid] for pid in await system.books.busy(by_pid)]


async def _after(system: System, death: Awaitable[int], remark: str) -> Incident:
    pid = await death
    return Incident(time(), await system.books.in_hand(pid), remark)
