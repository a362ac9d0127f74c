"""Animations go on moving: every frame, its time, its transparency; what does not move is a still."""

import pytest
import pyvips
from tests.pictures import corners, encode, moving, picture

from packshot.animation import moving as frames_of
from packshot.decode import decode
from packshot.geometry import layout
from packshot.loading import check
from packshot.models import Encoding, Preset, SourceLimits
from packshot.render import Encoded, render

LIMITS = SourceLimits(10_000_000, 10_000, 100)
HALF_THE_LIGHT = 188  # as a number of sRGB
WEBP, AVIF = Encoding("webp", 90, 1), Encoding("avif", 90, 0)


def made(data: bytes, pixels: int, *encodings: Encoding) -> list[Encoded]:
    preset = Preset("any", pixels, encodings or (WEBP,), animated=True)
    return [*render(data, [preset], LIMITS).encoded]


def opened(one: Encoded) -> pyvips.Image:
    return pyvips.Image.new_from_buffer(one.data, "", n=-1 if one.format == "webp" else 1).copy_memory()


def frames(image: pyvips.Image) -> list[pyvips.Image]:
    height = image.get_page_height()
    return [image.crop(0, top, image.width, height) for top in range(0, image.height, height)]


def film(*shown: pyvips.Image, delay: list[int] | None = None, loop: int = 0) -> bytes:
    """Return these frames as a lossless WebP."""
    strip = pyvips.Image.arrayjoin([*shown], across=1).copy()
    strip.set_type(pyvips.GValue.gint_type, "page-height", shown[0].height)
    strip.set_type(pyvips.GValue.gint_type, "loop", loop)
    strip.set_type(pyvips.GValue.array_int_type, "delay", delay or [100] * len(shown))
    return bytes(strip.webpsave_buffer(lossless=True, exact=True))


@pytest.mark.parametrize("format_", ["gif", "webp"])
@pytest.mark.parametrize(("pixels", "size"), [(96, (96, 64)), (48, (48, 32))])
def test_every_frame_is_shown_in_its_new_size(format_: str, pixels: int, size: tuple[int, int]) -> None:
    (one,) = made(moving(format_), pixels)

    assert (one.width, one.height) == size
    assert [(frame.width, frame.height) for frame in frames(opened(one))] == [size] * 3
    assert [corners(frame) for frame in frames(opened(one))] == ["RGBW", "????", "WBGR"]


def test_times_and_the_number_of_rounds_stay() -> None:
    source = film(picture(), picture().invert(), picture().rot180(), delay=[40, 500, 1200], loop=3)

    image = opened(made(source, 48)[0])

    assert (image.get("delay"), image.get("loop")) == ([40, 500, 1200], 3)


def test_frames_shrink_in_light() -> None:
    ways = pyvips.Image.xyz(256, 256)
    board = (((ways[0] + ways[1]) % 2) == 0).bandjoin([((ways[0] + ways[1]) % 2) == 0] * 2)
    board = board.copy(interpretation="srgb")

    shown = frames(opened(made(film(board, board.invert()), 128)[0]))

    assert [abs(frame[0].crop(32, 32, 64, 64).avg() - HALF_THE_LIGHT) < 2 for frame in shown] == [True, True]


def test_transparency_stays_in_every_frame() -> None:
    left = (pyvips.Image.xyz(96, 64)[0] < 48).copy_memory()
    source = film(picture().bandjoin(left), picture().bandjoin(left.invert()))

    one, other = frames(opened(made(source, 48)[0]))

    assert [frame.getpoint(x, 16)[3] for frame in (one, other) for x in (5, 40)] == [255, 0, 0, 255]


def test_no_frame_shines_into_the_next() -> None:
    dark, light = (picture().new_from_image([value] * 3).cast("uchar") for value in (20, 230))

    shown = frames(opened(made(film(dark, light, dark), 48)[0]))

    assert [round(frame.avg() / 10) for frame in shown] == [2, 23, 2]
    assert max(frame.deviate() for frame in shown) < 1


@pytest.mark.parametrize("format_", ["gif", "webp"])
def test_what_has_one_frame_is_a_still(format_: str) -> None:
    (one,) = made(encode(picture(), format_), 48)

    assert opened(one).get_n_pages() == 1
    assert b"ANIM" not in one.data


def test_where_nothing_can_move_the_first_frame_is_shown() -> None:
    webp, avif = made(moving("gif"), 48, WEBP, AVIF)

    assert b"ANIM" in webp.data
    assert corners(opened(avif)) == "RGBW"


def test_a_frame_looks_as_if_it_were_a_picture_of_its_own() -> None:
    source = check(film(picture(), picture().invert()), LIMITS)
    wanted = layout((96, 64), Preset("any", 40, ()))

    first = frames(frames_of(source, wanted))[0]

    assert (first - decode(source, wanted).numbers).abs().max() <= 1


def test_frames_that_lie_on_their_side_are_turned() -> None:
    lying = pyvips.Image.new_from_buffer(film(picture(96, 48), picture(96, 48).fliphor()), "", n=-1).copy()
    lying.set_type(pyvips.GValue.gint_type, "orientation", 6)
    data = bytes(lying.webpsave_buffer(lossless=True, keep="exif"))

    (one,) = made(data, 48)

    assert (one.width, one.height) == (24, 48)
    assert [corners(frame) for frame in frames(opened(one))] == ["BRWG", "WGBR"]
