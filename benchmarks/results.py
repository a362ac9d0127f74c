"""A figure, what is required of it, and how it came about."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median


@dataclass(frozen=True, slots=True)
class AtLeast:
    """The figure must not be smaller."""

    limit: float

    def is_met(self, figure: float) -> bool:
        """Compare."""
        return figure >= self.limit

    def __str__(self) -> str:
        return f"≥ {self.limit:g}"


@dataclass(frozen=True, slots=True)
class AtMost:
    """The figure must not be larger."""

    limit: float

    def is_met(self, figure: float) -> bool:
        """Compare."""
        return figure <= self.limit

    def __str__(self) -> str:
        return f"≤ {self.limit:g}"


@dataclass(frozen=True, slots=True)
class Result:
    """The answer to one question; `figure` is None where it could not be had, and `detail` says why.

    `required` is None where a figure is good to know and nothing depends on it.
    """

    question: str
    figure: float | None
    unit: str
    required: AtLeast | AtMost | None
    detail: str

    @property
    def is_missed(self) -> bool:
        """Tell whether the figure was had and is not good enough."""
        if self.figure is None or self.required is None:
            return False
        return not self.required.is_met(self.figure)

    def cells(self) -> tuple[str, str, str, str, str]:
        """Return the row of the table."""
        figure = "not measured" if self.figure is None else f"{self.figure:.3g} {self.unit}".rstrip()
        if self.required is None:
            return self.question, figure, "", "", self.detail
        met = "?" if self.figure is None else "no" if self.is_missed else "yes"
        return self.question, figure, f"{self.required} {self.unit}".rstrip(), met, self.detail


def ratio(
    question: str, rounds: Sequence[tuple[float, float]], unit: str, required: AtLeast | None
) -> Result:
    """Sum up rounds of (ours, theirs), in `unit` per second: the median of the ratios of each round."""
    ratios = [ours / theirs for ours, theirs in rounds]
    ours, theirs = (median(side) for side in zip(*rounds, strict=True))
    detail = (
        f"{ours:,.4g} ÷ {theirs:,.4g} {unit}/s; {len(rounds)} rounds, {min(ratios):.2f} to {max(ratios):.2f}"
    )
    return Result(question, median(ratios), "", required, detail)
