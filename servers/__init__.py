"""
The real servers that tests, chaos runs and benchmarks talk to, each private to whoever starts it.

    async with RabbitMQ.start(folder) as server:
        ... server.url ...

A server has free ports of its own on 127.0.0.1, and everything it writes is in its folder. It is gone
when the block ends, and also when the process that started it is killed. servers/install.sh puts the
programs there; nothing here is part of Packshot, and nothing here knows pytest.
"""

from typing import Protocol


class ServerMissing(Exception):
    """The server's program is not on this machine; the message says how to get it."""


class ServerFailed(Exception):
    """The server did not come up; the message ends with its last words."""


class Server(Protocol):
    """A running server, and what can happen to one."""

    @property
    def url(self) -> str:
        """Where it is, as PACKSHOT_BROKER_URL or PACKSHOT_DATABASE_URL names it."""

    async def stop(self) -> None:
        """Ask it to end, as its operator would, and wait until it has."""

    async def kill(self) -> None:
        """Kill all of it at once, frozen or not."""

    async def run_again(self) -> None:
        """Start it with the same address and data after its end, and return when it answers."""

    def freeze(self) -> None:
        """Let it hang: connections stay open, and nobody answers."""

    def thaw(self) -> None:
        """Let it go on after `freeze`."""
