"""A ThumbHash is what the published algorithm makes of a picture, and looks like it when it is decoded."""

from base64 import b64decode
from collections.abc import Sequence
from math import cos, pi

import pytest

from packshot.thumbhash import Pixel, Rows, thumbhash

BITS = (6, 6, 6, 5, 1, 3, 6, 6, 1)  # of the header, before the waves
RED, GREEN, BLUE, WHITE, GREY = (
    (200, 40, 40, 255),
    (40, 160, 60, 255),
    (40, 60, 180, 255),
    (240, 240, 240, 255),
    (90, 90, 90, 255),
)
NOTHING = (0, 0, 0, 0)


def pattern(width: int, height: int, opacity: int) -> Rows:
    """A picture without any symmetry, with an opacity from there to 255."""
    return [[noise(x * x + 3 * x * y + 7 * y, opacity) for x in range(width)] for y in range(height)]


def noise(seed: int, opacity: int) -> Pixel:
    red, green, blue = seed * 37 % 256, seed * 53 % 251, seed * seed % 241
    return red, green, blue, opacity + seed * 11 % (256 - opacity)


def quadrants(*colours: Pixel, half: int = 12) -> Rows:
    """Four colours, row by row."""
    first, second, third, fourth = ([colour] * half for colour in colours)
    return [first + second] * half + [third + fourth] * half


def fields(data: bytes, sizes: Sequence[int], at: int = 0) -> list[float]:
    """Unpack numbers of so many bits each, as shares of the largest."""
    number, values = int.from_bytes(data, "little") >> at, []
    for size in sizes:
        values.append((number & (2**size - 1)) / (2**size - 1))
        number >>= size
    return values


def wave(u: int, v: int, x: float, y: float) -> float:
    return (2 if u else 1) * (2 if v else 1) * cos(pi * u * x) * cos(pi * v * y)


def decoded(placeholder: str, x: float, y: float) -> tuple[int, ...]:
    """The colour at a place, 0 to 1 from left and from above."""
    data = b64decode(placeholder)
    light, yellow, red, strongest, hides, count, yellows, reds, is_wide = fields(data, BITS)
    columns, lines = (5 if hides else 7, round(count * 7))[:: 1 if is_wide else -1]
    channels = [(light, strongest, max(3, columns), max(3, lines))]
    channels += [(yellow * 2 - 1, yellows, 3, 3), (red * 2 - 1, reds, 3, 3)]
    channels += [(fields(data, (4,), 40)[0], fields(data, (4,), 44)[0], 5, 5)] if hides else []
    values, at = [], 48 if hides else 40
    for mean, scale, across, down in channels:
        waves = [(u, v) for v in range(down) for u in range(across) if u * down < across * (down - v)][1:]
        parts = fields(data, (4,) * len(waves), at)
        at += 4 * len(waves)
        values.append(
            mean
            + sum(scale * wave(*both, x, y) * (part * 2 - 1) for both, part in zip(waves, parts, strict=True))
        )
    bright, warm, ruddy, *covered = values
    blue = bright - 2 / 3 * warm
    red = (3 * bright - blue + ruddy) / 2
    return tuple(round(255 * min(1, max(0, part))) for part in (red, red - ruddy, blue, *covered))


def near(colour: tuple[int, ...], other: tuple[int, ...]) -> bool:
    return all(abs(mine - theirs) < 30 for mine, theirs in zip(colour, other, strict=False))


@pytest.mark.parametrize(
    ("width", "height", "opacity", "expected"),
    [
        (30, 20, 255, "HvgBBYIyUrA0qblseiN2QNarEFED"),
        (20, 30, 255, "HvgBBQRSUFKWS6qKaXcFJjO+D2Zo"),
        (17, 17, 255, "HvgFDwRUd4V1eWeYZggliXd5prQBQHQG"),
        (30, 20, 5, "HgiCA4IHAlNium01OAAkFh1qRlxAZzY="),
    ],
)
def test_a_hash_is_the_one_that_the_published_algorithm_gives(
    width: int, height: int, opacity: int, expected: str
) -> None:
    assert thumbhash(pattern(width, height, opacity)) == expected


def test_a_decoded_hash_has_the_colours_in_their_places() -> None:
    placeholder = thumbhash(quadrants(RED, GREEN, BLUE, WHITE))

    corners = [decoded(placeholder, x, y) for y in (0.2, 0.8) for x in (0.2, 0.8)]
    for corner, colour in zip(corners, (RED, GREEN, BLUE, WHITE), strict=True):
        assert near(corner, colour), (corner, colour)


def test_a_decoded_hash_is_transparent_where_the_picture_is() -> None:
    placeholder = thumbhash(quadrants(RED, NOTHING, RED, NOTHING))

    assert decoded(placeholder, 0.2, 0.5)[3] > 230
    assert decoded(placeholder, 0.8, 0.5)[3] < 25
    assert near(decoded(placeholder, 0.2, 0.5), RED[:3])


def test_a_picture_of_one_colour_has_no_waves() -> None:
    placeholder = thumbhash(quadrants(GREY, GREY, GREY, GREY))

    assert near(decoded(placeholder, 0.1, 0.9), GREY[:3])
    assert not any(b64decode(placeholder)[5:])


def test_a_picture_of_nothing_has_a_hash_of_nothing() -> None:
    assert near(decoded(thumbhash(quadrants(*[NOTHING] * 4)), 0.5, 0.5), NOTHING)


@pytest.mark.parametrize(("width", "height"), [(1, 1), (1, 32), (32, 1)])
def test_a_picture_of_any_shape_has_a_hash(width: int, height: int) -> None:
    assert near(decoded(thumbhash([[RED] * width] * height), 0.5, 0.5), RED[:3])


def test_a_hash_is_a_line_of_a_few_characters() -> None:
    assert len(thumbhash(pattern(32, 32, 5))) <= 36
