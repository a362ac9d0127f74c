"""Numbers, sizes and times as a person reads them; what strangers send stays what it is."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from packshot.web.console.wording import ago, bars, milliseconds, plain, price, share, size, span


@pytest.mark.parametrize(
    ("amount", "written"),
    [(0, "0 bytes"), (999, "999 bytes"), (1_000, "1.0 kB"), (118_442, "118 kB"), (4_210_000_000, "4.2 GB")],
)
def test_a_size_is_written_in_its_largest_unit(amount: int, written: str) -> None:
    assert size(amount) == written


@pytest.mark.parametrize(
    ("seconds", "written"),
    [(0, "0 seconds"), (1, "1 second"), (119, "1 minute"), (7_200, "2 hours"), (200_000, "2 days")],
)
def test_a_span_is_written_in_its_largest_unit(seconds: float, written: str) -> None:
    assert span(seconds) == written


def test_a_time_is_told_from_now_both_ways() -> None:
    now = datetime.now(UTC)

    assert ago(now - timedelta(minutes=3)) == "3 minutes ago"
    assert ago(now + timedelta(minutes=3, seconds=30)) == "in 3 minutes"
    assert ago(now) == "just now"


def test_a_part_of_nothing_is_none() -> None:
    assert [share(1, 0), share(1, 3), share(1, 30)] == ["0 %", "33 %", "3.3 %"]


@pytest.mark.parametrize(
    ("amount", "written"), [("417.5", "417.50"), ("449", "449.00"), ("0.1250", "0.125"), ("0", "0.00")]
)
def test_a_price_has_two_decimals_or_as_many_as_it_needs(amount: str, written: str) -> None:
    assert price(Decimal(amount)) == written


def test_a_step_takes_milliseconds_or_seconds() -> None:
    assert [milliseconds(7.4), milliseconds(1_260)] == ["7 ms", "1.3 s"]


def test_the_highest_bar_is_as_high_as_there_is_room() -> None:
    assert bars([0, 5, 10], 40) == [0, 20, 40]
    assert bars([0, 0], 40) == [0, 0]


def test_a_title_is_not_steered_by_invisible_letters() -> None:
    assert plain("boot\u202egnp.exe\u2069\n") == "bootgnp.exe"
