"""
How many requests each caller may send: a bucket of a minute's worth, which fills again all the time.

It is counted in this process alone: where three of them serve, a key has three times as many. Headers tell
how much is left, as in draft-ietf-httpapi-ratelimit-headers-11.
"""

from collections.abc import Callable, Hashable
from dataclasses import dataclass
from math import ceil
from time import monotonic
from typing import Final

WINDOW_SECONDS: Final = 60
MOST_CALLERS: Final = 10_000  # the one that came first is forgotten, and may begin again


@dataclass(frozen=True, slots=True)
class Allowance:
    """What a caller has left."""

    policy: str
    per_minute: int
    left: float
    granted: bool

    @property
    def retry_after(self) -> int:
        """Return in how many seconds there is one more."""
        return max(1, ceil((1 - self.left) * WINDOW_SECONDS / self.per_minute))

    @property
    def headers(self) -> dict[str, str]:
        """Say it in headers."""
        full_in = ceil((self.per_minute - self.left) * WINDOW_SECONDS / self.per_minute)
        retry = {} if self.granted else {"Retry-After": str(self.retry_after)}
        return {
            "RateLimit-Policy": f'"{self.policy}";q={self.per_minute};w={WINDOW_SECONDS}',
            "RateLimit": f'"{self.policy}";r={int(self.left)};t={full_in}',
            **retry,
        }


class Rates:
    """The buckets of all callers under one policy."""

    def __init__(self, policy: str, clock: Callable[[], float] = monotonic) -> None:
        self._policy = policy
        self._clock = clock
        self._buckets: dict[Hashable, tuple[float, float]] = {}

    def take(self, caller: Hashable, per_minute: int) -> Allowance:
        """Take one request out of the caller's bucket, if there is one in it."""
        now = self._clock()
        left, since = self._buckets.pop(caller, (per_minute, now))
        left = min(per_minute, left + (now - since) * per_minute / WINDOW_SECONDS)
        granted = left >= 1
        left -= granted
        if len(self._buckets) >= MOST_CALLERS:
            del self._buckets[next(iter(self._buckets))]
        self._buckets[caller] = (left, now)
        return Allowance(self._policy, per_minute, left, granted)
