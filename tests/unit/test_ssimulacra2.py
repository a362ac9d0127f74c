"""
The score, beside what the reference says of the same pictures.

The figures are those of the Rust implementation (crate ssimulacra2 0.5.2, metric 2.1). Its window is a
recursive filter in single precision, whose rounding shows in
large smooth pictures.
"""

from collections.abc import Callable

import numpy as np
import pytest

from packshot import ssimulacra2
from packshot.ssimulacra2 import SMALLEST_SIDE, Original, Pixels


def scene(width: int, height: int) -> Pixels:
    """Draw soft colours, fine and coarse waves, hard edges and a little grain."""
    y, x = np.mgrid[0:height, 0:width].astype(np.float64)
    grain = np.random.default_rng(7).normal(0, 4, (height, width))
    red = 128 + 90 * np.sin(x / 37) * np.cos(y / 29) + 25 * np.sin(x * y / 900)
    green = 110 + 70 * np.cos((x + 2 * y) / 53) + grain
    blue = 90 + 60 * np.sin((x - y) / 71)
    box = (abs(x - width / 2) < width / 6) & (abs(y - height / 3) < height / 7)
    planes = [np.where(box, 235, red), np.where(box, 60, green), np.where(box, 40, blue)]
    return np.asarray(np.clip(np.stack(planes, axis=-1), 0, 255), np.uint8)


def blurred(pixels: Pixels) -> Pixels:
    """Average over three by three."""
    padded = np.pad(pixels.astype(np.float64), ((1, 1), (1, 1), (0, 0)), mode="edge")
    height, width = pixels.shape[:2]
    total = sum(padded[dy : dy + height, dx : dx + width] for dy in range(3) for dx in range(3))
    return np.asarray(total / 9, np.uint8)


def banded(pixels: Pixels) -> Pixels:
    """Leave one number of twelve."""
    return np.asarray(pixels // 12 * 12 + 6, np.uint8)


def noisy(pixels: Pixels) -> Pixels:
    """Add noise."""
    noise = np.random.default_rng(11).integers(-9, 10, pixels.shape)
    return np.asarray(np.clip(pixels + noise, 0, 255), np.uint8)


def tinted(pixels: Pixels) -> Pixels:
    """Take some blue away."""
    return np.asarray(pixels * np.array([1, 1, 0.93]), np.uint8)


@pytest.mark.parametrize(
    ("distort", "width", "height", "reference"),
    [
        (blurred, 512, 384, 77.17),
        (banded, 512, 384, 81.28),
        (noisy, 512, 384, 71.91),
        (tinted, 512, 384, 87.09),
        (blurred, 257, 129, 78.03),
        (banded, 257, 129, 79.90),
        (noisy, 257, 129, 72.54),
        (tinted, 257, 129, 88.09),
    ],
)
def test_the_score_is_that_of_the_reference(
    distort: Callable[[Pixels], Pixels], width: int, height: int, reference: float
) -> None:
    original = scene(width, height)

    assert Original(original).score(distort(original)) == pytest.approx(reference, abs=0.25)


@pytest.mark.parametrize(("distort", "reference"), [(blurred, 68.13), (banded, 79.97), (noisy, 69.80)])
def test_a_large_picture_scores_what_the_reference_says_but_for_its_rounding(
    distort: Callable[[Pixels], Pixels], reference: float
) -> None:
    original = scene(1301, 977)

    assert Original(original).score(distort(original)) == pytest.approx(reference, abs=1.6)


@pytest.mark.parametrize("distort", [banded, noisy, tinted])
def test_some_rows_of_a_large_picture_speak_for_a_loss_that_is_everywhere(
    monkeypatch: pytest.MonkeyPatch, distort: Callable[[Pixels], Pixels]
) -> None:
    original = scene(1301, 977)
    of_some = Original(original).score(distort(original))
    monkeypatch.setattr(ssimulacra2, "ONE_OF", ())

    assert of_some == pytest.approx(Original(original).score(distort(original)), abs=0.5)


def test_a_picture_beside_itself_scores_100() -> None:
    original = scene(300, 200)

    assert Original(original).score(original) == 100


def test_every_step_away_from_the_original_scores_less() -> None:
    original = scene(300, 200)
    steps = [original, blurred(original), blurred(blurred(original))]

    scores = [Original(original).score(step) for step in steps]

    assert scores == sorted(scores, reverse=True)
    assert len({*scores}) == len(steps)


@pytest.mark.parametrize("size", [(SMALLEST_SIDE, 40), (40, SMALLEST_SIDE), (33, 35)])
def test_small_and_odd_sizes_have_a_score(size: tuple[int, int]) -> None:
    original = scene(*size)

    assert Original(original).score(noisy(original)) < 100


def test_what_is_too_small_has_none() -> None:
    with pytest.raises(ValueError, match="fewer than 8 pixels"):
        Original(scene(SMALLEST_SIDE - 1, 40))
