"""
What is told of one attempt at an image once it has ended: one line, of one shape, whatever came of it.

    ready      all renditions are there
    retry      it failed and is tried again
    released   given back; the attempt does not count
    failed     it failed for good
    discarded  somebody else had the image by then, or nobody: nothing was written
    left       nothing could be written, or a bug: the sweeper brings the image back

Nothing is decided here, and nothing is written to a row.
"""

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from time import perf_counter
from typing import Final, Literal

from packshot.errors import PackshotError, SourceBusy
from packshot.lifecycle import GiveUp, Release, Retry
from packshot.models import Rendition
from packshot.telemetry import Fact, Span

log = logging.getLogger(__name__)

Outcome = Literal["ready", "retry", "released", "failed", "discarded", "left"]

FOLLOWS: Final[dict[type, Outcome]] = {Retry: "retry", Release: "released", GiveUp: "failed"}
QUIET: Final = ("ready", "discarded")


class Account:
    """One attempt: each step's time in milliseconds, the bytes that came in, what was made of them."""

    def __init__(self, span: Span) -> None:
        self._span = span
        self.outcome: Outcome = "left"
        self.code: str | None = None
        self.milliseconds: dict[str, float] = {}
        self.bytes_in = 0
        self.renditions: Sequence[Rendition] = ()
        self._level = logging.WARNING
        self._reason: str | None = None
        self._delay_seconds: float | None = None
        self._started = perf_counter()

    @property
    def bytes_out(self) -> int:
        """The bytes of all renditions."""
        return sum(rendition.bytes for rendition in self.renditions)

    @contextmanager
    def step(self, name: str, **facts: Fact) -> Iterator[None]:
        """Time the block as the step `name`, also if it fails."""
        started = perf_counter()
        try:
            with self._span(name, **facts):
                yield
        finally:
            self.milliseconds[name] = _milliseconds_since(started)

    def delivers(self, renditions: Sequence[Rendition]) -> None:
        """Write down what was made; the image is ready."""
        self.renditions = renditions
        self.ends("ready")

    def ends(self, outcome: Outcome, reason: str | None = None) -> None:
        """Write down what came of it."""
        self.outcome, self._reason = outcome, reason
        self._level = logging.INFO if outcome in QUIET else logging.WARNING

    def fails(self, error: PackshotError, verdict: Retry | Release | GiveUp) -> None:
        """Write down what went wrong, and what follows."""
        self.ends(FOLLOWS[type(verdict)], str(error))
        self.code = getattr(error, "code", None)
        self._delay_seconds = getattr(verdict, "delay_seconds", None)
        if isinstance(error, SourceBusy):  # a queue is no trouble
            self._level = logging.DEBUG

    def tell(self) -> None:
        """Write the line."""
        log.log(
            self._level,
            "attempt ended",
            extra={
                "outcome": self.outcome,
                "code": self.code,
                "reason": self._reason,
                "retry_in_seconds": self._delay_seconds,
                "bytes_in": self.bytes_in,
                "bytes_out": self.bytes_out,
                "milliseconds": {**self.milliseconds, "all": _milliseconds_since(self._started)},
            },
        )


def _milliseconds_since(moment: float) -> float:
    return round(1000 * (perf_counter() - moment), 1)
