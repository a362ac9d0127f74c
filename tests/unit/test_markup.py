"""What a `<picture>` offers to browsers, and what it leaves out because it would show something else."""

import re
from dataclasses import asdict

import pytest
from tests.ready import made

from packshot.models import Rendition
from packshot.web.choice import Rendition as RowOfOne
from packshot.web.markup import alike, markup


def rows(*renditions: Rendition) -> list[RowOfOne]:
    return [asdict(one) for one in renditions]


def name_of(row: RowOfOne) -> str:
    return f"{row['preset']}.{row['format']}"


def offered(*renditions: Rendition, source_format: str = "jpeg") -> list[str]:
    """The candidates of each `<source>` by its type, and last those of the `<img>`."""
    html = markup(alike(rows(*renditions), source_format), name_of, "100vw", alt="")
    tags = re.findall(r"<(?:source type=\"([^\"]*)\"|img src=\"[^\"]*\") srcset=\"([^\"]*)\"", html)
    return [f"{kind or 'img'}: {candidates}" for kind, candidates in tags]


def test_the_formats_come_in_the_order_of_the_preset_and_the_most_compatible_is_the_image() -> None:
    assert offered(made("l", "jpeg"), made("l", "avif"), made("l", "webp")) == [
        "image/avif: l.avif 1600w",
        "image/webp: l.webp 1600w",
        "img: l.jpeg 1600w",
    ]


def test_one_format_alone_is_the_image() -> None:
    assert offered(made("l", "avif"), made("s", "avif", 800, 600)) == ["img: l.avif 1600w, s.avif 800w"]


def test_the_widest_comes_first_whatever_the_order_of_the_presets() -> None:
    assert offered(made("s", "jpeg", 800, 600), made("l", "jpeg")) == ["img: l.jpeg 1600w, s.jpeg 800w"]


def test_a_small_source_has_one_width_only_once() -> None:
    assert offered(made("l", "jpeg", 150, 100), made("s", "jpeg", 150, 100)) == ["img: l.jpeg 150w"]


@pytest.mark.parametrize(("width", "height"), [(200, 200), (200, 150 - 3), (1600, 1600)])
def test_another_shape_is_left_out(width: int, height: int) -> None:
    assert offered(made("l", "jpeg"), made("s", "jpeg", width, height)) == ["img: l.jpeg 1600w"]


@pytest.mark.parametrize(
    ("large", "small"),
    [((1600, 1067), (200, 133)), ((1600, 3), (200, 1)), ((3, 1600), (1, 200)), ((1600, 1), (200, 1))],
)
def test_a_shape_that_was_rounded_is_the_same(large: tuple[int, int], small: tuple[int, int]) -> None:
    (image,) = offered(made("l", "jpeg", *large), made("s", "jpeg", *small))

    assert image == f"img: l.jpeg {large[0]}w, s.jpeg {small[0]}w"


@pytest.mark.parametrize("source_format", ["gif", "webp"])
def test_what_may_move_is_left_out_where_something_stands_still(source_format: str) -> None:
    renditions = [made("l", "webp"), made("l", "jpeg")]

    assert offered(*renditions, source_format=source_format) == ["img: l.jpeg 1600w"]
    assert offered(renditions[0], source_format=source_format) == ["img: l.webp 1600w"]


@pytest.mark.parametrize("source_format", ["png", "avif"])
def test_what_never_moves_is_offered_in_all_formats(source_format: str) -> None:
    assert len(offered(made("l", "webp"), made("l", "jpeg"), source_format=source_format)) == 2


def test_a_drawing_is_offered_as_what_it_is() -> None:
    drawing = [made("l", "webp", slot="avif"), made("l", "png", slot="jpeg")]

    assert offered(*drawing) == ["image/webp: l.webp 1600w", "img: l.png 1600w"]


def test_a_format_that_has_small_sizes_only_is_left_out_as_it_would_be_enlarged() -> None:
    drawing = [made("l", "webp", slot="avif"), made("l", "png", slot="jpeg")]
    small = [made("s", "avif", 200, 150), made("s", "jpeg", 200, 150)]

    assert offered(*drawing, *small) == ["image/webp: l.webp 1600w", "img: l.png 1600w, s.jpeg 200w"]


def test_every_attribute_is_escaped() -> None:
    html = markup(rows(made("l", "jpeg")), lambda _: 'a"<>&', 'b"<', alt="c'\">", style='d"')

    assert re.findall(r'[^=]"[^ >]', html) == []
    assert html.count("<") == html.count(">") == 3
