"""
What a picture shows and what is around it: plain borders go, the best part stays, a background is added.

Also the sharpening that belongs to a rendition and not to the pictures that are made from it.
"""

from typing import Final

import pyvips

from packshot.geometry import Layout
from packshot.models import Preset
from packshot.resize import OPAQUE

PLAIN: Final = 10  # how far a border may be from its colour, in steps of 255
EDGE: Final = 0.02  # of a picture: where its background is looked for
STRONG: Final = 0.5  # a reduction to less than this takes some crispness away


def framed(image: pyvips.Image, layout: Layout, preset: Preset) -> pyvips.Image:
    """Return a picture of the layout's size as its rendition shows it."""
    if preset.sharpen and layout.scale < STRONG:
        image = _sharpened(image)
    width, height = layout.canvas
    if preset.fit == "cover" and layout.canvas != layout.size:
        return image.smartcrop(width, height, interesting="attention").copy_memory()
    if preset.fit == "pad" and layout.canvas != layout.size:
        left, top = (width - image.width) // 2, (height - image.height) // 2
        background = _background(image, preset.background)
        if image.bands in (1, 2) and preset.background:
            image = image.colourspace("srgb")
        return image.embed(left, top, width, height, extend="background", background=background).copy_memory()
    return image


def plain_borders(image: pyvips.Image) -> tuple[int, int, int, int]:
    """Return left, top, width and height of what is inside of plain borders; all, if that is nothing."""
    opaque = image.flatten(background=_corner(image)) if image.hasalpha() else image
    left, top, width, height = opaque.find_trim(threshold=PLAIN, background=_corner(image))
    return (left, top, width, height) if width and height else (0, 0, image.width, image.height)


def _corner(image: pyvips.Image) -> list[float]:
    """Return the colour of the upper left corner; white where it is transparent."""
    colours = image.bands - image.hasalpha()
    *_, alpha = image.getpoint(0, 0)
    if image.hasalpha() and not alpha:
        return [float(OPAQUE)] * colours
    return list(image.getpoint(0, 0)[:colours])


def _background(image: pyvips.Image, colour: str | None) -> list[float]:
    """Return what to add around: that colour; or nothing, where something shines through; or its own."""
    if colour:
        wanted = [float(value) for value in bytes.fromhex(colour.removeprefix("#"))]
        return [*wanted, OPAQUE] if image.hasalpha() else wanted
    if image.hasalpha():
        return [0.0] * image.bands
    return _around(image)


def _around(image: pyvips.Image) -> list[float]:
    """Return the median colour of the edges."""
    deep = max(1, round(EDGE * min(image.width, image.height)))
    strips = [
        image.crop(0, 0, image.width, deep),
        image.crop(0, image.height - deep, image.width, deep),
        image.crop(0, 0, deep, image.height).rot90(),
        image.crop(image.width - deep, 0, deep, image.height).rot90(),
    ]
    edges = pyvips.Image.arrayjoin(strips, across=1)
    used = min(strip.width for strip in strips)
    edges = edges.crop(0, 0, used, edges.height)
    return [float(edges[band].percent(50)) for band in range(edges.bands)]


def _sharpened(image: pyvips.Image) -> pyvips.Image:
    """Sharpen the edges of lightness only, a little, and no plain areas."""
    alpha = image[image.bands - 1] if image.hasalpha() else None
    colours = image if alpha is None else image[: image.bands - 1]
    crisp = colours.sharpen(sigma=0.5, x1=2, m1=0, m2=1.5).copy_memory()
    return crisp if alpha is None else crisp.bandjoin(alpha)
