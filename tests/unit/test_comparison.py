"""What is compared with what, and what the numbers then say."""

from dataclasses import replace

from packshot.comparison import Comparison, predecessor
from packshot.models import Rendition

JPEG = Rendition("0" * 16, "large", "jpeg", "a/old.jpg", 8, 6, 1000, 80, 70.5)
PNG = replace(JPEG, format="png", key="a/old.png", quality=None, score=None)
NEW = replace(JPEG, recipe="1" * 16, key="a/new.jpg", bytes=600, score=80.0)


def summary(comparison: Comparison) -> object:
    return comparison.summary()["renditions"]


def test_bytes_and_scores_stand_beside_each_other_for_each_preset_and_format() -> None:
    comparison = Comparison()
    comparison.add([JPEG, replace(JPEG, preset="small")], [("jpeg", NEW)])
    comparison.add([replace(JPEG, bytes=500, score=75.5)], [("jpeg", replace(NEW, bytes=400, score=81.0))])

    assert summary(comparison) == [
        {
            "preset": "large",
            "format": "jpeg",
            "images": 2,
            "bytes_before": 1500,
            "bytes_after": 1000,
            "score_before": 73.0,
            "score_after": 80.5,
        }
    ]
    assert (comparison.images, comparison.saved_bytes) == (2, 500)


def test_what_was_not_measured_is_in_no_mean() -> None:
    comparison = Comparison()
    comparison.add([replace(JPEG, score=None)], [("jpeg", NEW)])
    comparison.add([JPEG], [("jpeg", replace(NEW, score=None))])
    (change,) = comparison.changes.values()

    assert (change.before.score, change.after.score) == (70.5, 80.0)


def test_without_any_measure_there_is_no_mean() -> None:
    comparison = Comparison()
    comparison.add([], [("jpeg", replace(NEW, score=None))])
    (change,) = comparison.changes.values()

    assert (change.before.bytes, change.before.score, change.after.score) == (0, None, None)


def test_a_rendition_that_stays_is_no_change() -> None:
    comparison = Comparison()
    comparison.add([JPEG], [("jpeg", JPEG)])

    assert (comparison.images, summary(comparison)) == (1, [])


def test_a_stand_in_is_compared_under_the_format_that_was_wanted() -> None:
    comparison = Comparison()
    comparison.add([JPEG], [("jpeg", replace(PNG, key="a/new.png"))])

    assert list(comparison.changes) == [("large", "jpeg")]


def test_the_predecessor_is_of_the_same_preset_and_format_or_stood_in_for_it() -> None:
    assert predecessor([PNG, JPEG], "large", "jpeg") == JPEG
    assert predecessor([PNG], "large", "jpeg") == PNG
    assert predecessor([JPEG], "large", "png") is None
    assert predecessor([JPEG], "small", "jpeg") is None
