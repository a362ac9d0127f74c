"""Pictures shrink in light: fine patterns keep their brightness, edges their colours, and sizes fit."""

import pytest
import pyvips
from tests.pictures import encode, photo, picture

from packshot.geometry import layout
from packshot.models import Encoding, Preset, SourceLimits
from packshot.render import render
from packshot.resize import Light, resized, to_numbers

LIMITS = SourceLimits(10_000_000, 10_000, 1)
HALF_THE_LIGHT = 188  # as a number of sRGB


def made(data: bytes, *sizes: int) -> list[pyvips.Image]:
    presets = [Preset(f"p{size}", size, (Encoding("png", 100, 1),)) for size in sizes]
    return [pyvips.Image.new_from_buffer(one.data, "") for one in render(data, presets, LIMITS).encoded]


def chessboard(*colours: list[int]) -> pyvips.Image:
    """Return fields of one pixel in two colours."""
    ways = pyvips.Image.xyz(512, 512)
    is_one = ((ways[0] + ways[1]) % 2) == 0
    one, other = (pyvips.Image.black(512, 512).new_from_image(colour) for colour in colours)
    return is_one.ifthenelse(one, other).cast("uchar").copy(interpretation="srgb")


def worst(one: pyvips.Image, other: pyvips.Image) -> float:
    return float((one - other).abs().max())


@pytest.mark.parametrize("format_", ["png", "gif"])
@pytest.mark.parametrize("size", [256, 128, 100])
def test_a_fine_pattern_keeps_its_brightness(format_: str, size: int) -> None:
    (image,) = made(encode(chessboard([0, 0, 0], [255, 255, 255]), format_), size)

    middle = image.crop(size // 4, size // 4, size // 2, size // 2)
    assert abs(middle.avg() - HALF_THE_LIGHT) < 2


def test_grey_pictures_keep_theirs_too() -> None:
    grey = chessboard([0, 0, 0], [255, 255, 255])[0].copy(interpretation="b-w")

    (image,) = made(encode(grey, "png"), 128)

    assert image.bands == 1
    assert abs(image.crop(32, 32, 64, 64).avg() - HALF_THE_LIGHT) < 2


def test_what_is_transparent_does_not_colour_what_is_not() -> None:
    invisible_green = chessboard([0, 255, 0], [200, 0, 0])
    alpha = chessboard([0], [255])
    (image,) = made(encode(invisible_green.bandjoin(alpha), "png"), 128)

    red, green, _, seen = image.crop(32, 32, 64, 64)
    assert abs(red.avg() - 200) < 3
    assert green.avg() < 1
    assert abs(seen.avg() - 127.5) < 2


def test_what_cannot_be_seen_at_all_does_no_harm() -> None:
    (image,) = made(encode(picture(512, 512).bandjoin(0), "png"), 128)

    assert image[3].max() == 0


@pytest.mark.parametrize("size", [(1600, 1067), (1067, 1600), (1501, 1001), (333, 7), (512, 512), (96, 1)])
def test_each_size_is_as_good_as_if_it_were_made_from_the_source(size: tuple[int, int]) -> None:
    source = photo(*size)
    *_, by_steps = made(encode(source, "png"), 320, 80)
    wanted = layout(size, Preset("p", 80, ()))
    at_once = to_numbers(resized(Light(source, 1), wanted.size, wanted.scale).picture)

    assert (by_steps.width, by_steps.height) == wanted.size
    assert (by_steps - at_once).abs().avg() < 1.5


def test_a_picture_that_fits_already_keeps_every_pixel() -> None:
    source = photo()

    assert worst(made(encode(source, "png"), 320)[0], source) == 0
