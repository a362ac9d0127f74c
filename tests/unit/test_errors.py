"""The tree of errors: what is drawn is what there is, and every error tells a person what to do."""

import re
from pathlib import Path
from typing import get_args

import pytest

from packshot import errors
from packshot.errors import CATALOGUE, FixedBy, ImageError, PackshotError

DRAWN_KIND = re.compile(r"[├└]── (\w+)")
DRAWN_IMAGE_ERROR = re.compile(r"[├└]── (\w+) +(\w+) +(permanent|transient) +(supplier|operator|packshot)")


def drawing() -> str:
    return str(errors.__doc__)


def descendants(kind: type[PackshotError]) -> set[type[PackshotError]]:
    return {kind}.union(*(descendants(child) for child in kind.__subclasses__()))


def test_the_drawing_names_every_error_of_this_file_and_no_other() -> None:
    written = {kind.__name__ for kind in descendants(PackshotError) if kind.__module__ == errors.__name__}

    assert {"PackshotError", *DRAWN_KIND.findall(drawing())} == written


def test_the_drawing_says_of_every_image_error_what_the_class_says() -> None:
    said = [
        (kind.__name__, kind.code, "transient" if kind.transient else "permanent", kind.fixed_by)
        for kind in CATALOGUE.values()
    ]

    assert DRAWN_IMAGE_ERROR.findall(drawing()) == said


def test_every_image_error_is_in_the_catalogue_under_a_code_of_its_own() -> None:
    assert set(CATALOGUE.values()) == descendants(ImageError) - {ImageError}


@pytest.mark.parametrize("kind", CATALOGUE.values())
def test_a_code_is_the_name_in_small_letters(kind: type[ImageError]) -> None:
    assert kind.code == re.sub(r"(?<!^)(?=[A-Z])", "_", kind.__name__).lower()


@pytest.mark.parametrize("kind", CATALOGUE.values())
def test_an_image_error_says_who_can_fix_it_and_explains_itself_in_a_sentence(
    kind: type[ImageError],
) -> None:
    assert kind.fixed_by in get_args(FixedBy)
    for sentence in (kind.meaning, kind.advice):
        assert re.fullmatch(r"[A-Z].{3,}\.", sentence)


@pytest.mark.parametrize("kind", CATALOGUE.values())
def test_every_way_to_fail_is_looked_for_by_a_test_of_more_than_a_function(
    kind: type[ImageError],
) -> None:
    tests = Path(__file__).parents[1]
    texts = (file.read_text() for file in tests.rglob("*.py") if file.parent != tests / "unit")

    assert any(re.search(rf"\b{kind.__name__}\b|\"{kind.code}\"", text) for text in texts)
