"""
The smallest encoding that looks good enough.

One quality for all pictures wastes bytes on the easy ones and hurts the hard ones: what an encoder calls
70 scores from 73 to 88. So a picture is encoded on trial, scored beside its original, and the next trial
is foretold from that: the logarithm of what is lost falls evenly as quality rises. Where the first trial
starts is foretold, too, from the same picture in another size or format. Most need one or two.

Pure but for a look at the clock: whoever calls encodes and scores.
"""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from math import inf, log
from time import process_time
from typing import Final, NamedTuple


class Habit(NamedTuple):
    """How a format behaves: tuned on twelve photos in three sizes."""

    usual: float  # the quality that scores USUAL_SCORE
    spread: float  # its standard deviation over pictures
    step: float  # how much of what is lost (its logarithm) one step of quality takes away
    relief: float  # how much less will do for a picture that has been a JPEG of the same size


HABITS: Final = {
    "avif": Habit(67, 4.3, 0.028, 5),
    "avif in full colour": Habit(65, 4.3, 0.028, 5),
    "jpeg": Habit(79, 3.4, 0.021, 17),
    "jpeg in full colour": Habit(75, 3.4, 0.021, 17),
    "webp": Habit(83, 3, 0.017, 1),
}
USUAL_SCORE: Final = 80
BEST_SCORE: Final = 99.0  # nearer to 100 the logarithm is of no use
# What is good enough, in points above the target: a picture of so many pixels or fewer may miss it by that.
# The reference, whose rounding costs it more the larger a picture is, says less than we do.
HARSHNESS: Final = ((50_000, 0.0), (1_000_000, 0.4), (inf, 0.9))
LEAST: Final = -0.6
AIM: Final = 0.6
MOST: Final = 2.5
MOST_TRIALS: Final = 6
LONGEST_STEP: Final = 25
# With less, edges ring, and the score of a picture that is mostly empty does not tell.
QUALITIES: Final = range(48, 98)
LONGEST_SECONDS: Final = 5  # of processor time for a picture; then the first trial must do

NEAR: Final = 5  # times as many pixels: how hard a picture is stays nearly the same
FAR: Final = 0.4  # how much of it is true of sizes that are further away
# What a JPEG has lost already depends on how far it was compressed: bits per pixel beside those of a
# rendition in half its size.
JPEG_RELIEF: Final = (7, 23)


@dataclass(frozen=True, slots=True)
class Trial:
    """One encoding and how it looks."""

    quality: int
    data: bytes
    score: float


@dataclass(frozen=True, slots=True)
class Slot:
    """What is looked for: a picture of so many pixels in a format, with a score.

    `worn_bits` are the bits per pixel of the JPEG that it was in this very size, 0 if it was none. What is
    not good enough with `most_bytes` is given up, because then there is something better. No quality above
    `highest` is tried.
    """

    format: str
    pixels: int
    wanted: float
    worn_bits: float = 0
    most_bytes: float = inf
    highest: int = QUALITIES[-1]

    @property
    def target(self) -> float:
        """What our score must be for the reference to say what is wanted."""
        return self.wanted + next(harsh for pixels, harsh in HARSHNESS if self.pixels <= pixels)

    def is_reached(self, score: float) -> bool:
        """Say whether a score is good enough."""
        return score >= self.target + LEAST

    def within(self, quality: float) -> int:
        """Return the allowed quality that is nearest."""
        return min(max(round(quality), QUALITIES[0]), self.highest)


@dataclass(frozen=True, slots=True)
class Found:
    """What was found for a slot: how hard the picture is (standard deviations), and its bits per pixel."""

    slot: Slot
    hardness: float
    bits: float


class Search:
    """Finds the quality for each rendition of one picture, and remembers how hard it is."""

    def __init__(self) -> None:
        self._found: list[Found] = []
        self._started = process_time()

    def smallest(self, slot: Slot, attempt: Callable[[int], Trial]) -> Trial:
        """Return the trial with the fewest bytes that is good enough, or the best there was."""
        habit = HABITS[slot.format]
        usual = habit.usual - self._relief(slot) + _steps(habit, USUAL_SCORE, slot.target + AIM)
        quality: int | None = slot.within(usual + self._hardness(slot) * habit.spread)
        trials: list[Trial] = []
        while quality is not None:
            trials.append(attempt(quality))
            quality = None if self._is_over(slot, trials) else _next(habit, slot, trials)
        best = _choose(slot, trials)
        hardness = (best.quality - usual + _steps(habit, best.score, slot.target + AIM)) / habit.spread
        self._found.append(Found(slot, hardness, 8 * len(best.data) / slot.pixels))
        return best

    def _relief(self, slot: Slot) -> float:
        if not slot.worn_bits:
            return 0
        smaller = [found.bits for found in self._found if found.slot.format == slot.format]
        if slot.format != "jpeg" or not smaller:
            return HABITS[slot.format].relief
        least, steepness = JPEG_RELIEF
        return max(0, least + steepness * log(smaller[-1] / slot.worn_bits))

    def _hardness(self, slot: Slot) -> float:
        """Foretell from the nearest kin: this format in about this size, or another format in this size."""
        trusted = [(_trust(slot, found.slot), found.hardness) for found in self._found]
        trust, hardness = max(trusted, default=(0.0, 0.0))
        return trust * hardness

    def _is_over(self, slot: Slot, trials: Sequence[Trial]) -> bool:
        last = trials[-1]
        is_hopeless = not slot.is_reached(last.score) and len(last.data) >= slot.most_bytes
        is_late = process_time() - self._started > LONGEST_SECONDS
        return is_hopeless or is_late or len(trials) >= MOST_TRIALS


def _trust(slot: Slot, other: Slot) -> float:
    is_same = slot.format == other.format
    times = max(slot.pixels, other.pixels) / min(slot.pixels, other.pixels)
    if times > NEAR:
        return FAR if is_same else 0
    return 1 if is_same else 0.9 * (times == 1)


def _steps(habit: Habit, score: float, other: float) -> float:
    """Return the steps of quality from one score to another."""
    return (_lost(score) - _lost(other)) / habit.step


def _lost(score: float) -> float:
    return log(100 - min(score, BEST_SCORE))


def _next(habit: Habit, slot: Slot, trials: Sequence[Trial]) -> int | None:
    """Foretell the next quality from the last trials; None if there is nothing left to learn."""
    last = trials[-1]
    if slot.is_reached(last.score) and last.score <= slot.target + MOST:
        return None
    far = (_lost(last.score) - _lost(slot.target + AIM)) / _step(habit, trials[-2:])
    wanted = last.quality + min(max(far, -LONGEST_STEP), LONGEST_STEP)
    quality = _between(slot.within(wanted), slot, trials)
    return None if quality in {trial.quality for trial in trials} else quality


def _step(habit: Habit, trials: Sequence[Trial]) -> float:
    """Return how much one step of quality takes away, as seen from two trials or as usual."""
    if len(trials) < 2:  # noqa: PLR2004 - a line needs two points
        return habit.step
    one, other = trials
    seen = (_lost(one.score) - _lost(other.score)) / (other.quality - one.quality)
    return min(max(seen, habit.step / 3), habit.step * 3)


def _between(quality: int, slot: Slot, trials: Sequence[Trial]) -> int:
    """Stay between the best that was too bad and the worst that was too good."""
    too_low = max((t.quality for t in trials if not slot.is_reached(t.score)), default=QUALITIES[0] - 1)
    too_high = min((t.quality for t in trials if t.score > slot.target + MOST), default=slot.highest + 1)
    if too_low < too_high:
        ends = 1 + (too_high - too_low) // 6  # the way between is not straight
        quality = min(max(quality, too_low + ends), too_high - ends)
    return slot.within(quality)


def _choose(slot: Slot, trials: Collection[Trial]) -> Trial:
    enough = [trial for trial in trials if slot.is_reached(trial.score)]
    if enough:
        return min(enough, key=lambda trial: len(trial.data))
    return max(trials, key=lambda trial: trial.score)
