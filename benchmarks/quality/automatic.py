"""
Does automatic quality keep its promise, and what does it cost beside one quality for all pictures?

The default presets, as they are rendered in one go. Each rendition is scored beside the same picture
without loss, so here the resize does not count. A source that is passed on as it came has no quality that
could be compared, and is left out.
"""

import subprocess
import sys
import time
from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache
from math import fsum
from pathlib import Path
from statistics import fmean, median
from tempfile import TemporaryDirectory
from typing import Final
from unittest.mock import patch

import pyvips

from benchmarks.quality.contestants import LIMITS
from packshot import ssimulacra2
from packshot.codecs import decode, encode, pixels
from packshot.models import Encoding, Preset
from packshot.presets import load_presets
from packshot.quality import QUALITIES
from packshot.render import Encoded, render

BELOW: Final = 1  # so far a score may be from its target
ABOVE: Final = 3
LOSSLESS: Final = Encoding("png", 100, 1)


@dataclass(frozen=True, slots=True)
class Cell:
    """One preset and format. `second` is the share that somebody else's SSIMULACRA2 finds near the target."""

    preset: str
    format: str
    renditions: int
    near: float
    second: float | None
    worst: float
    same_mean: int  # the fixed quality with the mean of automatic quality
    same_worst: int
    times: float  # automatic ÷ fixed, with the same mean
    bytes: float  # automatic ÷ fixed, with the same worst


@dataclass(frozen=True, slots=True)
class Single:
    """One format in all presets, beside the one quality that gives no picture a worse score."""

    format: str
    quality: int
    bytes: float  # automatic ÷ fixed


@dataclass(frozen=True, slots=True)
class Automatic:
    """All of them, and automatic ÷ fixed time when everything is made together."""

    cells: Sequence[Cell]
    singles: Sequence[Single]
    times: float


@dataclass(frozen=True, slots=True)
class Shot:
    """A picture in one fixed quality."""

    bytes: int
    score: float


class Exact:
    """A picture of one preset without loss, beside which others are scored; all rows count."""

    def __init__(self, data: bytes, preset: Preset) -> None:
        self._png = render(data, [replace(preset, encodings=(LOSSLESS,))], LIMITS).encoded[0].data
        self._image = decode(self._png, "png")
        with patch.object(ssimulacra2, "ONE_OF", ()):
            self._original = ssimulacra2.Original(pixels(self._image))

    def score(self, data: bytes, format_: str) -> float:
        """Score a rendition."""
        with patch.object(ssimulacra2, "ONE_OF", ()):
            return self._original.score(pixels(decode(data, format_)))

    def shot(self, encoding: Encoding, quality: int) -> Shot:
        """Encode in a fixed quality."""
        data = encode(self._image, encoding.format, quality, encoding.effort)
        return Shot(len(data), self.score(data, encoding.format))

    def second_score(self, data: bytes, command: str) -> float:
        """Ask the reference implementation."""
        with TemporaryDirectory(prefix="packshot-score-") as folder:
            ours, other = Path(folder, "ours.png"), Path(folder, "other.png")
            ours.write_bytes(self._png)
            pyvips.Image.new_from_buffer(data, "").pngsave(str(other), compression=1)
            asked = (command, "image", str(ours), str(other))
            said = subprocess.run(asked, check=True, capture_output=True, text=True).stdout  # noqa: S603 - chosen by who runs this
        return float(said.split()[-1])


def measure(files: Sequence[Path], rounds: int, command: str | None) -> Automatic:
    """Look at each preset and format of the default presets; `command` gives a second opinion."""
    sources = [file.read_bytes() for file in files]
    presets = load_presets(None)
    rendered = [render(data, presets, LIMITS).encoded for data in sources]
    made = iter(zip(*rendered, strict=True))
    tasks, cells = [], []
    for preset in presets:
        exact = [Exact(data, preset) for data in sources]
        for encoding in preset.encodings:
            print(f"automatic quality: {preset.name} {encoding.format} …", file=sys.stderr)
            tasks.append(Task(preset, encoding, sources, exact, next(made)))
            cells.append(_cell(tasks[-1], rounds, command))
    times = _times(sources, presets, [*_fixed(presets, cells)], rounds)
    return Automatic(cells, [*_singles(tasks, cells)], times)


@dataclass(frozen=True, slots=True)
class Task:
    """A preset and format, the pictures, and what automatic quality made of them."""

    preset: Preset
    encoding: Encoding
    sources: Sequence[bytes]
    exact: Sequence[Exact]
    made: Sequence[Encoded]

    @property
    def encoded(self) -> Sequence[tuple[Exact, Encoded]]:
        """Return what was not passed on as it came."""
        pairs = zip(self.exact, self.made, strict=True)
        return [(exact, one) for exact, one in pairs if one.quality is not None]

    @property
    def bytes(self) -> int:
        """Return what automatic quality takes."""
        return sum(len(one.data) for _, one in self.encoded)


def _cell(task: Task, rounds: int, command: str | None) -> Cell:
    pairs = task.encoded
    assert pairs, f"no picture of {task.preset.name} was encoded"
    scores = [exact.score(one.data, one.format) for exact, one in pairs]
    shots = cache(lambda quality: [exact.shot(task.encoding, quality) for exact, _ in pairs])
    same_mean = least(lambda quality: fmean(shot.score for shot in shots(quality)), fmean(scores))
    same_worst = least(lambda quality: min(shot.score for shot in shots(quality)), min(scores))
    return Cell(
        task.preset.name,
        task.encoding.format,
        len(pairs),
        share_near(task.preset.score, scores),
        share_near(task.preset.score, [exact.second_score(one.data, command) for exact, one in pairs])
        if command
        else None,
        min(scores),
        same_mean,
        same_worst,
        _times(
            task.sources,
            [replace(task.preset, encodings=(task.encoding,))],
            [replace(task.preset, encodings=(replace(task.encoding, quality=same_mean),))],
            rounds,
        ),
        task.bytes / sum(shot.bytes for shot in shots(same_worst)),
    )


def _singles(tasks: Sequence[Task], cells: Sequence[Cell]) -> Iterator[Single]:
    for format_ in dict.fromkeys(cell.format for cell in cells):
        quality = max(cell.same_worst for cell in cells if cell.format == format_)
        alike = [task for task in tasks if task.encoding.format == format_]
        fixed = sum(exact.shot(task.encoding, quality).bytes for task in alike for exact, _ in task.encoded)
        yield Single(format_, quality, sum(task.bytes for task in alike) / fixed)


def least(score_of: Callable[[int], float], wanted: float) -> int:
    """Return the least quality with this score, which grows with quality; the best one if none has it."""
    return QUALITIES[min(bisect_left(QUALITIES, wanted, key=score_of), len(QUALITIES) - 1)]


def share_near(target: float, scores: Sequence[float]) -> float:
    """Return how many of the scores are near enough to the target, as a share."""
    return fmean(target - BELOW <= score <= target + ABOVE for score in scores)


def _fixed(presets: Sequence[Preset], cells: Sequence[Cell]) -> Iterator[Preset]:
    """Yield the presets with the qualities that give the same means."""
    qualities = {(cell.preset, cell.format): cell.same_mean for cell in cells}
    for preset in presets:
        encodings = (replace(one, quality=qualities[preset.name, one.format]) for one in preset.encodings)
        yield replace(preset, encodings=tuple(encodings))


def _times(sources: Sequence[bytes], ours: Sequence[Preset], theirs: Sequence[Preset], rounds: int) -> float:
    """Return how many times as long one takes as the other, in turns."""
    sides = [
        [median(each) for each in zip(*(_seconds(data, (ours, theirs)) for _ in range(rounds)), strict=True)]
        for data in sources
    ]
    ours_each, theirs_each = zip(*sides, strict=True)
    return fsum(ours_each) / fsum(theirs_each)


def _seconds(data: bytes, sides: Sequence[Sequence[Preset]]) -> Iterator[float]:
    for presets in sides:
        started = time.process_time()
        render(data, presets, LIMITS)
        yield time.process_time() - started
