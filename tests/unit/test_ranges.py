"""What a `Range` header asks for, and that nonsense asks for everything."""

import pytest

from packshot.web.ranges import read_range


@pytest.mark.parametrize(
    ("header", "part"),
    [
        ("bytes=0-0", range(1)),
        ("bytes=2-5", range(2, 6)),
        ("bytes=2-", range(2, 10)),
        ("bytes=2-99", range(2, 10)),
        ("bytes=-3", range(7, 10)),
        ("bytes=-99", range(10)),
        (" bytes=0-9 ", range(10)),
    ],
)
def test_a_part_is_read_as_it_is_asked_for(header: str, part: range) -> None:
    assert read_range(header, 10) == part


@pytest.mark.parametrize("header", ["bytes=10-", "bytes=10-20", "bytes=-0"])
def test_a_part_beyond_the_end_is_empty(header: str) -> None:
    found = read_range(header, 10)

    assert found is not None
    assert len(found) == 0


@pytest.mark.parametrize(
    "header",
    ["", "bytes=", "bytes=-", "bytes=5-2", "bytes=a-b", "bytes=0-1,3-4", "lines=0-1", "bytes=٣-", "0-1"],
)
def test_what_is_not_understood_asks_for_everything(header: str) -> None:
    assert read_range(header, 10) is None
