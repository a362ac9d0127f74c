"""
All connections of a server together: when they or their bodies become too many, somebody must go.

Those go first whose clients have kept us waiting longest. An honest client sends its request at once, so it
is hardly ever among them, however many others there are that do not.
"""

from typing import Final, Protocol

MAX_CONNECTIONS: Final = 4_000  # each costs about 6 kB
MAX_HELD_BYTES: Final = 48_000_000  # all bodies together: four of the largest


class Waiting(Protocol):
    """A connection that waits for its client."""

    @property
    def held_bytes(self) -> int:
        """Return how many bytes of bodies it has."""

    def give_way(self) -> None:
        """Go, and leave the crowd."""


class Crowd:
    """Those who wait, longest first, and the bytes of all bodies, whoever has them."""

    def __init__(self, most: int = MAX_CONNECTIONS) -> None:
        self.most = most
        self.held_bytes = 0
        self._waiting: dict[Waiting, None] = {}

    def wait(self, connection: Waiting) -> None:
        """Put it last in line."""
        self._waiting.pop(connection, None)
        self._waiting[connection] = None

    def leave(self, connection: Waiting) -> None:
        """It waits no longer."""
        self._waiting.pop(connection, None)

    def make_room(self) -> None:
        """Send the first in line away."""
        next(iter(self._waiting)).give_way()

    def make_room_for_bodies(self) -> bool:
        """Send those away who wait for the rest of a body; False if that is not enough."""
        while self.held_bytes > MAX_HELD_BYTES:
            holder = next((connection for connection in self._waiting if connection.held_bytes), None)
            if holder is None:
                return False
            holder.give_way()
        return True
