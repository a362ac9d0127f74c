"""
Who takes part: each program as people would write it, in its default and over a range of qualities.

Ours is `render()` with a preset of one format, in the environment of a decoder child.
"""

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import Final

import pyvips
from PIL import Image, ImageOps

from benchmarks.quality.contest import Contestant, Made
from benchmarks.quality.sharp import Sharp
from packshot.models import Encoding, Preset, SourceLimits
from packshot.presets import FORMATS, load_presets
from packshot.render import render

LIMITS: Final = SourceLimits(pixels=100_000_000, side=30_000, frames=1)
TARGETS: Final = range(50, 95, 5)
QUALITIES: Final = {"AVIF": range(35, 90, 5), "WebP": range(50, 100, 10), "JPEG": range(50, 100, 10)}
# None of ours has a default quality: the default is automatic.
PILLOW: Final = {"AVIF": 75, "WebP": 80, "JPEG": 75}
SHARP: Final = {"AVIF": 50, "WebP": 80, "JPEG": 80}
LIBVIPS: Final = {"WebP": 75}


def contestants(pixels: int, sharp: Sharp | None) -> list[Contestant]:
    """Return everybody; without sharp, all others."""
    return [*_ours(pixels), *_pillow(pixels), *_libvips(pixels), *(_sharp(pixels, sharp) if sharp else ())]


def default_preset(pixels: int) -> Preset:
    """Return the default preset whose size is nearest, in this size."""
    nearest = min(load_presets(None), key=lambda preset: abs(preset.pixels - pixels))
    return replace(nearest, pixels=pixels)


def _ours(pixels: int) -> Iterator[Contestant]:
    default = default_preset(pixels)
    for encoding in default.encodings:
        series = f"Packshot {_title(encoding.format)} automatic"
        for target in sorted({*TARGETS, round(default.score)}):
            make = _rendering(pixels, encoding, target)
            yield Contestant(series, target, target == default.score, make)
    for title, qualities in QUALITIES.items():
        effort = FORMATS[title.lower()].default.effort
        for quality in qualities:
            make = _rendering(pixels, Encoding(title.lower(), quality, effort), default.score)
            yield Contestant(f"Packshot {title}", quality, is_default=False, make=make)


def _rendering(pixels: int, encoding: Encoding, score: float) -> Callable[[Path], Made]:
    presets = [Preset("contest", pixels, (encoding,), score=score)]
    return _timed(lambda file: render(file.read_bytes(), presets, LIMITS).encoded[0].data)


def _pillow(pixels: int) -> Iterator[Contestant]:
    def saved(file: Path, format_: str, options: Mapping[str, int]) -> bytes:
        small_picture_of_pillow(file, pixels).save(to := BytesIO(), format_, **options)
        return to.getvalue()

    for title, default in PILLOW.items():
        for quality, options in _settings(title, default):
            make = _timed(partial(saved, format_=title, options=options))
            yield Contestant(f"Pillow {title}", quality, quality == default, make)


def small_picture_of_pillow(file: Path, pixels: int) -> Image.Image:
    """Return what `thumbnail` makes of a file."""
    image: Image.Image = Image.open(file)
    if image.mode != "RGB":
        image = image.convert("RGB")
    image.thumbnail((pixels, pixels))
    ImageOps.exif_transpose(image, in_place=True)
    return image


def _libvips(pixels: int) -> Iterator[Contestant]:
    def saved(file: Path) -> bytes:
        image = pyvips.Image.thumbnail(str(file), pixels, height=pixels, size="down")
        return bytes(image.webpsave_buffer())

    for title, default in LIBVIPS.items():
        yield Contestant(f"libvips {title}", default, is_default=True, make=_timed(saved))


def _sharp(pixels: int, sharp: Sharp) -> Iterator[Contestant]:
    for title, default in SHARP.items():
        for quality, options in _settings(title, default):
            make = partial(sharp.make, pixels=pixels, format_=title.lower(), options=options)
            yield Contestant(f"sharp {title}", quality, quality == default, make)


def _settings(title: str, default: int) -> Iterator[tuple[int, Mapping[str, int]]]:
    """Yield qualities, and what a program is told: nothing for its default."""
    others = () if title == "AVIF" else QUALITIES[title]  # theirs is slow, and its default says enough
    for quality in sorted({*others, default}):
        yield quality, {} if quality == default else {"quality": quality}


def _timed(make: Callable[[Path], bytes]) -> Callable[[Path], Made]:
    def timed(file: Path) -> Made:
        started = time.process_time()
        data = make(file)
        return Made(data, time.process_time() - started)

    return timed


def _title(format_: str) -> str:
    return {title.lower(): title for title in QUALITIES}[format_]
