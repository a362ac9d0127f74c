"""Between the measured points of a curve: what would it cost to look exactly as good as somebody else?"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import exp, log


@dataclass(frozen=True, slots=True)
class Point:
    """Mean score, bytes and processor seconds of a picture in one setting."""

    score: float
    bytes: float
    seconds: float


def at_score(curve: Sequence[Point], score: float) -> Point | None:
    """Return the point of this score, between its neighbours; None outside of the curve.

    The logarithm of the bytes is what grows evenly with the score.
    """
    points = sorted(curve, key=lambda point: point.score)
    for low, high in pairwise(points):
        if low.score <= score <= high.score and low.score < high.score:
            part = (score - low.score) / (high.score - low.score)
            size = exp(_between(log(low.bytes), log(high.bytes), part))
            return Point(score, size, _between(low.seconds, high.seconds, part))
    return None


def _between(low: float, high: float, part: float) -> float:
    return low + (high - low) * part
