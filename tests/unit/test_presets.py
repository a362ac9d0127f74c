"""What a presets file may say, what is said about a wrong one, and what names renditions get."""

import re
from dataclasses import replace
from pathlib import Path

import pytest

from packshot.errors import ConfigError
from packshot.models import Encoding, Preset
from packshot.presets import CONTENT_TYPES, FORMATS, load_presets, recipe, store_key

LARGE = Preset("large", 1600, (Encoding("avif", 70, 0), Encoding("jpeg", 80, 0)))
SOURCE = "3f" + "0123456789abcdef" * 3 + "0123456789abcd"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "mine.toml"


def test_the_built_in_presets_are_three_sizes_in_avif_and_jpeg() -> None:
    presets = load_presets(None)

    assert [(preset.name, preset.pixels) for preset in presets] == [
        ("large", 1600),
        ("medium", 800),
        ("thumb", 200),
    ]
    assert [preset.score for preset in presets] == [80, 80, 75]
    assert {preset.encodings for preset in presets} == {
        (Encoding("avif", None, 0), Encoding("jpeg", None, 0)),
    }


def test_order_is_kept_because_the_first_is_the_main_rendition(file: Path) -> None:
    file.write_text("[z]\nwebp = {}\npixels = 5\navif = {}\n[a]\npixels = 900\njpeg = {}\n")

    presets = load_presets(file)

    assert [preset.name for preset in presets] == ["z", "a"]
    assert [encoding.format for encoding in presets[0].encodings] == ["webp", "avif"]


def test_what_is_not_said_has_a_default(file: Path) -> None:
    file.write_text(
        "[one]\npixels = 1\navif = {}\njpeg = { quality = 90 }\nwebp = { effort = 6 }\npng = {}\n"
    )

    (preset,) = load_presets(file)

    assert preset.encodings == (
        Encoding("avif", None, 0),
        Encoding("jpeg", 90, 0),
        Encoding("webp", None, 6),
        Encoding("png", None, 6),
    )
    assert preset == Preset("one", 1, preset.encodings)


def test_quality_may_be_left_to_the_picture_for_one_format_or_for_all(file: Path) -> None:
    file.write_text(
        '[a]\npixels = 9\nquality = 70\navif = {}\njpeg = { quality = "auto" }\nwebp = {quality = 1}\n'
    )

    (preset,) = load_presets(file)

    assert [encoding.quality for encoding in preset.encodings] == [70, None, 1]


def test_a_preset_says_how_it_looks_and_what_is_shown(file: Path) -> None:
    file.write_text(
        '[a]\npixels = 9\nscore = 90\nfit = "pad"\naspect = "4:5"\nbackground = "#FFffff"\n'
        "trim = true\nsharpen = true\nlossless = false\njpeg = {}\n"
    )

    (preset,) = load_presets(file)

    assert preset == Preset(
        "a",
        9,
        preset.encodings,
        score=90,
        fit="pad",
        aspect=(4, 5),
        background="#FFffff",
        trim=True,
        sharpen=True,
        lossless=False,
    )


def test_no_preset_is_called_as_the_html_of_an_image_is(file: Path) -> None:
    file.write_text("[markup]\npixels = 100\njpeg = {}\n")

    with pytest.raises(ConfigError, match=r"\[markup\]: at this name the API shows an image's HTML"):
        load_presets(file)


def test_the_limits_themselves_are_allowed(file: Path) -> None:
    file.write_text(
        f"[a{'9' * 30}]\npixels = 1\navif = {{ quality = 1, effort = 0 }}\n"
        "[b_]\npixels = 16383\navif = { quality = 100, effort = 9 }\n"
    )

    assert len(load_presets(file)) == 2


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "it has 0 presets; 1 to 12 are allowed"),
        (
            "\n".join(f"[p{n}]\npixels = 9\navif = {{}}" for n in range(13)),
            "it has 13 presets; 1 to 12 are allowed",
        ),
        ("[Large]\npixels = 9\navif = {}", "[Large]: a name is a small letter"),
        ("[9lives]\npixels = 9\navif = {}", "[9lives]: a name is a small letter"),
        (f"[a{'b' * 31}]\npixels = 9\navif = {{}}", "a name is a small letter"),
        ('["../x"]\npixels = 9\navif = {}', "[../x]: a name is a small letter"),
        ("pixels = 9", "pixels: stands outside of a preset"),
        ("[a]\navif = {}", "[a] pixels: must be a whole number from 1 to 16383"),
        ("[a]\npixels = 0\navif = {}", "[a] pixels: must be a whole number from 1 to 16383, not 0"),
        ("[a]\npixels = 16384\navif = {}", "[a] pixels: must be a whole number from 1 to 16383, not 16384"),
        ("[a]\npixels = true\navif = {}", "[a] pixels: must be a whole number from 1 to 16383, not True"),
        ('[a]\npixels = "9"\navif = {}', "[a] pixels: must be a whole number from 1 to 16383, not '9'"),
        ("[a]\npixels = 9", "[a] has no format; at least one of avif, jpeg, webp, png"),
        ("[a]\npixels = 9\nwebp = {}\nanimated = 1", "[a] animated: must be true or false, not 1"),
        (
            "[a]\npixels = 9\navif = {}\nanimated = true",
            "[a] animated: needs a format that can move (webp)",
        ),
        ("[a]\npixels = 9\njxl = {}", "[a] jxl: not a format; allowed are avif, jpeg, webp, png"),
        ("[a]\npixels = 9\navif = 70", "[a] avif: must be a table like { quality = 80 }"),
        ("[a]\npixels = 9\navif = { q = 1 }", "[a] avif q: unknown; allowed are quality, effort"),
        (
            "[a]\npixels = 9\navif = { quality = 0 }",
            '[a] avif quality: must be "auto" or a whole number from 1 to 100, not 0',
        ),
        (
            "[a]\npixels = 9\njpeg = { quality = 101 }",
            '[a] jpeg quality: must be "auto" or a whole number from 1 to 100',
        ),
        (
            "[a]\npixels = 9\navif = { effort = 10 }",
            "[a] avif effort: must be a whole number from 0 to 9, not 10",
        ),
        (
            "[a]\npixels = 9\nwebp = { effort = 7 }",
            "[a] webp effort: must be a whole number from 0 to 6, not 7",
        ),
        (
            "[a]\npixels = 9\njpeg = { effort = 2 }",
            "[a] jpeg effort: must be a whole number from 0 to 1, not 2",
        ),
        ("[a]\npixels = 9\npng = { quality = 80 }", '[a] png quality: must be "auto" or 100, not 80'),
        (
            '[a]\npixels = 9\npng = { quality = "best" }',
            "[a] png quality: must be \"auto\" or 100, not 'best'",
        ),
        ("[a]\npixels = 9\njpeg = {}\nquality = 0", '[a] jpeg quality: must be "auto" or a whole number'),
        ("[a]\npixels = 9\njpeg = {}\nscore = 99", "[a] score: must be a whole number from 30 to 95, not 99"),
        ("[a]\npixels = 9\njpeg = {}\ntrim = 1", "[a] trim: must be true or false, not 1"),
        (
            '[a]\npixels = 9\njpeg = {}\nfit = "fill"',
            "[a] fit: must be one of inside, cover, pad, not 'fill'",
        ),
        (
            '[a]\npixels = 9\njpeg = {}\nfit = ["pad"]',
            "[a] fit: must be one of inside, cover, pad, not ['pad']",
        ),
        ('[a]\npixels = 9\njpeg = {}\naspect = "4:0"', "[a] aspect: must be width to height"),
        ("[a]\npixels = 9\njpeg = {}\naspect = 1", "[a] aspect: must be width to height"),
        (
            '[a]\npixels = 9\njpeg = {}\nfit = "pad"\nbackground = "white"',
            "[a] background: must be a colour like \"#ffffff\", not 'white'",
        ),
        ('[a]\npixels = 9\njpeg = {}\nbackground = "#ffffff"', '[a] background: needs fit = "pad"'),
        (
            '[a]\npixels = 9\nwebp = {}\nanimated = true\nfit = "cover"',
            '[a] animated: needs fit = "inside" and no trim',
        ),
    ],
)
def test_a_wrong_file_is_told_what_is_allowed(text: str, complaint: str, file: Path) -> None:
    file.write_text(text)

    with pytest.raises(ConfigError) as caught:
        load_presets(file)

    assert str(file) in str(caught.value)
    assert complaint in str(caught.value)


def test_all_problems_are_named_at_once(file: Path) -> None:
    file.write_text("[a]\npixels = 0\n[B]\npixels = 9\njxl = {}\n")

    with pytest.raises(ConfigError) as caught:
        load_presets(file)

    assert len(str(caught.value).splitlines()) == 1 + 4


@pytest.mark.parametrize("content", [b"[a", b"[a]\npixels = 1\npixels = 2", b"\xff\xfe", None])
def test_a_file_that_cannot_be_read_is_named(content: bytes | None, file: Path) -> None:
    if content is not None:
        file.write_bytes(content)

    with pytest.raises(ConfigError, match=re.escape(f"The presets file {file} cannot be read: ")):
        load_presets(file)


def test_the_recipe_changes_with_everything_that_decides_the_bytes() -> None:
    encoding = Encoding("avif", 70, 0)
    others = [
        (replace(LARGE, pixels=1601), encoding),
        (replace(LARGE, fit="cover"), encoding),
        (replace(LARGE, aspect=(4, 5)), encoding),
        (replace(LARGE, background="#ffffff"), encoding),
        (replace(LARGE, trim=True), encoding),
        (replace(LARGE, sharpen=True), encoding),
        (LARGE, replace(encoding, quality=None)),
        (replace(LARGE, score=90), replace(encoding, quality=None)),
        (replace(LARGE, lossless=False), replace(encoding, quality=None)),
        (LARGE, replace(encoding, format="webp")),
        (LARGE, replace(encoding, quality=71)),
        (LARGE, replace(encoding, effort=1)),
    ]

    recipes = {recipe(LARGE, encoding), *(recipe(*other) for other in others)}

    assert len(recipes) == 1 + len(others)
    assert all(re.fullmatch(r"[0-9a-f]{16}", one) for one in recipes)


def test_the_recipe_of_a_format_that_can_move_knows_whether_it_may() -> None:
    webp, avif = Encoding("webp", 85, 2), Encoding("avif", 70, 0)
    still = Preset("a", 9, (webp, avif))
    animated = Preset("a", 9, (webp, avif), animated=True)

    assert recipe(still, webp) != recipe(animated, webp)
    assert recipe(still, avif) == recipe(animated, avif)


def test_animations_stand_still_unless_a_preset_says_otherwise(file: Path) -> None:
    file.write_text("[still]\npixels = 9\nwebp = {}\n[moving]\npixels = 9\nwebp = {}\nanimated = true\n")

    assert [preset.animated for preset in load_presets(file)] == [False, True]


def test_the_recipe_does_not_care_for_the_name_of_the_preset() -> None:
    assert recipe(LARGE, LARGE.encodings[0]) == recipe(replace(LARGE, name="big"), LARGE.encodings[0])


def test_the_recipe_of_a_fixed_quality_does_not_care_for_scores() -> None:
    encoding = LARGE.encodings[0]

    assert recipe(LARGE, encoding) == recipe(replace(LARGE, score=90, lossless=False), encoding)


def test_the_recipe_is_the_same_tomorrow() -> None:
    # if this fails, every picture in every store is made again: raise RECIPE_VERSION only on purpose
    assert recipe(LARGE, LARGE.encodings[0]) == "ac43f63635139651"


def test_a_key_is_made_of_content_and_preset_and_nothing_else() -> None:
    key = store_key(SOURCE, "large", "28e812f3d1e3693a", "jpeg")

    assert key == f"3f/{SOURCE}/large-28e812f3d1e3693a.jpg"
    assert re.fullmatch(r"[0-9a-f/]+[-a-z0-9_.]*", key)


def test_every_format_has_a_content_type_and_a_suffix() -> None:
    assert CONTENT_TYPES == {
        "avif": "image/avif",
        "jpeg": "image/jpeg",
        "webp": "image/webp",
        "png": "image/png",
    }
    assert [format_.suffix for format_ in FORMATS.values()] == ["avif", "jpg", "webp", "png"]
