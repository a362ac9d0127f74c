"""
From the bytes of a file to the bytes of its renditions.

    bytes ─▶ check ─▶ decode ─▶ large ─▶ medium ─▶ thumb
                                  └▶ AVIF  └▶ AVIF  └▶ AVIF
                                  └▶ JPEG  └▶ JPEG  └▶ JPEG

A source is decoded once: the largest rendition is made from the file, each smaller one from the next
larger. Those without plain borders have a decoding of their own, and so has an animation for each preset
that keeps it moving. Nothing is encoded before the last row of the source has been decoded, so a damaged
file never becomes a half grey picture. Then the smallest is encoded first: what it tells about the picture
saves trials with the larger ones.

`decoder.py` runs this in a process of its own; nothing here knows of processes or files. Raise
RECIPE_VERSION in `presets.py` when the bytes change.
"""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import pyvips

from packshot.animation import moving
from packshot.codecs import encode
from packshot.decode import Picture, decode, decode_trimmed, smaller
from packshot.encode import Encoder, Kin
from packshot.errors import ImageTooManyPixels
from packshot.facts import facts_of
from packshot.framing import framed
from packshot.geometry import Layout, Size, layout
from packshot.loading import UNREADABLE, Source, check, shortage
from packshot.models import MOVING, Encoding, Facts, Preset, SourceLimits
from packshot.resize import OPAQUE

ANIMATION_QUALITY: Final = 80  # where there is no frame that could be scored


@dataclass(frozen=True, slots=True)
class Encoded:
    """One rendition: the bytes of its file."""

    preset: str
    format: str
    width: int
    height: int
    data: bytes
    quality: int | None
    score: float | None


@dataclass(frozen=True, slots=True)
class Rendering:
    """All renditions of a source in the order of the presets; width and height are the source's, upright."""

    width: int
    height: int
    encoded: tuple[Encoded, ...]
    facts: Facts


@dataclass(frozen=True, slots=True)
class View:
    """What the renditions of one preset show: `image`, which is framed, made from the `whole` picture."""

    preset: Preset
    layout: Layout
    whole: pyvips.Image
    image: pyvips.Image


def render(
    data: bytes, presets: Sequence[Preset], limits: SourceLimits, extra_formats: Collection[str] = ()
) -> Rendering:
    """Return every rendition of a file; raise ImageError for what is wrong with it."""
    try:
        return _render(data, presets, limits, extra_formats)
    except (MemoryError, *UNREADABLE) as error:
        if short := shortage(error):
            raise short from error
        raise


def _render(
    data: bytes, presets: Sequence[Preset], limits: SourceLimits, extra_formats: Collection[str]
) -> Rendering:
    source = check(data, limits, extra_formats)
    _check_motion(source, presets, limits)
    views = [*_views(source, presets)]
    facts = facts_of(views[0].whole)
    encoder = Encoder()
    made = {view.preset.name: _encoded(source, view, encoder) for view in sorted(views, key=_area)}
    encoded = tuple(one for preset in presets for one in made[preset.name])
    return Rendering(source.width, source.height, encoded, facts)


def _area(view: View) -> int:
    return int(view.image.width * view.image.height)


def _check_motion(source: Source, presets: Sequence[Preset], limits: SourceLimits) -> None:
    """Refuse an animation that would have too many pixels if it is to stay one."""
    if source.frames * source.width * source.height > limits.pixels and any(
        _moves(source, preset) for preset in presets
    ):
        raise ImageTooManyPixels(
            f"The animation has {source.frames:,} frames of {source.width:,} x {source.height:,} pixels; "
            f"no more than {limits.pixels:,} in all are taken."
        )


def _moves(source: Source, preset: Preset) -> bool:
    return source.frames > 1 and preset.animated


def _views(source: Source, presets: Sequence[Preset]) -> Iterator[View]:
    """Yield what each preset shows, the larger pictures first."""
    if whole := [preset for preset in presets if not preset.trim]:
        size = (source.width, source.height)
        largest = max((layout(size, preset) for preset in whole), key=lambda one: one.scale)
        yield from _shrunk(decode(source, largest), size, whole)
    if trimmed := [preset for preset in presets if preset.trim]:
        yield from _shrunk(*decode_trimmed(source), trimmed)


def _shrunk(picture: Picture, size: Size, presets: Sequence[Preset]) -> Iterator[View]:
    layouts = [(layout(size, preset), preset) for preset in presets]
    for wanted, preset in sorted(layouts, key=lambda one: -one[0].scale):
        picture = smaller(picture, wanted)
        whole = _opaque(picture.numbers)
        yield View(preset, wanted, whole, framed(whole, wanted, preset))


def _opaque(image: pyvips.Image) -> pyvips.Image:
    """Drop a transparency that hides nothing."""
    hides = image.hasalpha() and image[image.bands - 1].min() < OPAQUE
    return image if hides or not image.hasalpha() else image[: image.bands - 1]


def _encoded(source: Source, view: View, encoder: Encoder) -> list[Encoded]:
    preset, image = view.preset, view.image
    kin = Kin(source.format, source.data, _is_same(source, view))
    made = encoder.encode(image, preset, kin)
    encoded = []
    for encoding, one in zip(preset.encodings, made, strict=True):
        if _moves(source, preset) and encoding.format in MOVING:
            encoded.append(_animated(source, view, encoding, one.quality))
        else:
            size = (image.width, image.height)
            encoded.append(Encoded(preset.name, one.format, *size, one.data, one.quality, one.score))
    return encoded


def _is_same(source: Source, view: View) -> bool:
    """Say whether the view shows just what is in the file, pixel by pixel."""
    size = (source.width, source.height)
    return source.is_plain and not view.preset.trim and view.layout == Layout(1, size, size)


def _animated(source: Source, view: View, encoding: Encoding, quality: int | None) -> Encoded:
    strip = moving(source, view.layout)
    data = encode(strip, encoding.format, quality or ANIMATION_QUALITY, encoding.effort)
    size = (strip.width, strip.get_page_height())
    return Encoded(view.preset.name, encoding.format, *size, data, quality, None)
