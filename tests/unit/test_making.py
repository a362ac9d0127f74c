"""What is wanted, what is missing, and what is chosen from all that there is."""

from dataclasses import replace

from packshot.making import chosen, missing, name_of, wanted
from packshot.models import Encoding, Preset, Rendition

LARGE = Preset("large", 1600, (Encoding("avif", 70, 0), Encoding("jpeg", 80, 0)))
SMALL = Preset("small", 160, (Encoding("avif", 70, 0),))
PRESETS = (LARGE, SMALL)


def renditions(*presets: Preset) -> list[Rendition]:
    names = [(*name_of(*one), one[1].format) for one in wanted(presets)]
    return [Rendition(recipe, name, format_, f"{name}.{format_}", 8, 6, 7) for name, recipe, format_ in names]


def test_of_a_source_that_nobody_has_seen_everything_is_missing() -> None:
    assert missing(PRESETS, []) == PRESETS


def test_of_a_source_that_has_everything_nothing_is_missing() -> None:
    assert missing(PRESETS, renditions(*PRESETS)) == ()


def test_a_preset_is_missing_with_those_formats_only_that_are_not_there() -> None:
    avif, jpeg = LARGE.encodings

    assert missing(PRESETS, renditions(replace(LARGE, encodings=(avif,)), SMALL)) == (
        replace(LARGE, encodings=(jpeg,)),
    )


def test_another_recipe_under_the_same_name_is_missing() -> None:
    old = renditions(LARGE, replace(SMALL, pixels=100))

    assert missing(PRESETS, old) == (SMALL,)


def test_a_format_that_stands_in_is_not_missing() -> None:
    assert missing([SMALL], [replace(one, format="webp") for one in renditions(SMALL)]) == ()


def test_what_is_wanted_is_chosen_in_the_order_of_the_presets_and_the_rest_is_left() -> None:
    there = [*renditions(replace(SMALL, pixels=100)), *reversed(renditions(*PRESETS))]

    assert chosen(PRESETS, there) == tuple(renditions(*PRESETS))
