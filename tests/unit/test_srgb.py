"""Numbers of sRGB become light and come back."""

import numpy as np
import pytest

from packshot.srgb import LIGHT, NUMBERS


@pytest.mark.parametrize(("number", "light"), [(0, 0), (10, 0.003035), (128, 0.215861), (255, 1)])
def test_a_number_stands_for_the_light_that_the_standard_says(number: int, light: float) -> None:
    assert LIGHT[number] == pytest.approx(light, abs=1e-6)


def test_every_number_comes_back() -> None:
    steps = (LIGHT * 65_535 + 0.5).astype(np.uint16)

    assert NUMBERS[steps].tolist() == list(range(256))


def test_more_light_is_never_a_smaller_number() -> None:
    assert (np.diff(NUMBERS.astype(int)) >= 0).all()
