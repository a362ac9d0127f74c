"""
What new presets have changed, in bytes and in scores: of each preset and format, before and after.

A rendition is compared with the one that it took the place of; what was not there before counts as no bytes,
and what was not measured is in no mean.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from packshot.models import Rendition
from packshot.presets import STAND_INS

SCORE_DIGITS: Final = 2


@dataclass(slots=True)
class Side:
    """What renditions of one preset and format come to, either before or after."""

    bytes: int = 0
    measured: int = 0
    scores: float = 0

    def add(self, rendition: Rendition) -> None:
        """Count this one, too."""
        self.bytes += rendition.bytes
        if rendition.score is not None:
            self.measured += 1
            self.scores += rendition.score

    @property
    def score(self) -> float | None:
        """The mean of what was measured."""
        return round(self.scores / self.measured, SCORE_DIGITS) if self.measured else None


@dataclass(slots=True)
class Change:
    """Renditions of one preset and format that took the place of others."""

    images: int = 0
    before: Side = field(default_factory=Side)
    after: Side = field(default_factory=Side)


@dataclass(slots=True)
class Comparison:
    """What has become of images; `left` counts by code those that could not be brought up to date."""

    images: int = 0
    changes: dict[tuple[str, str], Change] = field(default_factory=dict)
    left: Counter[str] = field(default_factory=Counter)

    def add(self, old: Sequence[Rendition], new: Iterable[tuple[str, Rendition]]) -> None:
        """Count an image that had `old` renditions, and what came: the wanted format and the rendition."""
        self.images += 1
        for format_, rendition in new:
            before = predecessor(old, rendition.preset, format_)
            if before and before.key == rendition.key:
                continue
            change = self.changes.setdefault((rendition.preset, format_), Change())
            change.images += 1
            change.after.add(rendition)
            if before:
                change.before.add(before)

    @property
    def saved_bytes(self) -> int:
        """By how much everything has become smaller."""
        return sum(change.before.bytes - change.after.bytes for change in self.changes.values())

    def summary(self) -> dict[str, Any]:
        """Return the numbers by their names."""
        renditions = [
            {
                "preset": preset,
                "format": format_,
                "images": change.images,
                "bytes_before": change.before.bytes,
                "bytes_after": change.after.bytes,
                "score_before": change.before.score,
                "score_after": change.after.score,
            }
            for (preset, format_), change in self.changes.items()
        ]
        return {"images": self.images, "renditions": renditions, "left": dict(sorted(self.left.items()))}


def predecessor(old: Iterable[Rendition], preset: str, format_: str) -> Rendition | None:
    """Return what a rendition of this preset, wanted in this format, takes the place of."""
    of_preset = {rendition.format: rendition for rendition in old if rendition.preset == preset}
    return of_preset.get(format_) or of_preset.get(STAND_INS.get(format_, format_))
