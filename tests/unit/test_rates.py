"""Rate limits: what a caller may send, and what it is told about that."""

import pytest

from packshot.web.rates import MOST_CALLERS, Rates


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def rates(clock: Clock) -> Rates:
    return Rates("key", clock)


def test_a_minutes_worth_may_come_at_once(rates: Rates) -> None:
    assert [rates.take("shop", 3).granted for _ in range(4)] == [True, True, True, False]


def test_what_was_taken_comes_back_with_time(rates: Rates, clock: Clock) -> None:
    for _ in range(3):
        rates.take("shop", 3)

    clock.now += 20

    assert [rates.take("shop", 3).granted for _ in range(2)] == [True, False]


def test_no_more_comes_back_than_was_taken(rates: Rates, clock: Clock) -> None:
    rates.take("shop", 3)

    clock.now += 3600

    assert [rates.take("shop", 3).granted for _ in range(4)] == [True, True, True, False]


def test_who_is_refused_is_not_charged(rates: Rates, clock: Clock) -> None:
    for _ in range(100):
        rates.take("shop", 3)

    clock.now += 20.001

    assert rates.take("shop", 3).granted


def test_callers_do_not_share(rates: Rates) -> None:
    rates.take("shop", 1)

    assert rates.take("other", 1).granted


def test_the_headers_say_what_is_left(rates: Rates) -> None:
    rates.take("shop", 60)

    assert rates.take("shop", 60).headers == {
        "RateLimit-Policy": '"key";q=60;w=60',
        "RateLimit": '"key";r=58;t=2',
    }


def test_who_is_refused_is_told_when_to_come_back(rates: Rates, clock: Clock) -> None:
    for _ in range(3):
        rates.take("shop", 3)
    clock.now += 5

    refused = rates.take("shop", 3).headers

    assert (refused["Retry-After"], refused["RateLimit"]) == ("15", '"key";r=0;t=55')
    clock.now += 15
    assert rates.take("shop", 3).granted


def test_nobody_fills_the_memory_by_calling_from_everywhere(rates: Rates) -> None:
    rates.take("first", 1)
    for number in range(MOST_CALLERS - 1):
        rates.take(number, 1)
    assert not rates.take("first", 1).granted

    for number in range(MOST_CALLERS):
        rates.take(-number, 1)

    assert rates.take("first", 1).granted
