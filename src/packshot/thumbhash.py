"""
ThumbHash: a picture in some twenty-five bytes, to be shown blurred until the picture itself arrives.

The slowest cosine waves of brightness, of yellow against blue, of red against green and of the
opacity, each written with four bits. Whoever shows pictures decodes it, with one of the published
decoders or as the console's `blur.js` does. What is transparent has the mean colour of the rest.

Source: Evan Wallace, https://evanw.github.io/thumbhash/.
"""

from base64 import b64encode
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from math import cos, fsum, pi
from operator import mul
from typing import Final

Pixel = tuple[int, int, int, int]  # red, green, blue and opacity, 0 to 255
Rows = Sequence[Sequence[Pixel]]
Channel = Sequence[Sequence[float]]

OPAQUE: Final = 255
FLAT: Final = 1e-9  # weaker waves are nothing but errors of rounding


@dataclass(frozen=True, slots=True)
class Waves:
    """What a channel consists of: its mean, and waves as parts of the strongest one."""

    mean: float
    strongest: float
    parts: tuple[float, ...]

    def fields(self) -> Iterator[tuple[float, int]]:
        """Yield each wave for four bits: all of the strongest is 1, as much against it is 0."""
        yield from ((0.5 + part / 2 if self.strongest else 0, 4) for part in self.parts)


def thumbhash(rows: Rows) -> str:
    """Return the hash in base64. It takes up to 100 pixels a side; a third of them says as much."""
    width, height = len(rows[0]), len(rows)
    is_wide = width > height
    hides = any(pixel[3] < OPAQUE for row in rows for pixel in row)
    columns, lines = (_count(5 if hides else 7, side / max(width, height)) for side in (width, height))
    light, yellow, red, opacity = _channels(rows)
    light_waves = _waves(light, max(columns, 3), max(lines, 3))
    yellow_waves, red_waves = _waves(yellow, 3, 3), _waves(red, 3, 3)
    cover = [_waves(opacity, 5, 5)] if hides else []
    fields = [
        *((light_waves.mean, 6), ((yellow_waves.mean + 1) / 2, 6), ((red_waves.mean + 1) / 2, 6)),
        *((light_waves.strongest, 5), (hides, 1), ((lines if is_wide else columns) / 7, 3)),
        *((yellow_waves.strongest, 6), (red_waves.strongest, 6), (is_wide, 1)),
        *(field for waves in cover for field in ((waves.mean, 4), (waves.strongest, 4))),
        *(field for waves in (light_waves, yellow_waves, red_waves, *cover) for field in waves.fields()),
    ]
    return b64encode(_packed(fields)).decode()


def _count(most: int, share: float) -> int:
    return max(1, int(most * share + 0.5))


def _channels(rows: Rows) -> tuple[Channel, ...]:
    """Return brightness, yellow less blue, red less green, and opacity, each a table."""
    pixels = [pixel for row in rows for pixel in row]
    total = sum(pixel[3] for pixel in pixels) or 1
    mean = [sum(pixel[band] * pixel[3] for pixel in pixels) / total / OPAQUE for band in range(3)]
    table = [[_channels_of(pixel, mean) for pixel in row] for row in rows]
    return tuple([[values[channel] for values in row] for row in table] for channel in range(4))


def _channels_of(pixel: Pixel, mean: Sequence[float]) -> tuple[float, float, float, float]:
    opacity = pixel[3] / OPAQUE
    red, green, blue = (
        behind * (1 - opacity) + value * opacity / OPAQUE
        for behind, value in zip(mean, pixel[:3], strict=True)
    )
    return (red + green + blue) / 3, (red + green) / 2 - blue, red - green, opacity


def _waves(channel: Channel, columns: int, lines: int) -> Waves:
    """Return the cosine transform, as far as it is in the upper left triangle of columns and lines."""
    width, height = len(channel[0]), len(channel)
    across = [[_dot(row, wave) for row in channel] for wave in _cosines(width, columns)]
    mean, *waves = (
        _dot(across[x], down) / (width * height)
        for y, down in enumerate(_cosines(height, lines))
        for x in range(columns)
        if x * lines < columns * (lines - y)
    )
    strongest = max(map(abs, waves))
    if strongest < FLAT:
        return Waves(mean, 0, (0,) * len(waves))
    return Waves(mean, strongest, tuple(wave / strongest for wave in waves))


def _dot(values: Sequence[float], others: Sequence[float]) -> float:
    return fsum(map(mul, values, others))


def _cosines(length: int, count: int) -> list[list[float]]:
    """Return waves at each place; those that so few places cannot hold are nothing, else they were echoes."""
    return [
        [cos(pi / length * wave * (at + 0.5)) if wave < length else 0 for at in range(length)]
        for wave in range(count)
    ]


def _packed(fields: Iterable[tuple[float, int]]) -> bytes:
    """Write shares, 0 to 1, one after the other with so many bits, the lowest ones first."""
    number, at = 0, 0
    for share, bits in fields:
        number |= int(share * (2**bits - 1) + 0.5) << at
        at += bits
    return number.to_bytes((at + 7) // 8, "little")
