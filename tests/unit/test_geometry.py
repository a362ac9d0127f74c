"""Which size a picture gets, and what of it is shown."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from packshot.geometry import Size, layout
from packshot.models import Preset


def preset(fit: str, pixels: int = 400, aspect: tuple[int, int] = (1, 1)) -> Preset:
    return Preset("any", pixels, (), fit=fit, aspect=aspect)


@pytest.mark.parametrize(
    ("source", "pixels", "wanted"),
    [
        ((1600, 1067), 800, (800, 534)),
        ((1067, 1600), 800, (534, 800)),
        ((1600, 1065), 800, (800, 533)),
        ((100, 50), 800, (100, 50)),
        ((10_000, 1), 100, (100, 1)),
    ],
)
def test_the_longer_side_fits_and_sizes_are_rounded_as_everybody_does(
    source: Size, pixels: int, wanted: Size
) -> None:
    inside = layout(source, preset("inside", pixels))

    assert inside.size == inside.canvas == wanted


@pytest.mark.parametrize(
    ("source", "aspect", "wanted"),
    [((1600, 1067), (4, 5), (320, 213)), ((300, 500), (4, 5), (240, 400)), ((300, 500), (3, 1), (80, 133))],
)
def test_inside_means_inside_of_the_box_of_that_aspect(source: Size, aspect: Size, wanted: Size) -> None:
    assert layout(source, preset("inside", aspect=aspect)).canvas == wanted


@pytest.mark.parametrize(
    ("source", "aspect", "whole", "shown"),
    [
        ((1600, 1067), (1, 1), (600, 400), (400, 400)),
        ((1600, 1067), (4, 5), (600, 400), (320, 400)),
        ((1600, 1067), (3, 1), (400, 267), (400, 133)),
        ((300, 500), (1, 1), (300, 500), (300, 300)),
        ((50, 40), (4, 5), (50, 40), (32, 40)),
    ],
)
def test_cover_fills_the_box_as_far_as_nothing_is_enlarged(
    source: Size, aspect: Size, whole: Size, shown: Size
) -> None:
    cover = layout(source, preset("cover", aspect=aspect))

    assert (cover.size, cover.canvas) == (whole, shown)


@pytest.mark.parametrize(
    ("source", "aspect", "whole", "shown"),
    [
        ((1600, 1067), (1, 1), (400, 267), (400, 400)),
        ((1600, 1067), (3, 1), (200, 133), (400, 133)),
        ((300, 500), (4, 5), (240, 400), (320, 400)),
        ((50, 40), (1, 1), (50, 40), (50, 50)),
    ],
)
def test_pad_shows_all_of_it_in_the_box_that_it_touches(
    source: Size, aspect: Size, whole: Size, shown: Size
) -> None:
    pad = layout(source, preset("pad", aspect=aspect))

    assert (pad.size, pad.canvas) == (whole, shown)


sides = st.integers(1, 16_384)
aspects = st.tuples(st.integers(1, 99), st.integers(1, 99))


@given(st.tuples(sides, sides), aspects, st.integers(1, 16_383), st.sampled_from(["inside", "cover", "pad"]))
def test_nothing_is_enlarged_and_nothing_vanishes(source: Size, aspect: Size, pixels: int, fit: str) -> None:
    got = layout(source, preset(fit, pixels, aspect))

    assert 0 < got.scale <= 1
    assert min(*got.size, *got.canvas) >= 1
    assert got.size[0] <= source[0]
    assert got.size[1] <= source[1]
    if fit != "pad":
        assert got.canvas[0] <= got.size[0]
        assert got.canvas[1] <= got.size[1]
    if fit != "cover":
        assert got.canvas[0] >= got.size[0]
        assert got.canvas[1] >= got.size[1]
