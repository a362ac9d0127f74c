"""One run: every contestant makes every picture, in turns, and each result is scored beside the reference."""

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from statistics import fmean, median
from typing import Final
from unittest.mock import patch

import pyvips

from packshot import ssimulacra2
from packshot.codecs import flat, pixels
from packshot.decode import in_srgb

WHITE: Final = 255
MILLION: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class Made:
    """A picture's file, and the processor time that it took."""

    data: bytes
    seconds: float


@dataclass(frozen=True, slots=True)
class Contestant:
    """One program with one setting: a quality, or the score that is aimed at.

    Contestants of one series differ in their setting alone, so they make a curve. The default is what
    somebody gets who sets nothing.
    """

    series: str
    setting: int
    is_default: bool
    make: Callable[[Path], Made]


@dataclass(frozen=True)
class Entry:
    """What a contestant came to: a number for each picture."""

    contestant: Contestant
    bytes_each: Sequence[int]
    scores: Sequence[float]
    seconds_each: Sequence[float]
    source_megapixels: float

    @cached_property
    def bytes(self) -> float:
        """The mean of the pictures."""
        return fmean(self.bytes_each)

    @cached_property
    def score(self) -> float:
        """The mean of the pictures."""
        return fmean(self.scores)

    @property
    def worst(self) -> float:
        """The least score of all pictures."""
        return min(self.scores)

    @property
    def seconds(self) -> float:
        """Processor time per picture."""
        return fmean(self.seconds_each)

    @property
    def seconds_per_megapixel(self) -> float:
        """Processor time per million pixels of the sources."""
        return sum(self.seconds_each) / self.source_megapixels


class Reference:
    """A file resized in linear light by libvips, in every size that a contestant made of it."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._originals: dict[tuple[int, int], ssimulacra2.Original] = {}

    def score(self, data: bytes) -> float:
        """Score the picture in a file; all of its rows, which costs time that a service has not got."""
        shown = in_srgb(pyvips.Image.new_from_buffer(data, ""))
        size = (shown.width, shown.height)
        with patch.object(ssimulacra2, "ONE_OF", ()):
            if size not in self._originals:
                self._originals[size] = ssimulacra2.Original(pixels(resized(self._file, *size)))
            return self._originals[size].score(pixels(flat(shown, WHITE)))


def resized(file: Path, width: int, height: int) -> pyvips.Image:
    """Return the reference. Programs round sides differently, by a pixel; each has it in its own size."""
    image = pyvips.Image.thumbnail(str(file), width, height=height, size="force", linear=True)
    return in_srgb(image).copy_memory()


def hold(files: Sequence[Path], contestants: Sequence[Contestant], rounds: int) -> list[Entry]:
    """Let them all make all pictures, `rounds` times, and sum up."""
    references = [Reference(file) for file in files]
    made = [[one.make(file) for file in files] for one in contestants]  # the first time costs more
    scores = [
        [reference.score(one.data) for reference, one in zip(references, row, strict=True)] for row in made
    ]
    seconds: list[list[list[float]]] = [[[] for _ in files] for _ in contestants]
    for number in range(rounds):
        print(f"round {number + 1} of {rounds} …", file=sys.stderr)
        for place, file in enumerate(files):
            for row, one in zip(seconds, contestants, strict=True):
                row[place].append(one.make(file).seconds)
    megapixels = sum(_pixels(file) for file in files) / MILLION
    return [
        Entry(one, [len(each.data) for each in row], scored, [median(each) for each in times], megapixels)
        for one, row, scored, times in zip(contestants, made, scores, seconds, strict=True)
    ]


def is_opaque(file: Path) -> bool:
    """Say whether a picture can take part: nobody agrees on what shines through a transparent one."""
    is_opaque = not pyvips.Image.new_from_file(str(file)).hasalpha()
    if not is_opaque:
        print(f"{file.name} has transparency; it is left out", file=sys.stderr)
    return is_opaque


def _pixels(file: Path) -> int:
    image = pyvips.Image.new_from_file(str(file))
    return int(image.width * image.height)
