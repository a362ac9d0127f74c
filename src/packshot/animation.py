"""Animations that go on moving: each frame is made smaller in light, like any other picture."""

from typing import Final

import pyvips

from packshot.decode import in_srgb, turned
from packshot.geometry import Layout
from packshot.loading import UNREADABLE, Source, damage, has, load, upright
from packshot.resize import Light, resized, to_numbers

ALL_FRAMES: Final = -1


def moving(source: Source, layout: Layout) -> pyvips.Image:
    """Return all frames in that size, one below the other, with their times."""
    try:
        frames = load(source.data, source.format, "error", n=ALL_FRAMES)
        strip = pyvips.Image.arrayjoin(_resized(frames, layout), across=1)
    except UNREADABLE as error:
        raise damage(source.data, source.format, error) from error
    strip = strip.copy_memory().copy()
    strip.set_type(pyvips.GValue.gint_type, "page-height", layout.size[1])
    for name, kind in (("delay", pyvips.GValue.array_int_type), ("loop", pyvips.GValue.gint_type)):
        if has(frames, name):
            strip.set_type(kind, name, frames.get(name))
    return strip


def _resized(frames: pyvips.Image, layout: Layout) -> list[pyvips.Image]:
    strip, height = in_srgb(frames), frames.get_page_height()
    orientation = frames.get("orientation") if has(frames, "orientation") else 1
    done = []
    for top in range(0, strip.height, height):
        frame = strip.crop(0, top, strip.width, height).copy_memory()
        light = resized(Light(frame, 1), upright(frames, layout.size), layout.scale)
        done.append(to_numbers(turned(light.picture, orientation)))
    return done
