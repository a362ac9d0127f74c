"""What the comparison of pictures works out, draws and writes; what it measures is nobody's promise."""

import re
from collections.abc import Sequence
from pathlib import Path
from xml.etree import ElementTree as ET

import numpy as np
import pytest
from benchmarks.quality.automatic import least, share_near
from benchmarks.quality.chart import draw
from benchmarks.quality.contest import Contestant, Entry, Made
from benchmarks.quality.crops import most_detail
from benchmarks.quality.curve import Point, at_score
from benchmarks.quality.report import BEGIN, END, inserted, matched

from packshot.quality import QUALITIES


def nothing(_file: Path) -> Made:
    return Made(b"", 0)


def entry(series: str, size: int, score: float, seconds: float = 0.1, *, is_default: bool = False) -> Entry:
    return Entry(Contestant(series, 80, is_default, nothing), [size], [score], [seconds], 2)


def figures(entries: Sequence[Entry]) -> dict[str, tuple[float | None, bool]]:
    return {
        result.question: (result.figure and round(result.figure, 3), result.is_missed)
        for result in matched(entries)
    }


def test_between_two_points_bytes_grow_by_their_logarithm_and_time_evenly() -> None:
    found = at_score([Point(80, 40_000, 3), Point(60, 10_000, 1)], 70)

    assert found is not None
    assert (found.score, round(found.bytes), found.seconds) == (70, 20_000, 2)


@pytest.mark.parametrize("score", [59.9, 80.1])
def test_nothing_is_claimed_beyond_the_ends_of_a_curve(score: float) -> None:
    assert at_score([Point(60, 10_000, 1), Point(80, 40_000, 3)], score) is None


def test_two_settings_with_one_score_are_no_stretch_of_a_curve() -> None:
    assert at_score([Point(60, 10_000, 1), Point(60, 11_000, 1)], 60) is None


def test_a_rival_is_met_at_its_own_score() -> None:
    ours = [entry("Packshot AVIF", 10_000, 60), entry("Packshot AVIF", 40_000, 80)]
    found = figures([*ours, entry("Pillow WebP", 40_000, 70, is_default=True)])

    assert found["bytes ÷ Pillow WebP, fixed quality"] == (0.5, False)
    assert found["processor time ÷ Pillow WebP, fixed quality"] == (1.0, False)


def test_too_many_bytes_and_too_much_time_are_missed() -> None:
    ours = [entry("Packshot AVIF", 10_000, 60), entry("Packshot AVIF", 40_000, 80)]
    found = figures([*ours, entry("Pillow WebP", 20_000, 70, 0.05, is_default=True)])

    assert found["bytes ÷ Pillow WebP, fixed quality"] == (1.0, True)
    assert found["processor time ÷ Pillow WebP, fixed quality"] == (2.0, True)


def test_a_rival_that_is_not_here_is_neither_met_nor_missed() -> None:
    ours = [entry("Packshot AVIF", 10_000, 60), entry("Packshot AVIF", 40_000, 80)]
    entries = [*ours, entry("Pillow WebP", 20_000, 70, is_default=True)]

    assert figures(entries)["bytes ÷ sharp WebP, fixed quality"] == (None, False)


def test_a_score_near_its_target_is_at_most_one_below_and_three_above() -> None:
    assert share_near(80, [78.9, 79, 83, 83.1]) == 0.5


def test_the_least_quality_with_a_score_is_found() -> None:
    assert least(float, 70.5) == 71


def test_a_score_that_no_quality_has_gets_the_best() -> None:
    assert least(float, 200) == QUALITIES[-1]


def test_the_part_to_look_at_is_where_most_happens() -> None:
    grey = np.zeros((60, 90), np.uint8)
    chequered = np.indices((10, 10)).sum(0) % 2
    grey[:10, :10], grey[30:40, 50:60] = chequered * 150, chequered * 255

    left, top = most_detail(grey, 20)

    assert left in range(40, 51)
    assert top in range(20, 31)


def test_a_picture_smaller_than_the_part_is_its_own_part() -> None:
    assert most_detail(np.zeros((10, 30), np.uint8), 20)[1] == 0


def test_the_chart_has_a_line_and_a_name_for_each_series_and_a_dot_for_each_default() -> None:
    entries = [
        entry("Packshot AVIF", 10_000, 60),
        entry("Packshot AVIF", 40_000, 80),
        entry("Pillow WebP", 30_000, 70, is_default=True),
    ]

    chart = ET.fromstring(draw(entries, "2 pictures"))  # noqa: S314 - our own drawing
    tags = [element.tag.rpartition("}")[2] for element in chart.iter()]

    assert (tags.count("polyline"), tags.count("circle")) == (2, 1)
    assert {"Packshot AVIF", "Pillow WebP"} <= {element.text for element in chart.iter()}


def test_more_bytes_are_further_right_and_better_is_higher() -> None:
    drawn = draw([entry("Packshot AVIF", 10_000, 60), entry("Packshot AVIF", 40_000, 80)], "")

    points = re.search(r'points="([\d.]+),([\d.]+) ([\d.]+),([\d.]+)"', drawn)
    assert points is not None
    small_x, bad_y, large_x, good_y = map(float, points.groups())
    assert small_x < large_x
    assert good_y < bad_y


def test_new_figures_take_the_place_of_the_old_ones_and_of_nothing_else() -> None:
    document = f"before\n{BEGIN}\nold\n{END}\nafter"

    assert inserted(inserted(document, "older"), "new") == f"before\n{BEGIN}\n\nnew\n\n{END}\nafter"


def test_a_document_without_a_place_for_figures_is_left_alone() -> None:
    with pytest.raises(ValueError, match="no place for figures"):
        inserted("before and after", "new")
