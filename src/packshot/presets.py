"""
Presets: the named sizes and formats that every picture is made into, read from TOML.

    [large]
    pixels = 1600
    avif = { quality = 70, effort = 0 }
    jpeg = { quality = 80 }
    animated = false

Order matters: the first format of the first preset is the main rendition. A recipe is the hash of
everything that decides the bytes of a rendition, and with the source's hash it is the file's name
in the store. Nothing here touches a picture; `render.py` does what a preset says.
"""

import hashlib
import json
import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

from packshot.errors import ConfigError
from packshot.models import MOVING, Encoding, Preset

RECIPE_VERSION: Final = 2  # raise it whenever the decoder makes other bytes of the same picture
BUILT_IN: Final = Path(__file__).with_name("presets.toml")
NAME: Final = re.compile(r"[a-z][a-z0-9_]{0,30}")
MOST_PRESETS: Final = 12  # each one costs every picture its time
OPTIONS: Final = ("pixels", "animated")  # of a preset; its other keys are formats
PIXELS: Final = range(1, 16_384)  # WebP cannot hold a longer side than 16,383


@dataclass(frozen=True, slots=True)
class Format:
    """What a format is called outside, and the quality and effort that its encoder takes."""

    suffix: str
    content_type: str
    quality: range
    effort: range
    default: Encoding


FORMATS: Final[Mapping[str, Format]] = {
    "avif": Format("avif", "image/avif", range(1, 101), range(10), Encoding("avif", 70, 0)),
    "jpeg": Format("jpg", "image/jpeg", range(1, 101), range(1), Encoding("jpeg", 80, 0)),
    "webp": Format("webp", "image/webp", range(1, 101), range(7), Encoding("webp", 85, 2)),
    "png": Format("png", "image/png", range(100, 101), range(10), Encoding("png", 100, 6)),  # lossless
}

# What may come instead where it is smaller and loses nothing: drawings, text, few colours.
STAND_INS: Final[Mapping[str, str]] = {"jpeg": "png", "avif": "webp"}

CONTENT_TYPES: Final[Mapping[str, str]] = {name: format_.content_type for name, format_ in FORMATS.items()}


def load_presets(file: Path | None) -> tuple[Preset, ...]:
    """Read the presets of `file` (TOML), or the built-in ones; raise ConfigError naming every problem."""
    path = file or BUILT_IN
    try:
        tables = tomllib.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigError(f"The presets file {path} cannot be read: {error}") from error
    if problems := list(_problems(tables)):
        raise ConfigError(f"The presets file {path} is wrong:\n  " + "\n  ".join(problems))
    return tuple(_preset(name, table, tables) for name, table in tables.items())


@cache
def recipe(preset: Preset, encoding: Encoding) -> str:
    """Return 16 hex digits for everything that decides the bytes; the preset's name does not."""
    decisive = [
        RECIPE_VERSION,
        *preset.via,
        preset.pixels,
        encoding.format,
        encoding.quality,
        encoding.effort,
        *(["animated"] if preset.animated and encoding.format in MOVING else []),
    ]
    return hashlib.sha256(json.dumps(decisive).encode()).hexdigest()[:16]


def store_key(source_sha256: str, preset_name: str, recipe: str, format_: str) -> str:
    """Return the rendition's name in the store: `3f/3f9a…/large-<recipe>.avif`."""
    return f"{source_sha256[:2]}/{source_sha256}/{preset_name}-{recipe}.{FORMATS[format_].suffix}"


def _preset(name: str, table: dict[str, Any], tables: dict[str, dict[str, Any]]) -> Preset:
    encodings = (_encoding(format_, table[format_]) for format_ in table if format_ not in OPTIONS)
    larger = {other["pixels"] for other in tables.values() if other["pixels"] > table["pixels"]}
    via = tuple(sorted(larger, reverse=True))
    return Preset(name, table["pixels"], tuple(encodings), via, table.get("animated", False))


def _encoding(format_: str, values: dict[str, int]) -> Encoding:
    default = FORMATS[format_].default
    return Encoding(format_, values.get("quality", default.quality), values.get("effort", default.effort))


def _problems(tables: dict[str, Any]) -> Iterator[str]:
    if not 1 <= len(tables) <= MOST_PRESETS:
        yield f"it has {len(tables)} presets; 1 to {MOST_PRESETS} are allowed"
    for name, table in tables.items():
        if not NAME.fullmatch(name):
            yield f"[{name}]: a name is a small letter, then up to 30 small letters, digits or underscores"
        if name == "markup":
            yield "[markup]: at this name the API shows an image's HTML; call it something else"
        if isinstance(table, dict):
            yield from (f"[{name}] {problem}" for problem in _preset_problems(table))
        else:
            yield f"{name}: stands outside of a preset; a preset starts with a line like [large]"


def _preset_problems(table: dict[str, Any]) -> Iterator[str]:
    yield from _number_problems("pixels", table.get("pixels"), PIXELS)
    formats = [key for key in table if key not in OPTIONS]
    if not formats:
        yield f"has no format; at least one of {', '.join(FORMATS)}"
    if not isinstance(is_animated := table.get("animated", False), bool):
        yield f"animated: must be true or false, not {is_animated!r}"
    elif is_animated and not set(MOVING) & {*formats}:
        yield f"animated: needs a format that can move ({', '.join(MOVING)})"
    for format_ in formats:
        if format_ in FORMATS:
            yield from _format_problems(format_, table[format_])
        else:
            yield f"{format_}: not a format; allowed are {', '.join(FORMATS)}"


def _format_problems(format_: str, values: object) -> Iterator[str]:
    if not isinstance(values, dict):
        yield f"{format_}: must be a table like {{ quality = 80 }}"
        return
    allowed = {"quality": FORMATS[format_].quality, "effort": FORMATS[format_].effort}
    for key, value in values.items():
        if key in allowed:
            yield from _number_problems(f"{format_} {key}", value, allowed[key])
        else:
            yield f"{format_} {key}: unknown; allowed are {', '.join(allowed)}"


def _number_problems(what: str, value: object, allowed: range) -> Iterator[str]:
    # TOML's true is a bool, which Python also takes for 1
    if type(value) is not int or value not in allowed:
        said = "" if value is None else f", not {value!r}"
        yield f"{what}: must be {_say(allowed)}{said}"


def _say(allowed: range) -> str:
    return f"{allowed[0]}" if len(allowed) == 1 else f"a whole number from {allowed[0]} to {allowed[-1]}"
