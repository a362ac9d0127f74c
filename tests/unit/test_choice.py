"""Which rendition a request means: its own format first, then what stands in for it."""

from typing import Any

import pytest
from tests.ready import made

from packshot.web.choice import choose, path_of, version_of


def rows(*renditions: tuple[str, str, str]) -> list[dict[str, Any]]:
    """Rows of one preset: format, what it stands in for, and recipe."""
    return [
        {"preset": "large", "format": format_, "recipe": recipe, "slot": slot}
        for format_, slot, recipe in renditions
    ]


DRAWING = rows(("webp", "avif", "aaaaaaaa11111111"), ("png", "jpeg", "bbbbbbbb22222222"))
PHOTO = rows(("avif", "", "aaaaaaaa11111111"), ("jpeg", "", "bbbbbbbb22222222"))
CHROME = "image/avif,image/webp,image/apng,image/svg+xml,image/*,*/*;q=0.8"


def chosen(renditions: list[dict[str, Any]], name: str, accept: str = "", version: str = "") -> str:
    found = choose(renditions, name, accept, version)
    return f"{found['format']} {version_of(found)}" if found else "nothing"


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("large.avif", "webp aaaaaaaa"),
        ("large.jpg", "png bbbbbbbb"),
        ("large.webp", "webp aaaaaaaa"),
        ("large.png", "png bbbbbbbb"),
        ("large.jpeg", "nothing"),
        ("medium.jpg", "nothing"),
        ("medium", "nothing"),
    ],
)
def test_a_drawing_is_had_by_the_format_that_was_asked_for_and_by_its_own(name: str, expected: str) -> None:
    assert chosen(DRAWING, name) == expected


def test_nothing_stands_in_for_a_format_that_is_there() -> None:
    both = rows(("png", "", "cccccccc33333333"), ("jpeg", "", "bbbbbbbb22222222"))

    assert chosen(both, "large.jpg", accept="image/png") == "jpeg bbbbbbbb"


@pytest.mark.parametrize("name", ["large.webp", "large.png"])
def test_a_photo_does_not_stand_in_for_a_drawing(name: str) -> None:
    assert chosen(PHOTO, name) == "nothing"


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        (CHROME, "webp aaaaaaaa"),
        ("image/avif,*/*", "png bbbbbbbb"),
        ("image/jpeg", "png bbbbbbbb"),
        ("image/webp", "webp aaaaaaaa"),
        ("image/png,image/webp", "webp aaaaaaaa"),
        ("image/webp;q=0,*/*", "png bbbbbbbb"),
        ("*/*", "png bbbbbbbb"),
    ],
)
def test_a_drawing_is_chosen_by_what_it_is_and_not_by_what_it_stands_for(accept: str, expected: str) -> None:
    assert chosen(DRAWING, "large", accept) == expected


def test_of_two_renditions_in_one_format_the_version_decides() -> None:
    both = rows(("webp", "avif", "aaaaaaaa11111111"), ("webp", "", "dddddddd44444444"))

    assert chosen(both, "large.webp") == "webp aaaaaaaa"
    assert chosen(both, "large.webp", version="dddddddd") == "webp dddddddd"
    assert chosen(both, "large.webp", version="eeeeeeee") == "webp aaaaaaaa"


def test_the_version_forces_no_format_upon_a_client() -> None:
    assert chosen(PHOTO, "large", "image/jpeg", version="aaaaaaaa") == "jpeg bbbbbbbb"


def test_a_path_names_the_format_that_is_there_and_the_recipe() -> None:
    drawing = made("large", "png", slot="jpeg")

    path = path_of(7, {"preset": "large", "format": "png", "recipe": drawing.recipe})

    assert path == f"/images/7/large.png?v={drawing.recipe[:8]}"
