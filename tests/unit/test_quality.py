"""The search for the least quality that is good enough, with pictures that are formulas."""

from collections.abc import Callable
from itertools import count
from math import exp

import pytest
from hypothesis import given
from hypothesis import strategies as st

from packshot import quality
from packshot.quality import HABITS, LEAST, MOST, MOST_TRIALS, QUALITIES, Search, Slot, Trial

MEDIUM = Slot("avif", 400_000, 80)


def trials(hardness: float = 0, *, slot: Slot = MEDIUM) -> tuple[list[Trial], Callable[[int], Trial]]:
    """Return a list that fills, and a picture that is so much harder than usual, in standard deviations."""
    habit, done = HABITS[slot.format], []

    def attempt(wanted: int) -> Trial:
        away = wanted - habit.usual - hardness * habit.spread
        trial = Trial(wanted, bytes(500 * wanted), 100 - 20 * exp(-habit.step * away))
        done.append(trial)
        return trial

    return done, attempt


def test_a_usual_picture_takes_one_trial() -> None:
    done, attempt = trials()

    Search().smallest(MEDIUM, attempt)

    assert len(done) == 1


@pytest.mark.parametrize("format_", HABITS)
@pytest.mark.parametrize("wanted", [60, 75, 80, 90])
@given(hardness=st.floats(-3, 3))
def test_whatever_behaves_as_expected_is_good_enough_after_two(
    format_: str, wanted: float, hardness: float
) -> None:
    slot = Slot(format_, 400_000, wanted)
    done, attempt = trials(hardness, slot=slot)

    best = Search().smallest(slot, attempt)

    assert best.quality in (QUALITIES[0], QUALITIES[-1]) or LEAST <= best.score - slot.target <= MOST
    assert len(done) <= 3


@given(st.lists(st.floats(0, 99.9), min_size=10, max_size=10))
def test_a_picture_without_any_order_ends_after_some_trials(scores: list[float]) -> None:
    nth = count()

    best = Search().smallest(MEDIUM, lambda wanted: Trial(wanted, b"", scores[next(nth)]))

    assert next(nth) <= MOST_TRIALS
    assert best.score in scores


def test_of_what_is_good_enough_the_smallest_is_taken() -> None:
    scores = iter([84.0, 81.0])

    best = Search().smallest(MEDIUM, lambda wanted: Trial(wanted, bytes(wanted), next(scores)))

    assert best.score == 81.0


def test_what_cannot_be_reached_ends_with_the_best() -> None:
    best = Search().smallest(MEDIUM, lambda wanted: Trial(wanted, b"", wanted / 2))

    assert best.quality == QUALITIES[-1]


def test_a_hard_picture_is_known_in_its_next_size() -> None:
    search = Search()
    search.smallest(MEDIUM, trials(2)[1])
    done, attempt = trials(2)

    search.smallest(Slot("avif", 1_600_000, 80), attempt)

    assert len(done) == 1


def test_and_in_another_format() -> None:
    search = Search()
    search.smallest(MEDIUM, trials(2)[1])
    slot = Slot("jpeg", MEDIUM.pixels, 80)
    done, attempt = trials(2, slot=slot)

    search.smallest(slot, attempt)

    assert len(done) == 1


def test_a_thumbnail_says_little_about_a_large_picture() -> None:
    search = Search()
    search.smallest(Slot("avif", 20_000, 80), trials(2)[1])
    done, attempt = trials(0)

    search.smallest(MEDIUM, attempt)

    assert abs(done[0].quality - HABITS["avif"].usual) < 1.5 * HABITS["avif"].spread


def test_what_was_a_jpeg_of_the_same_size_begins_lower() -> None:
    (fresh, attempt), (worn, attempt_worn) = trials(), trials()

    Search().smallest(MEDIUM, attempt)
    Search().smallest(Slot("avif", 400_000, 80, worn_bits=1), attempt_worn)

    assert worn[0].quality < fresh[0].quality


def test_the_harder_it_was_compressed_the_lower() -> None:
    first = []
    for bits in (0.5, 1.5):
        search, slot = Search(), Slot("jpeg", 1_600_000, 80, worn_bits=bits)
        search.smallest(Slot("jpeg", 400_000, 80), trials(slot=slot)[1])
        done, attempt = trials(slot=slot)
        search.smallest(slot, attempt)
        first.append(done[0].quality)

    assert first[0] < first[1]


def test_without_time_the_first_trial_must_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quality, "LONGEST_SECONDS", 0)
    done, attempt = trials(3)

    assert Search().smallest(MEDIUM, attempt) == done[0]
    assert len(done) == 1


def test_what_costs_more_than_the_source_and_is_not_good_enough_is_given_up() -> None:
    slot = Slot("avif", 400_000, 80, most_bytes=1)
    done, attempt = trials(3, slot=slot)

    Search().smallest(slot, attempt)

    assert len(done) == 1


def test_the_larger_the_picture_the_more_our_score_must_be() -> None:
    assert [Slot("avif", pixels, 80).target for pixels in (20_000, 400_000, 1_600_000)] == [80, 80.4, 80.9]
