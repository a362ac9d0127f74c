"""
What follows an attempt to deliver: a pure decision, made from what came back and how long we have tried.

We wait about as long again as we have waited already, from seconds up to some hours, and half of it is
chance. So attempts become rarer by themselves, without a count, and the last one is a day after the first.
"""

import random
from dataclasses import dataclass
from typing import Final

DAY_SECONDS: Final = 86_400.0
SHORTEST_SECONDS: Final = 5.0
LONGEST_SECONDS: Final = 4 * 3_600.0
GONE: Final = 410


@dataclass(frozen=True, slots=True)
class Receipt:
    """What came of one attempt: the status, if there was an answer, or why it is no good."""

    milliseconds: int
    status: int | None = None
    error: str | None = None
    retry_after_seconds: float | None = None


@dataclass(frozen=True, slots=True)
class Delivered:
    """The receiver has it."""


@dataclass(frozen=True, slots=True)
class Later:
    """Try again after `delay_seconds`."""

    delay_seconds: float


@dataclass(frozen=True, slots=True)
class Failed:
    """Nobody tries again unless a person asks for it; `is_gone`: the receiver wants nothing any more."""

    is_gone: bool = False


def judge(receipt: Receipt, age_seconds: float) -> Delivered | Later | Failed:
    """Decide what follows an attempt, `age_seconds` after the first one could have been made."""
    if receipt.error is None:
        return Delivered()
    if receipt.status == GONE:
        return Failed(is_gone=True)
    if age_seconds >= DAY_SECONDS:
        return Failed()
    delay = max(_backoff(age_seconds), receipt.retry_after_seconds or 0)
    return Later(min(delay, DAY_SECONDS - age_seconds))


def _backoff(age_seconds: float) -> float:
    longest = min(max(2 * age_seconds, SHORTEST_SECONDS), LONGEST_SECONDS)
    return longest / 2 + random.uniform(0, longest / 2)  # noqa: S311 - spreads load, hides nothing
