"""Facts of pictures: colours, edges and sharpness as a person would see them."""

from base64 import b64decode

import pytest
import pyvips
from tests.pictures import photo, picture

from packshot.facts import facts_of
from packshot.models import Facts


def plain(*colour: int, width: int = 60, height: int = 40) -> pyvips.Image:
    """One colour; with one or two numbers it is grey, the last of two or four is the opacity."""
    kind = "b-w" if len(colour) < 3 else "srgb"
    image = pyvips.Image.black(width, height, bands=len(colour)) + list(colour)
    return image.cast("uchar").copy(interpretation=kind).copy_memory()


def on(background: pyvips.Image, image: pyvips.Image) -> pyvips.Image:
    """A picture in the middle of another one."""
    x, y = (background.width - image.width) // 2, (background.height - image.height) // 2
    return background.insert(image, x, y).copy_memory()


def detailed(size: int = 400) -> pyvips.Image:
    """Edges and grain at every size, as in nature: noise, and the same noise larger and stronger."""
    layers = [
        pyvips.Image.gaussnoise(
            size >> octave, size >> octave, mean=0, sigma=6 * 2**octave, seed=octave
        ).resize(2**octave)
        for octave in range(5)
    ]
    return (pyvips.Image.sum(layers) / 2 + 128).cast("uchar").copy(interpretation="b-w").copy_memory()


def is_near(colour: str, *expected: int) -> bool:
    return all(
        abs(ours - theirs) < 8 for ours, theirs in zip(bytes.fromhex(colour[1:]), expected, strict=True)
    )


def test_the_colour_is_that_of_most_of_the_picture_and_not_the_mean_of_all() -> None:
    image = on(plain(40, 60, 180), plain(200, 40, 40, width=30))

    assert is_near(facts_of(image).colour, 40, 60, 180)


def test_a_grain_does_not_hide_the_colour() -> None:
    grain = [pyvips.Image.gaussnoise(600, 400, mean=0, sigma=150, seed=seed) for seed in (1, 2, 3)]
    grainy = (plain(128, 128, 128, width=600, height=400) + grain[0].bandjoin(grain[1:])).cast("uchar")
    image = on(grainy.copy(interpretation="srgb"), plain(200, 40, 40, width=240, height=400))

    assert is_near(facts_of(image).colour, 128, 128, 128)


def test_what_is_transparent_has_no_colour() -> None:
    image = on(plain(0, 200, 0, 0), plain(40, 60, 180, 255, width=10, height=10))

    assert is_near(facts_of(image).colour, 40, 60, 180)


def test_a_grey_picture_has_a_grey_colour() -> None:
    assert facts_of(plain(90)).colour == "#5a5a5a"


def test_the_placeholder_has_the_shape_and_the_transparency_of_the_picture() -> None:
    wide, tall, cut_out = (
        b64decode(facts_of(image).placeholder)
        for image in (picture(96, 64), picture(64, 96), plain(200, 40, 40, 128))
    )

    assert [bool(one[4] & 0x80) for one in (wide, tall, cut_out)] == [True, False, True]
    assert [bool(one[2] & 0x80) for one in (wide, tall, cut_out)] == [False, False, True]


def test_a_large_picture_and_a_small_one_of_it_have_the_same_placeholder() -> None:
    large, small = (
        b64decode(facts_of(picture(960, 640)).placeholder),
        b64decode(facts_of(picture()).placeholder),
    )

    assert large[:5] == small[:5]


@pytest.mark.parametrize(
    ("image", "expected"),
    [
        (plain(9, 9, 9), False),
        (plain(9, 9, 9, 255), False),
        (plain(9), False),
        (plain(9, 254), True),
        (on(plain(9, 9, 9, 255, width=2000, height=2000), plain(9, 9, 9, 254, width=1, height=1)), True),
    ],
    ids=["no opacity", "all opaque", "grey", "grey that hides", "one pixel of many"],
)
def test_a_picture_is_transparent_if_one_pixel_hides_less_than_all(
    image: pyvips.Image, *, expected: bool
) -> None:
    assert facts_of(image).has_transparency is expected


@pytest.mark.parametrize(
    ("image", "expected"),
    [
        (plain(255, 255, 255), 1),
        (plain(255), 1),
        (plain(0, 0, 0), 0),
        (plain(255, 255, 0), 0),
        (plain(240, 250, 245), 240 / 255),
        (plain(0, 0, 0, 0), 1),
        (plain(0, 0, 0, 51), 0.8),
    ],
    ids=["white", "white as grey", "black", "yellow", "cream", "nothing", "a shade"],
)
def test_whiteness_is_how_far_the_darkest_colour_is_from_black(image: pyvips.Image, expected: float) -> None:
    assert facts_of(image).whiteness == pytest.approx(expected, abs=0.01)


def test_whiteness_looks_at_the_edges_alone() -> None:
    assert facts_of(on(plain(255, 255, 255), plain(0, 0, 0, width=44, height=26))).whiteness > 0.99


def test_each_edge_counts_for_a_quarter_of_the_whiteness() -> None:
    left = plain(0, 0, 0, width=100, height=500)

    scene = plain(255, 255, 255, width=1000, height=500).insert(left, 0, 0).copy_memory()

    assert facts_of(scene).whiteness == pytest.approx((0 + 1 + 0.9 + 0.9) / 4, abs=0.03)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda image: image.gaussblur(1),
        lambda image: image.gaussblur(3),
        lambda image: image.resize(2),
        lambda image: image.resize(2, kernel="linear"),
        lambda image: image.resize(3.5, kernel="cubic"),
    ],
    ids=["blurred", "blurred much", "enlarged", "enlarged simply", "enlarged much"],
)
def test_a_picture_that_was_blurred_or_enlarged_is_less_sharp_by_half(spoil: object) -> None:
    assert callable(spoil)
    image = detailed()

    assert facts_of(spoil(image).copy_memory()).sharpness < 0.5 * facts_of(image).sharpness


def test_sharpness_does_not_depend_on_the_contrast() -> None:
    image = detailed()
    faint = (image * 0.5 + 64).cast("uchar").copy(interpretation="b-w").copy_memory()

    assert facts_of(faint).sharpness == pytest.approx(facts_of(image).sharpness, abs=0.05)


def test_sharpness_does_not_depend_on_how_much_white_there_is() -> None:
    image = detailed(200)

    framed = on(plain(255, width=500, height=500), image)

    assert facts_of(framed).sharpness == pytest.approx(facts_of(image).sharpness, abs=0.15)


def test_what_is_sharp_stays_sharp_when_it_is_cut_out() -> None:
    image = detailed()
    cut_out = image.bandjoin(255).copy(interpretation="b-w").copy_memory()

    assert facts_of(cut_out).sharpness == facts_of(image).sharpness


@pytest.mark.parametrize(
    "image",
    [
        plain(7, width=1, height=1),
        plain(7, 7, 7, width=1, height=3000),
        plain(7, 7, 7, 0, width=3000, height=1),
        plain(7, 0, width=9, height=9),
        photo(8, 8),
    ],
    ids=["a point", "a line", "a line of nothing", "nothing in grey", "a stamp"],
)
def test_every_picture_has_facts_within_their_limits(image: pyvips.Image) -> None:
    facts = facts_of(image)

    assert len(facts.colour) == 7
    assert 0 <= facts.whiteness <= 1
    assert 0 <= facts.sharpness <= 1
    assert len(b64decode(facts.placeholder)) <= 27


def test_nothing_is_white_and_transparent_and_not_sharp() -> None:
    facts = facts_of(plain(0, 0, 0, 0))

    assert facts == Facts("#ffffff", facts.placeholder, True, 1.0, 0.0)


def test_one_colour_is_not_sharp() -> None:
    assert facts_of(plain(200, 40, 40)).sharpness == 0
