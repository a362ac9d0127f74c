"""What happens to servers and to the way there: restarted, killed, frozen, cut off, slowed down."""

import asyncio
from typing import Final

from chaos.books import Incident
from chaos.system import System

FREEZE_SECONDS: Final = 12  # longer than any wait of Packshot's for one answer
SLOW_SECONDS: Final = 12
DELAY_SECONDS: Final = 0.2  # of every chunk of bytes, in both directions


async def trouble_rabbitmq(system: System, turn: int) -> Incident:
    """Restart, kill or freeze it, in turn."""
    troubles = (_restart_broker, _kill_broker, _freeze_broker)
    return await system.suffer(troubles[turn % len(troubles)](system))


async def restart_kafka(system: System, turn: int) -> Incident:
    """Restart it politely, or with kill -9, in turn."""
    troubles = (_restart_broker, _kill_broker)
    return await system.suffer(troubles[turn % len(troubles)](system))


async def restart_postgresql(system: System, _: int) -> Incident:
    """Restart it as if it had crashed."""
    return await system.suffer(_restart_postgresql(system))


async def terminate_connections(system: System, _: int) -> Incident:
    """End all sessions."""
    return await system.suffer(_terminate_connections(system))


async def trouble_cable(system: System, turn: int) -> Incident:
    """Freeze the connections to PostgreSQL, or slow them down, in turn."""
    troubles = (_freeze_cable, _slow_cable)
    return await system.suffer(troubles[turn % len(troubles)](system))


async def _restart_broker(system: System) -> str:
    await system.broker.stop()
    await system.broker.run_again()
    return "restart"


async def _kill_broker(system: System) -> str:
    await system.broker.kill()
    await system.broker.run_again()
    return "kill -9"


async def _freeze_broker(system: System) -> str:
    system.broker.freeze()
    await asyncio.sleep(FREEZE_SECONDS)
    system.broker.thaw()
    return "freeze"


async def _restart_postgresql(system: System) -> str:
    await system.postgresql.restart_immediately()
    return "immediate"


async def _terminate_connections(system: System) -> str:
    return f"{await system.books.terminate_connections()} sessions"


async def _freeze_cable(system: System) -> str:
    system.cable.freeze()
    await asyncio.sleep(FREEZE_SECONDS)
    system.cable.thaw()
    return "half-open"


async def _slow_cable(system: System) -> str:
    system.cable.slow(DELAY_SECONDS)
    await asyncio.sleep(SLOW_SECONDS)
    system.cable.slow(0)
    return "slow"
