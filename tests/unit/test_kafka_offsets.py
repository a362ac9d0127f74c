"""What may be committed: never more than has been taken care of, in whichever order that happens."""

from typing import Final

import pytest
from aiokafka import TopicPartition
from hypothesis import given
from hypothesis.strategies import permutations

from packshot.brokers.kafka import Offsets

ONE: Final = TopicPartition("packshot.images", 0)
OTHER: Final = TopicPartition("packshot.images", 1)


@pytest.fixture
def offsets() -> Offsets:
    """Of a partition from which five records have been taken."""
    offsets = Offsets()
    for offset in range(100, 105):
        offsets.take(ONE, offset)
    return offsets


def test_of_what_is_in_hand_nothing_is_committed(offsets: Offsets) -> None:
    assert offsets.committable() == {ONE: 100}


def test_of_nothing_there_is_nothing_to_commit() -> None:
    assert Offsets().committable() == {}


def test_what_has_been_taken_care_of_is_committed(offsets: Offsets) -> None:
    offsets.done(ONE, 100)
    offsets.done(ONE, 101)

    assert offsets.committable() == {ONE: 102}


def test_the_first_record_in_hand_holds_the_later_ones_back(offsets: Offsets) -> None:
    for offset in (104, 102, 101, 103):
        offsets.done(ONE, offset)
        assert offsets.committable() == {ONE: 100}

    offsets.done(ONE, 100)

    assert offsets.committable() == {ONE: 105}


@given(permutations(range(20)))
def test_whatever_the_order_nothing_in_hand_is_passed(order: list[int]) -> None:
    offsets, in_hand = Offsets(), set(range(20))
    for offset in range(20):
        offsets.take(ONE, offset)

    for offset in order:
        offsets.done(ONE, offset)
        in_hand.discard(offset)
        assert offsets.committable() == {ONE: min(in_hand, default=20)}


def test_partitions_do_not_wait_for_each_other(offsets: Offsets) -> None:
    offsets.take(OTHER, 7)
    offsets.done(OTHER, 7)

    assert offsets.committable() == {ONE: 100, OTHER: 8}


def test_offsets_that_were_set_back_are_followed(offsets: Offsets) -> None:
    for offset in range(100, 105):
        offsets.done(ONE, offset)

    offsets.take(ONE, 3)
    assert offsets.committable() == {ONE: 3}

    offsets.done(ONE, 3)
    assert offsets.committable() == {ONE: 4}


def test_partitions_that_are_somebody_elses_are_not_committed_even_by_a_late_end(offsets: Offsets) -> None:
    offsets.clear()
    offsets.done(ONE, 100)

    assert offsets.committable() == {}


def test_whoever_commits_is_told_when_there_is_something_new(offsets: Offsets) -> None:
    assert not offsets.changed.is_set()

    offsets.done(ONE, 103)

    assert offsets.changed.is_set()
