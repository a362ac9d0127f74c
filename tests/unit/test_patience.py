"""What follows an attempt to deliver, without a clock."""

import itertools

from hypothesis import given
from hypothesis import strategies as st

from packshot.patience import DAY_SECONDS, Delivered, Failed, Later, Receipt, judge

ages = st.floats(0, 2 * DAY_SECONDS)
failure = Receipt(20, 500, "The answer is 500.")


def attempts_of(receipt: Receipt) -> list[float]:
    """When each attempt of a message is made that always fails so, in seconds after the first."""
    made = [0.0]
    while isinstance(verdict := judge(receipt, made[-1]), Later):
        made.append(made[-1] + verdict.delay_seconds)
    return made


def test_without_an_error_it_is_delivered() -> None:
    assert judge(Receipt(20, 204), age_seconds=3 * DAY_SECONDS) == Delivered()


@given(ages)
def test_who_is_gone_is_gone_at_any_age(age_seconds: float) -> None:
    assert judge(Receipt(20, 410, "Gone."), age_seconds) == Failed(is_gone=True)


def test_the_last_attempt_is_made_after_exactly_a_day() -> None:
    made = attempts_of(failure)

    assert made[-1] == DAY_SECONDS
    assert 12 <= len(made) <= 24


def test_waits_grow_from_seconds_to_hours() -> None:
    made = attempts_of(failure)
    waits = [later - sooner for sooner, later in itertools.pairwise(made)]

    assert 2.5 <= waits[0] <= 5
    assert 2 * 3600 <= max(waits) <= 4 * 3600


def test_two_that_failed_together_do_not_come_back_together() -> None:
    assert len({judge(failure, 100) for _ in range(10)}) > 1


def test_retry_after_is_waited_for() -> None:
    assert judge(Receipt(20, 429, "Later.", retry_after_seconds=40_000), 10) == Later(40_000)


def test_retry_after_makes_nobody_wait_for_less_or_beyond_the_day() -> None:
    sooner = judge(Receipt(20, 429, "Later.", retry_after_seconds=0), 7200)
    beyond = judge(Receipt(20, 429, "Later.", retry_after_seconds=1e9), 400)

    assert isinstance(sooner, Later)
    assert sooner.delay_seconds >= 7200
    assert beyond == Later(DAY_SECONDS - 400)
