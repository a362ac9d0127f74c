"""
What a picture shows and what is around it: plain borders go, the best part stays, a background is added.

Also the sharpening that belongs to a rendition and not to the pictures that are made from it. No objects
are looked for: a border is what has the colour of the edges, and the best part is what catches the eye.
"""

from typing import Final

import pyvips

from packshot.geometry import Layout, Size
from packshot.models import Preset
from packshot.resize import OPAQUE

EDGE: Final = 0.02  # of a picture: where its background is looked for
# How far a border may be from its colour, in steps of 255: what JPEG does to it, or so many times the grain,
# which a photo has, and which three of four pixels of the edges keep to. With more it is no border.
PLAIN: Final = 10
MOST_OF_EDGES: Final = 75  # percent; the product may touch the rest
TIMES_GRAIN: Final = 6
MOST_GRAIN: Final = 50
BACKDROP: Final = 50  # how far its pixels may be from their middle one: it has shades, and grain
STRONG: Final = 0.5  # a reduction to less than this takes some crispness away
REACH: Final = 5  # pixels that the sharpening of one looks at, across


def framed(image: pyvips.Image, layout: Layout, preset: Preset) -> pyvips.Image:
    """Return a picture of the layout's size as its rendition shows it."""
    if preset.sharpen and layout.scale < STRONG and min(layout.size) >= REACH:
        image = _sharpened(image)
    if preset.fit == "cover" and layout.canvas != layout.size:
        return image.smartcrop(*layout.canvas, interesting="attention").copy_memory()
    if preset.fit == "pad":
        return _padded(image, layout.canvas, preset.background)
    return image


def plain_borders(image: pyvips.Image) -> tuple[int, int, int, int]:
    """Return left, top, width and height of what is inside of plain borders; all, if that is nothing."""
    if image.hasalpha():
        alpha = image[image.bands - 1]
        image = alpha if _median(_edges(alpha)) == [0] else image.flatten(background=_colours(image))
    edges = _edges(image)
    background = _median(edges)
    grain = max(_percentile((edges - background).abs().cast("uchar"), MOST_OF_EDGES))
    limit = max(PLAIN, TIMES_GRAIN * grain)
    if limit > MOST_GRAIN:
        return 0, 0, image.width, image.height
    # as the art of lines, single pixels count: in a clean picture they are a line, in another one grain
    left, top, width, height = image.find_trim(threshold=limit, background=background, line_art=not grain)
    return (left, top, width, height) if width and height else (0, 0, image.width, image.height)


def _padded(image: pyvips.Image, canvas: Size, colour: str | None) -> pyvips.Image:
    """Put the picture in the middle: of that colour; or of nothing, where something shines through; or go on.

    A colour is behind the picture, too.
    """
    if colour:
        background = [float(value) for value in bytes.fromhex(colour.removeprefix("#"))]
        image = image.colourspace("srgb")
        image = image.flatten(background=background) if image.hasalpha() else image
    elif image.hasalpha():
        background = [0.0] * image.bands
    else:
        background = _colours(image)
        if longer := _continued(image, canvas):
            return longer.copy_memory()
    left, top = (canvas[0] - image.width) // 2, (canvas[1] - image.height) // 2
    return image.embed(left, top, *canvas, extend="background", background=background).copy_memory()


def _continued(image: pyvips.Image, canvas: Size) -> pyvips.Image | None:
    """Let a studio's backdrop go on above and below, or left and right; None if there is none."""
    if image.width < canvas[0]:
        turned = _continued(image.rot90(), canvas[::-1])
        return turned.rot270() if turned else None
    depth = _depth(image)
    first, last = (image.crop(0, top, image.width, depth) for top in (0, image.height - depth))
    if not (_is_backdrop(first) or _is_backdrop(last)):
        return None
    above = (canvas[1] - image.height) // 2
    # one row more than needed on each side, since there is no picture without any
    upper = _beyond(first, above + 1)
    lower = _beyond(last, canvas[1] - image.height - above + 1)
    return upper.join(image, "vertical").join(lower, "vertical").crop(0, 1, *canvas)


def _is_backdrop(edge: pyvips.Image) -> bool:
    return bool((edge - _median(edge)).abs().max() <= BACKDROP)


def _beyond(edge: pyvips.Image, height: int) -> pyvips.Image:
    """Return what is beyond an edge: its shades and grain; where a product touches it, only its colour."""
    if not _is_backdrop(edge):
        return pyvips.Image.black(edge.width, height).new_from_image(_median(edge)).cast("uchar")
    shades = edge.cast("float").shrink(1, edge.height).gaussblur(edge.height)
    grain = (edge - shades.replicate(1, edge.height)).deviate() if edge.width > 1 else 0
    noise = pyvips.Image.gaussnoise(edge.width, height, mean=0, sigma=grain, seed=1)
    return (shades.replicate(1, height) + noise).rint().cast("uchar")


def _colours(image: pyvips.Image) -> list[float]:
    """Return the colour of the edges, without transparency."""
    return _median(_edges(image))[: image.bands - image.hasalpha()]


def _edges(image: pyvips.Image) -> pyvips.Image:
    """Return the outermost pixels of all four sides as one picture."""
    deep = _depth(image)
    sides = (image, image.rot90(), image.rot180(), image.rot270())
    strips = [side.crop(0, 0, side.width, deep) for side in sides]
    shorter = min(image.width, image.height)
    return pyvips.Image.arrayjoin([strip.crop(0, 0, shorter, deep) for strip in strips], across=1)


def _depth(image: pyvips.Image) -> int:
    return max(1, round(EDGE * min(int(image.width), int(image.height))))


def _median(image: pyvips.Image) -> list[float]:
    return _percentile(image, 50)


def _percentile(image: pyvips.Image, percent: int) -> list[float]:
    return [float(image[band].percent(percent)) for band in range(image.bands)]


def _sharpened(image: pyvips.Image) -> pyvips.Image:
    """Sharpen the edges of lightness only, a little, and no plain areas."""
    if not image.hasalpha():
        return image.sharpen(sigma=0.7, x1=1, m1=0, m2=1.5).copy_memory()
    colours, alpha = image[: image.bands - 1], image[image.bands - 1]
    # what is beside the visible has no colour, and would look like a dark edge that needs some light
    is_inside = alpha.rank(REACH, REACH, 0) == OPAQUE
    return is_inside.ifthenelse(_sharpened(colours), colours).bandjoin(alpha).copy_memory()
