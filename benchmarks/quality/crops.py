"""
Pictures to look at: a part of the source, of ours, and of Pillow's WebP with no more bytes than ours.

The part is the one with the most detail, whoever looks better there.
"""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
import pyvips

from benchmarks.quality.contest import resized
from benchmarks.quality.contestants import LIMITS, default_preset, small_picture_of_pillow
from packshot.decode import in_srgb
from packshot.render import render

MOST: Final = 3  # pictures
SIDE: Final = 200
ENLARGED: Final = 2
GAP: Final = 8
QUALITIES: Final = range(1, 101)


@dataclass(frozen=True, slots=True)
class Crop:
    """A file with three parts side by side, and how large the two pictures behind it are."""

    file: str
    ours: int
    theirs: int
    quality: int


def write(files: Sequence[Path], pixels: int, folder: Path) -> list[Crop]:
    """Write a PNG for each of the first pictures."""
    return [_write(file, pixels, folder / f"quality-{file.stem}.png") for file in files[:MOST]]


def _write(file: Path, pixels: int, to: Path) -> Crop:
    ours = render(file.read_bytes(), [default_preset(pixels)], LIMITS).encoded[0].data
    quality, theirs = _webp_of(file, pixels, len(ours))
    shown = [in_srgb(pyvips.Image.new_from_buffer(data, "")) for data in (ours, theirs)]
    width, height = shown[0].width, shown[0].height
    source = resized(file, width, height)
    left, top = most_detail(source.colourspace("b-w").numpy(), SIDE)
    parts = [image.crop(left, top, min(SIDE, width), min(SIDE, height)) for image in (source, *shown)]
    pyvips.Image.arrayjoin(parts, shim=GAP // ENLARGED, background=255).zoom(ENLARGED, ENLARGED).pngsave(
        str(to), compression=9, filter="all", keep="none"
    )
    return Crop(f"{to.parent.name}/{to.name}", len(ours), len(theirs), quality)


def _webp_of(file: Path, pixels: int, most: int) -> tuple[int, bytes]:
    """Return the best quality of Pillow's WebP that has no more bytes, and the file."""
    image = small_picture_of_pillow(file, pixels)

    @cache
    def saved(quality: int) -> bytes:
        image.save(to := BytesIO(), "WebP", quality=quality)
        return to.getvalue()

    place = bisect_right(QUALITIES, most, key=lambda quality: len(saved(quality)))
    quality = QUALITIES[max(place - 1, 0)]
    return quality, saved(quality)


def most_detail(grey: npt.NDArray[np.uint8], side: int) -> tuple[int, int]:
    """Return left and top of the square in which neighbours differ most."""
    numbers = grey.reshape(grey.shape[:2]).astype(np.float64)
    steps = np.abs(np.diff(numbers, axis=0, append=numbers[-1:])) + np.abs(
        np.diff(numbers, axis=1, append=numbers[:, -1:])
    )
    sums = np.pad(steps.cumsum(0).cumsum(1), ((1, 0), (1, 0)))
    high, wide = min(side, len(numbers)), min(side, len(numbers[0]))
    inside = sums[high:, wide:] - sums[:-high, wide:] - sums[high:, :-wide] + sums[:-high, :-wide]
    top, left = np.unravel_index(inside.argmax(), inside.shape)
    return int(left), int(top)
