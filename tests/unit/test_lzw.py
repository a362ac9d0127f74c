"""Codes are counted as the decoder would count the pixels they stand for."""

import random

import pytest
from tests.pictures import encode, photo, picture

from packshot.lzw import count

CLEAR, END = 4, 5  # of codes that begin with two bits


def packed(*codes: int, width: int = 3) -> bytes:
    """Return codes of one width, as they lie in a file."""
    return sum(code << (width * place) for place, code in enumerate(codes)).to_bytes(len(codes), "little")


def gif_codes(data: bytes) -> tuple[bytes, int]:
    """Return the codes of the first frame of a GIF without colours of its own, and their first size."""
    at = data.index(b"\x2c" + bytes(4)) + 10
    size, codes, place = data[at], b"", at + 1
    while data[place]:
        codes += data[place + 1 : place + 1 + data[place]]
        place += 1 + data[place]
    return codes, size


def test_a_colour_is_a_pixel() -> None:
    assert count(packed(CLEAR, 1, 0, 1, END), 2, 100) == 3


def test_a_string_that_is_named_is_as_long_as_it_is() -> None:
    assert count(packed(CLEAR, 1, 6, END), 2, 100) == 3  # 1, then 1 and 1, which is just being named


@pytest.mark.parametrize("picture_", [picture(), photo(), picture(1, 1), photo(97, 13)])
def test_a_real_file_has_exactly_the_pixels_of_its_size(picture_: object) -> None:
    codes, size = gif_codes(encode(picture_, "gif"))

    assert count(codes, size, 10**9) == picture_.width * picture_.height  # type: ignore[attr-defined]


def test_counting_ends_with_what_is_wanted() -> None:
    codes, size = gif_codes(encode(photo(), "gif"))

    assert count(codes, size, 1000) == 1000


@pytest.mark.parametrize("codes", [b"", packed(CLEAR, END), packed(CLEAR, 7), packed(7), b"\xff" * 9])
def test_codes_that_mean_nothing_are_no_pixels(codes: bytes) -> None:
    assert count(codes, 2, 100) == 0


@pytest.mark.parametrize("size", [0, 12, 255])
def test_a_size_that_no_gif_has_is_no_pixels(size: int) -> None:
    assert count(bytes(100), size, 100) == 0


def test_noise_breaks_nothing() -> None:
    chance = random.Random(1)  # noqa: S311 - must be repeatable
    for _ in range(200):
        assert 0 <= count(chance.randbytes(200), chance.randrange(1, 12), 500) <= 500
