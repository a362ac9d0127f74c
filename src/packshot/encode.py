"""
Which bytes a rendition gets: the smallest that look good enough.

    the encoding that its preset names, in the quality that reaches the preset's score
    or what loses nothing, where that is smaller: drawings, text, few colours
    or the source itself, where that is smaller still, cleaned of all but its pixels

One `Encoder` is for one picture, because what was learnt in one size helps in the next, and because two
presets may ask for the same: of a small picture, large and medium do not differ.
"""

from dataclasses import dataclass, replace
from functools import cached_property, partial
from math import inf
from typing import Final

import numpy as np
import pyvips

from packshot.cleaning import cleaned
from packshot.codecs import (
    CREDITS,
    FULL_COLOUR,
    WHITE,
    decode,
    encode,
    encode_losslessly,
    encode_with_palette,
    flat,
    pixels,
)
from packshot.loading import UNREADABLE, has
from packshot.models import Encoding, Preset
from packshot.presets import FORMATS, STAND_INS
from packshot.quality import HABITS, QUALITIES, Search, Slot, Trial
from packshot.ssimulacra2 import SMALLEST_SIDE, Original

BLACK: Final = 0
CHEAP_FIRST: Final = ("jpeg", "png", "webp", "avif")  # what one tells saves trials with the next
SAMPLE: Final = 16_384  # pixels
FEW_COLOURS: Final = 1_000  # in them: photos have several times as many
PLAIN: Final = 0.5  # of their pixels have the colour of their neighbour
PLAIN_GREY: Final = 0.8  # a grey photo has few colours, too
UNSEEN_SCORE: Final = 90  # "no difference is seen"; then 256 colours are enough
EXACT_SCORE: Final = 100
SAME: Final = 2  # how far the numbers of a source may be from those that we make of it with its sRGB profile


@dataclass(frozen=True, slots=True)
class Made:
    """A file, and how good it is; see `models.Picture`."""

    format: str
    data: bytes
    quality: int | None
    score: float | None


@dataclass(frozen=True, slots=True)
class Kin:
    """The source beside a rendition: its file, and whether both show the same, pixel by pixel."""

    format: str
    data: bytes
    is_same: bool


class Encoder:
    """Encodes one picture in several sizes and formats."""

    def __init__(self) -> None:
        self._search = Search()
        self._made: dict[tuple[int, int, Preset], Made] = {}

    def encode(self, image: pyvips.Image, preset: Preset, source: Kin) -> list[Made]:
        """Return the files of all encodings of a preset, in their order."""
        target = Target(image, preset.score)
        made = {
            encoding: self._once(target, encoding, preset, source)
            for encoding in sorted(preset.encodings, key=lambda one: CHEAP_FIRST.index(one.format))
        }
        return [made[encoding] for encoding in preset.encodings]

    def _once(self, target: "Target", encoding: Encoding, preset: Preset, source: Kin) -> Made:
        alike = replace(preset, name="", pixels=0, encodings=(encoding,), animated=False)
        key = (target.image.width, target.image.height, alike)
        if key not in self._made:
            self._made[key] = self._best(target, encoding, preset, source)
        return self._made[key]

    def _best(self, target: "Target", encoding: Encoding, preset: Preset, source: Kin) -> Made:
        if encoding.format == "jpeg":  # nothing shines through it, nor through what comes instead
            target = target.on_white()
        may_stand_in = preset.lossless and encoding.quality is None and target.is_drawn
        instead = _stand_in(target, encoding) if may_stand_in else None
        made = instead or self._encoded(target, encoding, source)
        best = _kept(target.image, source, made) or made
        return replace(best, score=best.score if encoding.quality is None else None)

    def _encoded(self, target: "Target", encoding: Encoding, source: Kin) -> Made:
        if encoding.format == "png":
            return _png(target, encoding, least=max(UNSEEN_SCORE, target.score))
        if encoding.quality is None and target.can_be_scored:
            return self._found(target, encoding, source)
        quality = encoding.quality or round(HABITS[encoding.format].usual)
        data = encode(target.image, encoding.format, quality, encoding.effort)
        return Made(encoding.format, data, quality, None)

    def _found(self, target: "Target", encoding: Encoding, source: Kin) -> Made:
        """Search for the least quality; in full colour where colours would smear otherwise."""
        format_, slot = encoding.format, _slot(target, encoding.format, source)
        best = self._search.smallest(slot, partial(target.trial, encoding))
        in_full_colour = False
        is_missed = not slot.is_reached(best.score) and len(best.data) < slot.most_bytes
        if format_ in FULL_COLOUR and is_missed:
            slot = replace(slot, format=f"{format_} in full colour", highest=QUALITIES[-1])
            other = self._search.smallest(slot, partial(target.trial, encoding, in_full_colour=True))
            in_full_colour = other.score > best.score
            best = other if in_full_colour else best
        data = best.data
        if format_ == "jpeg":
            data = encode(target.image, format_, best.quality, encoding.effort, in_full_colour=in_full_colour)
        return Made(format_, data, best.quality, round(best.score, 1))


def _slot(target: "Target", format_: str, source: Kin) -> Slot:
    bits = 8 * len(source.data) / target.pixels if source.is_same and source.format == "jpeg" else 0
    most = len(source.data) if source.is_same and source.format == format_ else inf
    highest = FULL_COLOUR.get(format_, QUALITIES.stop) - 1
    return Slot(format_, target.pixels, target.score, bits, most, highest)


class Target:
    """A picture that is to be encoded, with a score to be reached."""

    def __init__(self, image: pyvips.Image, score: float) -> None:
        self.image = image
        self.pixels = image.width * image.height
        self.can_be_scored = min(image.width, image.height) >= SMALLEST_SIDE
        self._wanted = score
        self._originals: dict[int, Original] = {}

    def on_white(self) -> "Target":
        """Return the picture without transparency."""
        return Target(flat(self.image, WHITE), self._wanted) if self.image.hasalpha() else self

    def trial(self, encoding: Encoding, quality: int, *, in_full_colour: bool = False) -> Trial:
        """Encode in this quality and look at it."""
        options = {"is_trial": True, "in_full_colour": in_full_colour}
        data = encode(self.image, encoding.format, quality, encoding.effort, **options)
        return Trial(quality, data, self.score_of(decode(data, encoding.format)))

    def score_of(self, shown: pyvips.Image) -> float:
        """Score what a file shows; where something shines through, the worse of white and black behind it."""
        behind = (WHITE, BLACK) if shown.hasalpha() else (WHITE,)
        return min(self._original(colour).score(pixels(flat(shown, colour))) for colour in behind)

    def _original(self, background: int) -> Original:
        if background not in self._originals:
            self._originals[background] = Original(pixels(flat(self.image, background)))
        return self._originals[background]

    @property
    def score(self) -> float:
        """The score to be reached: on the plain areas of a drawing all is seen."""
        return max(self._wanted, UNSEEN_SCORE) if self.is_drawn else self._wanted

    @cached_property
    def is_drawn(self) -> bool:
        """Say whether it is a drawing or text, from some rows: few colours, and most beside the same."""
        rows = pixels(flat(self.image, WHITE))[:: max(1, self.pixels // SAMPLE)]
        colours = rows @ np.array([1 << 16, 1 << 8, 1])
        plain = np.count_nonzero(colours[:, 1:] == colours[:, :-1])
        least = PLAIN if np.ptp(rows, axis=-1).any() else PLAIN_GREY
        # np.unique would load more code, which a child cannot
        return plain >= least * colours.size and len({*colours.ravel().tolist()}) <= FEW_COLOURS


def _kept(image: pyvips.Image, source: Kin, made: Made) -> Made | None:
    """Return the source itself, cleaned, if that is no larger, names its author and shows the same."""
    if not source.is_same or source.format != made.format:
        return None
    has_credit = any(has(image, name) for name in CREDITS)
    if has_credit and source.format != "jpeg":
        return None
    data = cleaned(source.format, source.data, made.data if has_credit else b"")
    if data and len(data) <= len(made.data) and _shows(data, source.format, image):
        return Made(source.format, data, None, EXACT_SCORE)
    return None


def _shows(data: bytes, format_: str, image: pyvips.Image) -> bool:
    try:
        shown = decode(data, format_, fail_on="warning")
    except UNREADABLE:
        return False
    is_alike = (shown.width, shown.height, shown.bands) == (image.width, image.height, image.bands)
    return is_alike and bool((shown - image).abs().max() <= SAME)


def _stand_in(target: Target, encoding: Encoding) -> Made | None:
    """Return what comes instead of a drawing because it is smaller and loses nothing, if it is."""
    match STAND_INS.get(encoding.format):
        case "png":
            instead = _png(target, FORMATS["png"].default, least=EXACT_SCORE)
        case "webp":
            instead = Made("webp", encode_losslessly(target.image), None, EXACT_SCORE)
        case _:
            return None
    fair = encode(target.image, encoding.format, round(HABITS[encoding.format].usual), encoding.effort)
    return instead if len(instead.data) <= len(fair) else None


def _png(target: Target, encoding: Encoding, least: float) -> Made:
    """Return a PNG that loses nothing, or one with a palette that has at least this score."""
    if encoding.quality is None and target.is_drawn and target.can_be_scored:
        data = encode_with_palette(target.image)
        score = target.score_of(decode(data, "png"))
        if score >= least:
            return Made("png", data, None, round(score, 1))
    return Made("png", encode(target.image, "png", 100, encoding.effort), None, EXACT_SCORE)
