"""A file is decoded once, to the size that is wanted, upright."""

import pytest
import pyvips
from tests.pictures import encode, photo, picture

from packshot.decode import decode, decode_trimmed, smaller
from packshot.geometry import layout
from packshot.loading import Source, check
from packshot.models import Preset, SourceLimits


def source(data: bytes) -> Source:
    return check(data, SourceLimits(pixels=50_000_000, side=10_000, frames=1))


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("format_", ["jpeg", "png"])
def test_lying_pictures_are_turned_alike_in_their_own_size_and_smaller(
    orientation: int, format_: str
) -> None:
    # so high that not all rows are at hand when the first is needed
    lying = source(encode(photo(900, 700), format_, Q=95, fields={"orientation": orientation}))
    size = (lying.width, lying.height)

    whole = decode(lying, layout(size, Preset("whole", 900, ())))
    half = decode(lying, layout(size, Preset("half", 450, ())))

    assert (whole.numbers.width, whole.numbers.height) == size
    again = smaller(whole, layout(size, Preset("half", 450, ()))).numbers
    assert (half.numbers - again).abs().avg() < 1


def test_a_large_jpeg_is_halved_on_the_way() -> None:
    large = source(encode(photo(4000, 2600), "jpeg"))
    small = source(encode(photo(4000, 2600), "png", compression=1))
    wanted = layout((4000, 2600), Preset("thumb", 200, ()))

    difference = decode(large, wanted).numbers - decode(small, wanted).numbers

    assert difference.abs().avg() < 2


def test_plain_borders_go_and_the_size_is_that_of_what_is_left() -> None:
    framed = picture(60, 40).embed(30, 20, 120, 80, extend="white")

    inner, size = decode_trimmed(source(encode(framed, "png")))

    assert size == (inner.numbers.width, inner.numbers.height)
    assert abs(size[0] - 60) <= 2
    assert abs(size[1] - 40) <= 2


def test_rows_come_from_the_file_one_after_another() -> None:
    tall = source(encode(pyvips.Image.black(8, 9000, bands=3).copy(interpretation="srgb"), "png"))

    assert decode(tall, layout((8, 9000), Preset("p", 100, ()))).numbers.height == 100
