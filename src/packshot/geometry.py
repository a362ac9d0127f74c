"""
Which size a picture gets, by what its preset asks for. Pure; `render.py` does it.

    inside   the whole picture, as large as it fits into the preset's box
    cover    the box, filled by the best part of the picture
    pad      the whole picture in the middle of the box, on a background

The box has the preset's `pixels` as its longer side and its `aspect`, else it is square. Nothing is
enlarged: for a picture that is smaller, the box shrinks until the picture touches it.
"""

from dataclasses import dataclass
from math import floor

from packshot.models import Preset

Size = tuple[int, int]  # width, height


@dataclass(frozen=True, slots=True)
class Layout:
    """The whole picture becomes `size`, `scale` times the source; the rendition shows it on a `canvas`."""

    scale: float
    size: Size
    canvas: Size


def layout(source: Size, preset: Preset) -> Layout:
    """Return the sizes for a source of this size, all in pixels."""
    box = _box(preset)
    match preset.fit:
        case "cover":
            canvas = _scaled(box, min(1, *_ratios(source, box)))
            scale = min(1, max(_ratios(canvas, source)))
            return Layout(scale, _at_least(canvas, _scaled(source, scale)), canvas)
        case "pad":
            scale = min(1, *_ratios(box, source))
            size = _scaled(source, scale)
            shrunk = min(1, max(_ratios(source, box)))
            return Layout(scale, size, _at_least(size, _scaled(box, shrunk)))
        case _:
            scale = min(1, *_ratios(box, source))
            size = _scaled(source, scale)
            return Layout(scale, size, size)


def _box(preset: Preset) -> tuple[float, float]:
    across, down = preset.aspect
    longer = max(across, down)
    return preset.pixels * across / longer, preset.pixels * down / longer


def _ratios(size: tuple[float, float], other: tuple[float, float]) -> tuple[float, float]:
    return size[0] / other[0], size[1] / other[1]


def _scaled(size: tuple[float, float], scale: float) -> Size:
    return max(1, floor(size[0] * scale + 0.5)), max(1, floor(size[1] * scale + 0.5))


def _at_least(least: Size, size: Size) -> Size:
    return max(least[0], size[0]), max(least[1], size[1])
