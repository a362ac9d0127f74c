"""The decisions about an image, without a clock, a queue or a database."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from packshot import lifecycle
from packshot.errors import (
    CATALOGUE,
    Conflict,
    ImageError,
    NotFound,
    PackshotError,
    ServiceUnavailable,
    SourceBusy,
    SourceThrottled,
    SourceTimeout,
    StaleClaim,
)
from packshot.lifecycle import MOVES, GiveUp, ImageState, Release, Retry, RetryPolicy, judge, reorder

TRANSIENT = [kind for kind in CATALOGUE.values() if kind.transient]
PERMANENT = [kind for kind in CATALOGUE.values() if not kind.transient]
POLICY = RetryPolicy(base_seconds=10, max_seconds=1000)

URLS = st.lists(st.sampled_from("abcd"), max_size=8)  # few letters: the same URL stands twice, or thrice
POLICIES = st.builds(
    RetryPolicy,
    base_seconds=st.floats(0.001, 10_000),
    max_seconds=st.floats(0.001, 1_000_000),
)


def rows(urls: list[str]) -> list[tuple[int, str]]:
    return list(enumerate(urls, start=100))


def test_the_drawing_names_every_state_and_every_move() -> None:
    drawing = str(lifecycle.__doc__)

    assert [word for word in (*ImageState, *MOVES) if word not in drawing] == []


def test_only_ready_is_for_ever() -> None:
    assert set(ImageState) - {before for before, _ in MOVES.values()} == {ImageState.READY}


@pytest.mark.parametrize("kind", TRANSIENT)
def test_what_may_go_away_is_tried_again(kind: type[ImageError]) -> None:
    verdict = judge(kind("no luck"), attempt=4, max_attempts=5, policy=POLICY)

    assert isinstance(verdict, Retry)
    assert (verdict.code, verdict.message) == (kind.code, "no luck")


@pytest.mark.parametrize("kind", TRANSIENT)
def test_the_last_attempt_is_the_last(kind: type[ImageError]) -> None:
    assert judge(kind("no luck"), attempt=5, max_attempts=5, policy=POLICY) == GiveUp(kind.code, "no luck")


@pytest.mark.parametrize("kind", PERMANENT)
def test_what_will_not_go_away_is_given_up_at_once(kind: type[ImageError]) -> None:
    assert judge(kind("hopeless"), attempt=1, max_attempts=5, policy=POLICY) == GiveUp(kind.code, "hopeless")


@pytest.mark.parametrize(("attempt", "least", "most"), [(1, 5, 10), (2, 10, 20), (5, 30, 30), (900, 30, 30)])
def test_our_own_trouble_is_not_the_images_fault_but_waits_longer_each_time(
    attempt: int, least: float, most: float
) -> None:
    verdict = judge(ServiceUnavailable("disk full"), attempt, max_attempts=5, policy=POLICY)

    assert isinstance(verdict, Release)
    assert least <= verdict.delay_seconds <= most


def test_an_image_whose_host_is_busy_waits_as_long_as_that_takes_and_its_attempt_does_not_count() -> None:
    assert judge(SourceBusy("full", 300), attempt=5, max_attempts=5, policy=POLICY) == Release(300)


@pytest.mark.parametrize(("attempt", "least", "most"), [(40, 5, 10), (41, 10, 20), (43, 40, 80)])
def test_attempts_that_did_not_count_make_no_later_wait_longer(
    attempt: int, least: float, most: float
) -> None:
    verdict = judge(SourceTimeout("slow"), attempt, max_attempts=44, policy=POLICY)

    assert isinstance(verdict, Retry)
    assert least <= verdict.delay_seconds <= most


@pytest.mark.parametrize("error", [NotFound("?"), Conflict("?"), StaleClaim("?")])
def test_an_error_that_says_nothing_about_an_image_is_a_bug(error: PackshotError) -> None:
    with pytest.raises(TypeError, match=type(error).__name__) as bug:
        judge(error, attempt=1, max_attempts=5, policy=POLICY)

    assert bug.value.__cause__ is error


def test_a_source_that_asks_for_time_gets_it() -> None:
    verdict = judge(SourceThrottled("busy", retry_after_seconds=300), 1, 5, POLICY)

    assert isinstance(verdict, Retry)
    assert verdict.delay_seconds == 300


def test_a_source_cannot_send_us_away_for_ever() -> None:
    verdict = judge(SourceThrottled("busy", retry_after_seconds=10**9), 1, 5, POLICY)

    assert isinstance(verdict, Retry)
    assert verdict.delay_seconds == POLICY.max_seconds


def test_a_source_cannot_call_us_back_sooner_than_we_would_come() -> None:
    verdict = judge(SourceTimeout("slow", retry_after_seconds=1), 1, 5, POLICY)

    assert isinstance(verdict, Retry)
    assert verdict.delay_seconds >= 5


@given(POLICIES, st.integers(1, 20))
def test_waits_double_until_they_are_long_enough_and_half_of_each_is_chance(
    policy: RetryPolicy, attempt: int
) -> None:
    longest = min(policy.base_seconds * 2 ** (attempt - 1), policy.max_seconds)

    assert longest / 2 <= policy.delay_after(attempt) <= longest


@given(POLICIES, st.integers(min_value=20))
def test_no_attempt_is_too_late_to_reckon_with(policy: RetryPolicy, attempt: int) -> None:
    assert 0 < policy.delay_after(attempt) <= policy.max_seconds


def test_a_thousand_images_of_one_host_do_not_come_back_together() -> None:
    assert len({POLICY.delay_after(1) for _ in range(1000)}) > 900


@given(URLS, URLS)
def test_every_wanted_position_is_kept_or_added_and_no_other(before: list[str], after: list[str]) -> None:
    plan = reorder(rows(before), after)

    assert sorted([*plan.kept, *plan.added]) == list(range(len(after)))


@given(URLS, URLS)
def test_every_image_is_kept_once_or_removed_once(before: list[str], after: list[str]) -> None:
    plan = reorder(rows(before), after)

    assert sorted([*plan.kept.values(), *plan.removed]) == [image_id for image_id, _ in rows(before)]


@given(URLS, URLS)
def test_a_kept_image_has_the_url_of_its_new_position(before: list[str], after: list[str]) -> None:
    plan = reorder(rows(before), after)
    url_of = dict(rows(before))

    kept = {position: url_of[image_id] for position, image_id in plan.kept.items()}
    assert {**kept, **plan.added} == dict(enumerate(after))


@given(URLS, URLS)
def test_as_many_images_are_kept_as_can_be(before: list[str], after: list[str]) -> None:
    assert len(reorder(rows(before), after).kept) == (Counter(before) & Counter(after)).total()


@given(URLS.flatmap(lambda urls: st.tuples(st.just(urls), st.permutations(urls))))
def test_a_new_order_removes_nothing_and_adds_nothing(urls: tuple[list[str], list[str]]) -> None:
    before, after = urls
    plan = reorder(rows(before), after)

    assert (plan.removed, plan.added) == ((), {})


@given(URLS, URLS)
def test_of_two_copies_the_older_stands_first(before: list[str], after: list[str]) -> None:
    kept = reorder(rows(before), after).kept

    for url in set(after):
        copies = [kept[position] for position in sorted(kept) if after[position] == url]
        assert copies == sorted(copies)
