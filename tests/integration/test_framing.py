"""What a rendition shows: the product without plain borders, the best part, or all of it on a background."""

from collections.abc import Sequence
from typing import Any

import pytest
import pyvips
from tests.pictures import encode

from packshot.codecs import pixels
from packshot.framing import framed, plain_borders
from packshot.geometry import Layout
from packshot.models import Encoding, Preset, SourceLimits
from packshot.render import render

LIMITS = SourceLimits(10_000_000, 10_000, 1)
PNG, JPEG = Encoding("png", 100, 1), Encoding("jpeg", 95, 0)
WHITE, BLACK, GREY, ROSE = [255] * 3, [0] * 3, [128] * 3, [230, 150, 160]
BACKDROPS = (WHITE, BLACK, GREY, ROSE)
BLUE = [30, 120, 200]
INSIDE = (60, 50, 120, 80)  # left, top, width, height


def plain(width: int, height: int, colour: Sequence[float]) -> pyvips.Image:
    return as_picture(pyvips.Image.black(width, height).new_from_image([*colour]))


def as_picture(image: pyvips.Image) -> pyvips.Image:
    return image.cast("uchar").copy(interpretation="srgb").copy_memory()


def product(
    backdrop: Sequence[float] = WHITE, place: tuple[int, int, int, int] = INSIDE, grain: float = 0
) -> pyvips.Image:
    """Return a blue box in a picture of 300 x 200 pixels."""
    left, top, width, height = place
    image = plain(300, 200, backdrop).insert(plain(width, height, BLUE), left, top)
    return as_picture(image + pyvips.Image.gaussnoise(300, 200, mean=0, sigma=grain, seed=7))


def shown(
    image: pyvips.Image,
    pixels: int = 200,
    encoding: Encoding = PNG,
    **options: Any,  # noqa: ANN401 - those of Preset, which checks them
) -> pyvips.Image:
    """Return the rendition of a preset with these options."""
    preset = Preset("any", pixels, (encoding,), **options)
    (rendition,) = render(encode(image, "png"), [preset], LIMITS).encoded
    return pyvips.Image.new_from_buffer(rendition.data, "").copy_memory()


def place_of_blue(image: pyvips.Image) -> tuple[int, int, int, int]:
    left, top, width, height = image[0].find_trim(background=[255], threshold=120, line_art=True)
    return left, top, width, height


@pytest.mark.parametrize("place", [(10, 60, 60, 60), (230, 60, 60, 60), (120, 60, 60, 60)])
def test_a_crop_shows_the_whole_product(place: tuple[int, int, int, int]) -> None:
    square = shown(product(place=place), fit="cover")

    assert (square.width, square.height) == (200, 200)
    assert place_of_blue(square)[2:] == (60, 60)


def test_a_crop_of_a_tall_picture_shows_the_whole_product_too() -> None:
    wide = shown(product(place=(220, 60, 60, 60)).rot90(), fit="cover", aspect=(4, 3))

    assert (wide.width, wide.height) == (200, 150)
    assert place_of_blue(wide)[2:] == (60, 60)


def test_padding_with_a_colour_puts_the_picture_in_its_middle() -> None:
    square = shown(product(), 300, fit="pad", background="#ff8000")

    assert (square.width, square.height) == (300, 300)
    assert square.getpoint(0, 0) == square.getpoint(299, 299) == square.getpoint(150, 49) == [255, 128, 0]
    assert (square.crop(0, 50, 300, 200) - product()).abs().max() == 0


def test_a_colour_is_behind_a_transparent_picture_too() -> None:
    see_through = product().bandjoin(pyvips.Image.black(300, 200))

    for aspect in ((1, 1), (3, 2)):
        padded = shown(see_through, 300, fit="pad", aspect=aspect, background="#ff8000")
        assert (padded - [255, 128, 0]).abs().max() == 0


def test_a_grey_picture_takes_a_colour() -> None:
    grey = plain(300, 200, [90])[0].copy(interpretation="b-w")

    assert shown(grey, 300, fit="pad", background="#ff8000").getpoint(0, 0) == [255, 128, 0]


@pytest.mark.parametrize("backdrop", BACKDROPS)
@pytest.mark.parametrize("aspect", [(1, 1), (3, 1)])
def test_a_plain_backdrop_goes_on(backdrop: list[int], aspect: tuple[int, int]) -> None:
    padded = shown(product(backdrop), 300, fit="pad", aspect=aspect)

    around = plain(padded.width, padded.height, backdrop)
    left, top, width, height = padded.find_trim(background=backdrop, threshold=1, line_art=True)
    assert (padded.insert(around.crop(0, 0, width, height), left, top) - around).abs().max() == 0
    assert width / height == pytest.approx(120 / 80, abs=0.1)


def seams(image: pyvips.Image, *rows: int) -> float:
    """Return how much the mean of a few rows differs on both sides of each row, at most."""
    over = [image.crop(0, row - 8, image.width, 8).avg() for row in rows]
    below = [image.crop(0, row, image.width, 8).avg() for row in rows]
    return float(max(abs(one - other) for one, other in zip(over, below, strict=True)))


def studio() -> pyvips.Image:
    """Return a product on paper that gets darker towards its corners, as a camera with some grain sees it."""
    ways = pyvips.Image.xyz(300, 200)
    away = ((ways[0] - 150) ** 2 + (ways[1] - 100) ** 2) ** 0.5
    grain = pyvips.Image.gaussnoise(300, 200, mean=0, sigma=3, seed=7)
    shades = (250 - away / 5 + grain).bandjoin([245 - away / 5 + grain, 240 - away / 5 + grain])
    return as_picture(shades.insert(plain(120, 80, BLUE), 60, 50))


def test_no_seam_is_seen_where_a_studio_goes_on() -> None:
    square = shown(studio(), 300, fit="pad")

    corner, middle = (square.crop(x, 0, 30, 300) for x in (0, 130))
    assert max(seams(part, 50, 250) for part in (corner, middle)) < 2
    assert square.crop(0, 0, 30, 20).deviate() == pytest.approx(
        studio().crop(0, 0, 30, 20).deviate(), rel=0.5
    )


def test_nor_at_its_sides() -> None:
    square = shown(studio().rot90(), 300, fit="pad")

    assert seams(square.rot90().crop(130, 0, 30, 300), 50, 250) < 2


def test_a_product_that_touches_the_edge_does_not_go_on() -> None:
    square = shown(product(place=(60, 0, 120, 80)), 300, fit="pad")

    assert place_of_blue(square) == (60, 50, 120, 80)


def test_what_fills_its_picture_gets_bars_of_one_colour() -> None:
    busy = pyvips.Image.gaussnoise(300, 200, mean=100, sigma=60, seed=7)
    brighter_below = busy + pyvips.Image.xyz(300, 200)[1] / 2
    square = shown(as_picture(brighter_below.bandjoin([brighter_below] * 2)), 300, fit="pad")

    bars = square.crop(0, 0, 300, 50).join(square.crop(0, 250, 300, 50), "vertical")
    assert bars.deviate() == 0


def test_around_a_transparent_picture_is_nothing() -> None:
    fading = product().bandjoin(plain(300, 200, [128])[0])

    assert shown(fading, 300, fit="pad").getpoint(150, 10)[3] == 0
    assert shown(fading, 300, JPEG, fit="pad").getpoint(150, 10) == pytest.approx(WHITE, abs=2)


@pytest.mark.parametrize("backdrop", BACKDROPS)
def test_plain_borders_go(backdrop: list[int]) -> None:
    assert plain_borders(product(backdrop)) == INSIDE


@pytest.mark.parametrize("backdrop", BACKDROPS)
@pytest.mark.parametrize("grain", [3, 6])
def test_grain_makes_no_difference(backdrop: list[int], grain: float) -> None:
    assert plain_borders(product(backdrop, grain=grain)) == INSIDE


@pytest.mark.parametrize("backdrop", BACKDROPS)
def test_what_jpeg_does_to_borders_makes_little_difference(backdrop: list[int]) -> None:
    data = encode(product(backdrop), "jpeg", Q=75)

    found = plain_borders(pyvips.Image.new_from_buffer(data, "").copy_memory())

    assert max(abs(one - other) for one, other in zip(found, INSIDE, strict=True)) <= 24


@pytest.mark.parametrize(
    "place", [(0, 50, 120, 80), (180, 50, 120, 80), (60, 0, 120, 80), (60, 120, 120, 80), (0, 0, 80, 60)]
)
def test_a_product_that_touches_the_edge_stays_whole(place: tuple[int, int, int, int]) -> None:
    assert plain_borders(product(place=place)) == place


@pytest.mark.parametrize("place", [(60, 50, 1, 80), (60, 50, 120, 1)])
def test_a_thin_line_is_a_product(place: tuple[int, int, int, int]) -> None:
    assert plain_borders(product(place=place)) == place


def test_a_corner_that_is_not_like_the_border_makes_no_difference() -> None:
    stamped = product().insert(plain(2, 2, BLACK), 0, 0)

    assert plain_borders(stamped) == (0, 0, 180, 130)


def test_transparent_borders_go_whatever_colour_they_have() -> None:
    left, top, width, height = INSIDE
    visible = pyvips.Image.black(300, 200).insert(plain(width, height, [255])[0], left, top)

    for hidden in (product(BLACK), product(WHITE), product(grain=20)):
        assert plain_borders(as_picture(hidden.bandjoin(visible))) == INSIDE


def test_white_borders_of_a_transparent_picture_go() -> None:
    assert plain_borders(product().bandjoin(plain(300, 200, [255])[0])) == INSIDE


@pytest.mark.parametrize("image", [plain(300, 200, ROSE), product().bandjoin(0), plain(1, 1, WHITE)])
def test_where_nothing_is_inside_all_stays(image: pyvips.Image) -> None:
    assert plain_borders(image.cast("uchar")) == (0, 0, image.width, image.height)


def test_what_fills_its_picture_has_no_borders() -> None:
    busy = pyvips.Image.gaussnoise(300, 200, mean=128, sigma=30, seed=7)

    assert plain_borders(as_picture(busy.bandjoin([busy, busy]))) == (0, 0, 300, 200)


def test_a_trimmed_rendition_is_the_product() -> None:
    trimmed = shown(product(), trim=True)

    assert (trimmed.width, trimmed.height) == (120, 80)
    assert (trimmed - BLUE).abs().max() == 0


def edge(*, sharpen: bool, alpha: bool = False) -> pyvips.Image:
    """Return a picture of dark and light grey, a little soft where they meet, made much smaller."""
    left = pyvips.Image.xyz(900, 600)[0] < 450
    image = as_picture(
        left.ifthenelse(80, 170).gaussblur(3).bandjoin([left.ifthenelse(80, 170).gaussblur(3)] * 2)
    )
    if alpha:
        image = left.ifthenelse(image, plain(900, 600, BLACK)).bandjoin(left)
    return shown(image.cast("uchar"), sharpen=sharpen)


def test_sharpening_makes_edges_steeper_without_halos() -> None:
    (soft, crisp) = (edge(sharpen=sharpen) for sharpen in (False, True))

    soft_step, crisp_step = (
        max(image.getpoint(x + 1, 50)[0] - image.getpoint(x, 50)[0] for x in range(90, 110))
        for image in (soft, crisp)
    )
    assert crisp_step > soft_step
    assert crisp.max() <= 170 + 12
    assert crisp.min() >= 80 - 12


def test_what_is_beside_the_visible_leaves_no_halo() -> None:
    (soft, crisp) = (edge(sharpen=sharpen, alpha=True) for sharpen in (False, True))

    assert (soft - crisp).abs().max() == 0


def test_sharpening_leaves_plain_areas_and_sizes_that_change_little_alone() -> None:
    grainy, layout = product(grain=1), Layout(0.3, (300, 200), (300, 200))
    preset = Preset("any", 300, (PNG,), sharpen=True)

    assert (framed(grainy, layout, preset).crop(0, 0, 50, 40) - grainy.crop(0, 0, 50, 40)).abs().max() <= 1
    near = framed(grainy, Layout(0.6, (300, 200), (300, 200)), preset)
    assert (pixels(near) == pixels(grainy)).all()


@pytest.mark.parametrize("size", [(1, 1), (300, 1), (2, 300), (3, 3)])
@pytest.mark.parametrize("bands", [1, 2, 3, 4])
@pytest.mark.parametrize("fit", ["inside", "cover", "pad"])
def test_tiny_pictures_can_be_framed(size: tuple[int, int], bands: int, fit: str) -> None:
    kind = "b-w" if bands < 3 else "srgb"
    tiny = plain(*size, [128] * bands).copy(interpretation=kind)
    preset = Preset("any", 20, (PNG,), fit=fit, aspect=(4, 5), sharpen=True, trim=True)

    (one,) = render(encode(tiny, "png"), [preset], LIMITS).encoded

    assert min(one.width, one.height) >= 1


def test_what_is_added_around_a_picture_is_no_fact_of_it() -> None:
    dark = encode(product(BLACK), "png")
    inside = Preset("inside", 200, (PNG,))
    padded = Preset("padded", 300, (PNG,), fit="pad", background="#ffffff")

    facts = [render(dark, presets, LIMITS).facts for presets in ([inside], [inside, padded])]

    assert facts[0].whiteness == pytest.approx(facts[1].whiteness, abs=0.01)
