"""What was found, as Markdown, and where it goes in the document. Pure."""

import platform
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from benchmarks.quality.automatic import Automatic
from benchmarks.quality.contest import Entry
from benchmarks.quality.crops import Crop
from benchmarks.quality.curve import Point, at_score
from benchmarks.results import AtMost, Result
from packshot import __version__

BEGIN: Final = "<!-- measured by make bench-quality -->"
END: Final = "<!-- until here -->"
CURVES: Final = {"fixed quality": "Packshot AVIF", "automatic quality": "Packshot AVIF automatic"}
RIVALS: Final = ("Pillow WebP", "sharp WebP")
MOST_BYTES: Final = 0.75
MOST_TIME: Final = 1.0
MILLI: Final = 1000


@dataclass(frozen=True, slots=True)
class Conditions:
    """What the figures hold for."""

    pictures: int
    pixels: int
    rounds: int
    programs: str

    @property
    def subject(self) -> str:
        """Return what was made."""
        return f"{self.pictures} pictures, {self.pixels} px"

    def __str__(self) -> str:
        return (
            f"{self.subject}; Packshot {__version__}, {self.programs}; "
            f"{platform.system()} {platform.machine()}; one thread, median of {self.rounds} rounds"
        )


def matched(entries: Sequence[Entry]) -> list[Result]:
    """Return what ours costs where it looks as good as a rival's default, as a share of the rival's."""
    return [
        result
        for rival in RIVALS
        for theirs in (_default(entries, rival),)
        for setting, series in CURVES.items()
        for result in _ratios(f"{rival}, {setting}", _curve(entries, series), theirs)
    ]


def _default(entries: Sequence[Entry], series: str) -> Entry | None:
    found = (entry for entry in entries if entry.contestant.series == series and entry.contestant.is_default)
    return next(found, None)


def _curve(entries: Sequence[Entry], series: str) -> list[Point]:
    return [
        Point(entry.score, entry.bytes, entry.seconds)
        for entry in entries
        if entry.contestant.series == series
    ]


def _ratios(against: str, curve: Sequence[Point], theirs: Entry | None) -> Iterator[Result]:
    ours = at_score(curve, theirs.score) if theirs else None
    questions = (f"bytes ÷ {against}", f"processor time ÷ {against}")
    is_fixed = against.endswith("fixed quality")
    # Looking for the quality takes trials, so this promise is the fixed quality's alone.
    required = (AtMost(MOST_BYTES), AtMost(MOST_TIME) if is_fixed else None)
    if not theirs or not ours:
        why = "no point of ours has its score" if theirs else "not on this machine"
        yield from (
            Result(question, None, "", limit, why)
            for question, limit in zip(questions, required, strict=True)
        )
        return
    at = f"both at a mean score of {theirs.score:.1f}"
    bytes_ = f"{ours.bytes:,.0f} ÷ {theirs.bytes:,.0f} bytes; {at}"
    times = f"{ours.seconds * MILLI:.0f} ÷ {theirs.seconds * MILLI:.0f} ms; {at}"
    yield Result(questions[0], ours.bytes / theirs.bytes, "", required[0], bytes_)
    yield Result(questions[1], ours.seconds / theirs.seconds, "", required[1], times)


def document(
    conditions: Conditions, entries: Sequence[Entry], automatic: Automatic, crops: Sequence[Crop]
) -> str:
    """Return all tables."""
    defaults = [entry for entry in entries if entry.contestant.is_default]
    parts = (
        f"{conditions}.",
        "### At the same score",
        _table(("ours ÷ theirs", "figure", "required", "met", "how it came about"), _cells(matched(entries))),
        "### Defaults",
        _entries(defaults),
        "### Automatic quality",
        _automatic(automatic),
        "### Pictures to look at",
        "\n\n".join(_crop(crop) for crop in crops),
        "### Every setting",
        f"<details>\n<summary>All points of the chart</summary>\n\n{_entries(entries)}\n\n</details>",
    )
    return "\n\n".join(parts)


def inserted(document: str, measured: str) -> str:
    """Return the document with these figures in place of the old ones."""
    before, begin, rest = document.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"The document has no place for figures: the lines {BEGIN!r} and {END!r}.")
    return f"{before}{BEGIN}\n\n{measured}\n\n{END}{after}"


def _cells(results: Sequence[Result]) -> list[Sequence[str]]:
    return [result.cells() for result in results]


def _entries(entries: Sequence[Entry]) -> str:
    headings = ("", "setting", "bytes", "score", "worst", "ms per picture", "ms per megapixel of the source")
    return _table(
        headings,
        [
            (
                entry.contestant.series,
                f"{entry.contestant.setting}{' (default)' if entry.contestant.is_default else ''}",
                f"{entry.bytes:,.0f}",
                f"{entry.score:.1f}",
                f"{entry.worst:.1f}",
                f"{entry.seconds * MILLI:.0f}",
                f"{entry.seconds_per_megapixel * MILLI:.0f}",
            )
            for entry in entries
        ],
    )


def _automatic(automatic: Automatic) -> str:
    headings = (
        "",
        "renditions",
        "near the target",
        "by the second program",
        "worst score",
        "fixed quality of the same mean",
        "time ÷ it",
        "fixed quality of the same worst",
        "bytes ÷ it",
    )
    rows = [
        (
            f"{cell.preset} {cell.format}",
            f"{cell.renditions}",
            f"{cell.near:.0%}",
            "" if cell.second is None else f"{cell.second:.0%}",
            f"{cell.worst:.1f}",
            f"{cell.same_mean}",
            f"{cell.times:.2f}",
            f"{cell.same_worst}",
            f"{cell.bytes:.2f}",
        )
        for cell in automatic.cells
    ]
    total = f"All renditions of a picture together take {automatic.times:.2f} times as long"
    singles = "\n".join(
        f"- One quality for {single.format} in all presets would have to be {single.quality}, lest one look "
        f"worse than the worst of its preset; automatic quality takes {single.bytes:.2f} of its bytes."
        for single in automatic.singles
    )
    return f"{_table(headings, rows)}\n\n{total} as in the fixed qualities of the same means.\n\n{singles}"


def _crop(crop: Crop) -> str:
    return (
        f"![The same part three times]({crop.file})\n\n"
        f"Left: the source. Middle: Packshot's default, {crop.ours:,} bytes. "
        f"Right: Pillow's WebP in quality {crop.quality}, {crop.theirs:,} bytes."
    )


def _table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = (headings, ("---",) * len(headings), *rows)
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)
