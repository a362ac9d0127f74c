"""The table, and what was missed. Pure."""

import math
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from statistics import median
from typing import Final

from chaos.acts import Outcome
from chaos.books import Recovery
from chaos.verdict import Offence

RECOVERY_SECONDS: Final = 45  # required of 95 of 100 faults
MOST_FAILED: Final = 0.01  # of all images may be so unlucky
KINDS: Final = ("lost", "twice", "stuck")
HEADINGS: Final = (
    "fault",
    "times",
    "images in flight",
    "lost",
    "completed twice",
    "stuck",
    "recovery: median",
    "95 of 100",
    "longest",
)


def table(outcomes: Sequence[Outcome]) -> str:
    """Return one row for each kind of fault, and one for all, as markdown."""
    rows = [row for outcome in outcomes for row in _rows(outcome)]
    recoveries = [recovery for outcome in outcomes for recovery in outcome.recoveries]
    offences = [offence for outcome in outcomes for offence in outcome.verdict.offences]
    rows.append(_row("all", recoveries, offences))
    lines = [HEADINGS, ("---",) * len(HEADINGS), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n\n" + _totals(outcomes)


def failures(outcomes: Sequence[Outcome]) -> list[str]:
    """Say which promises were not kept, the first offenders first; empty if all were."""
    recoveries = [recovery for outcome in outcomes for recovery in outcome.recoveries]
    offences = [offence for outcome in outcomes for offence in outcome.verdict.offences]
    found = [f"image {o.image_id}: {o.kind}, {o.what}" for o in offences[:20]]
    found += [history for outcome in outcomes for history in outcome.verdict.histories]
    for fault in dict.fromkeys(recovery.fault for recovery in recoveries):
        seconds = percentile([r for r in recoveries if r.fault == fault], 0.95)
        if seconds > RECOVERY_SECONDS:
            found.append(f"{fault}: recovery took {seconds:.0f} s, {RECOVERY_SECONDS} s are allowed")
    failed = sum(verdict.failed.total() for verdict in (outcome.verdict for outcome in outcomes))
    images = sum(outcome.verdict.images for outcome in outcomes)
    if failed > MOST_FAILED * images:
        found.append(f"{failed} of {images} images lost three workers; that is more than bad luck")
    return found


def percentile(recoveries: Iterable[Recovery], share: float) -> float:
    """Return the seconds that this share of the recoveries did not exceed; 0 if there are none."""
    seconds = sorted(recovery.seconds for recovery in recoveries if recovery.seconds is not None)
    return seconds[math.ceil(share * len(seconds)) - 1] if seconds else 0.0


def _rows(outcome: Outcome) -> Iterator[tuple[str, ...]]:
    for fault in dict.fromkeys(recovery.fault for recovery in outcome.recoveries):
        recoveries = [recovery for recovery in outcome.recoveries if recovery.fault == fault]
        concerned = {image for recovery in recoveries for image in recovery.incident.images}
        offences = [offence for offence in outcome.verdict.offences if offence.image_id in concerned]
        yield _row(fault, recoveries, offences)


def _row(fault: str, recoveries: Collection[Recovery], offences: Collection[Offence]) -> tuple[str, ...]:
    seconds = [recovery.seconds for recovery in recoveries if recovery.seconds is not None] or [0]
    in_flight = sum(len(recovery.incident.images) for recovery in recoveries)
    counts = [str(sum(offence.kind == kind for offence in offences)) for kind in KINDS]
    times = (median(seconds), percentile(recoveries, 0.95), max(seconds))
    return fault, str(len(recoveries)), str(in_flight), *counts, *(f"{time:.1f} s" for time in times)


def _totals(outcomes: Sequence[Outcome]) -> str:
    verdicts = [outcome.verdict for outcome in outcomes]
    attempts = sum(offence.kind == "attempt" for verdict in verdicts for offence in verdict.offences)
    failed = dict(sum((verdict.failed for verdict in verdicts), Counter[str]()))
    products, images = sum(v.products for v in verdicts), sum(v.images for v in verdicts)
    lives = {figure: max(v.lives[figure] for v in verdicts) for figure in ("median", "most", "longest")}
    return (
        f"{products:,} products accepted, {images:,} images; "
        f"attempts used up by infrastructure: {attempts}; failed with a code: {failed or 'none'}. "
        f"From being accepted to its end an image took {lives['median']:.1f} s (median), "
        f"{lives['most']:.1f} s (95 of 100), {lives['longest']:.1f} s (longest)."
    )
