"""
Presets: the named sizes and formats that every picture is made into, read from TOML.

    [large]
    pixels = 1600                               # of the longer side
    score = 80                                  # SSIMULACRA2 to reach
    avif = { quality = "auto", effort = 0 }     # or a number, for the encoder
    jpeg = {}
    fit = "inside"                              # "cover", "pad": with aspect = "4:5", background = "#ffffff"
    trim = false                                # of plain borders
    sharpen = false
    lossless = true                             # drawings and text, where that is smaller
    animated = false                            # WebP can

Order matters: the first format of the first preset is the main rendition. A recipe is the hash of
everything that its preset says of a rendition, and with the source's hash it is the file's name
in the store. Nothing here touches a picture; `render.py` does what a preset says.
"""

import hashlib
import json
import re
import tomllib
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

from packshot.errors import ConfigError
from packshot.models import MOVING, Encoding, Preset

RECIPE_VERSION: Final = 3  # raise it whenever the decoder makes other bytes of the same picture
BUILT_IN: Final = Path(__file__).with_name("presets.toml")
NAME: Final = re.compile(r"[a-z][a-z0-9_]{0,30}")
MOST_PRESETS: Final = 12  # each one costs every picture its time
PIXELS: Final = range(1, 16_384)  # WebP cannot hold a longer side than 16,383
SCORES: Final = range(30, 96)  # less is no picture, and more is no compression
AUTO: Final = "auto"
FITS: Final = ("inside", "cover", "pad")
ASPECT: Final = re.compile(r"([1-9]\d?):([1-9]\d?)")
COLOUR: Final = re.compile(r"#[0-9a-f]{6}", re.IGNORECASE)
SWITCHES: Final = ("trim", "sharpen", "lossless", "animated")
OPTIONS: Final = (
    "pixels",
    "score",
    "quality",
    "fit",
    "aspect",
    "background",
    *SWITCHES,
)  # other keys are formats


@dataclass(frozen=True, slots=True)
class Format:
    """What a format is called outside, and the quality and effort that its encoder takes."""

    suffix: str
    content_type: str
    quality: range
    effort: range
    default: Encoding


FORMATS: Final[Mapping[str, Format]] = {
    "avif": Format("avif", "image/avif", range(1, 101), range(10), Encoding("avif", None, 0)),
    "jpeg": Format("jpg", "image/jpeg", range(1, 101), range(2), Encoding("jpeg", None, 0)),
    "webp": Format("webp", "image/webp", range(1, 101), range(7), Encoding("webp", None, 2)),
    "png": Format("png", "image/png", range(100, 101), range(10), Encoding("png", None, 6)),
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
    return tuple(_preset(name, table) for name, table in tables.items())


@cache
def recipe(preset: Preset, encoding: Encoding) -> str:
    """Return 16 hex digits for what a preset says of a rendition, all but its own name."""
    auto = (preset.score, preset.lossless) if encoding.quality is None else ()
    decisive = [
        RECIPE_VERSION,
        preset.pixels,
        preset.fit,
        preset.aspect,
        preset.background,
        preset.trim,
        preset.sharpen,
        preset.animated and encoding.format in MOVING,
        encoding.format,
        encoding.quality,
        encoding.effort,
        *auto,
    ]
    return hashlib.sha256(json.dumps(decisive).encode()).hexdigest()[:16]


def store_key(source_sha256: str, preset_name: str, recipe: str, format_: str) -> str:
    """Return the rendition's name in the store: `3f/3f9a…/large-<recipe>.avif`."""
    return f"{source_sha256[:2]}/{source_sha256}/{preset_name}-{recipe}.{FORMATS[format_].suffix}"


def _preset(name: str, table: dict[str, Any]) -> Preset:
    across, down = table.get("aspect", "1:1").split(":")
    options = {name: table[name] for name in ("score", "fit", "background", *SWITCHES) if name in table}
    encodings = (
        _encoding(format_, {"quality": table.get("quality", AUTO)} | table[format_])
        for format_ in table
        if format_ not in OPTIONS
    )
    return Preset(name, table["pixels"], tuple(encodings), aspect=(int(across), int(down)), **options)


def _encoding(format_: str, values: dict[str, Any]) -> Encoding:
    quality = None if values["quality"] == AUTO else values["quality"]
    return Encoding(format_, quality, values.get("effort", FORMATS[format_].default.effort))


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
    yield from _number_problems("score", table.get("score", SCORES[-1]), SCORES)
    for switch in SWITCHES:
        if not isinstance(is_on := table.get(switch, False), bool):
            yield f"{switch}: must be true or false, not {is_on!r}"
    yield from _frame_problems(table)
    formats = {key: values for key, values in table.items() if key not in OPTIONS}
    if not formats:
        yield f"has no format; at least one of {', '.join(FORMATS)}"
    if table.get("animated") is True:
        yield from _motion_problems(table, formats)
    for format_, values in formats.items():
        yield from _format_problems(format_, values, table.get("quality", AUTO))


def _frame_problems(table: dict[str, Any]) -> Iterator[str]:
    if (fit := table.get("fit", "inside")) not in FITS:
        yield f"fit: must be one of {', '.join(FITS)}, not {fit!r}"
    if not ASPECT.fullmatch(str(aspect := table.get("aspect", "1:1"))):
        yield f'aspect: must be width to height like "4:5", up to 99, not {aspect!r}'
    if "background" in table:
        if not COLOUR.fullmatch(str(colour := table["background"])):
            yield f'background: must be a colour like "#ffffff", not {colour!r}'
        if fit != "pad":
            yield 'background: needs fit = "pad"; elsewhere there is nothing to fill'


def _motion_problems(table: dict[str, Any], formats: Collection[str]) -> Iterator[str]:
    if not set(MOVING) & {*formats}:
        yield f"animated: needs a format that can move ({', '.join(MOVING)})"
    if table.get("trim") is True or table.get("fit", "inside") != "inside":
        yield 'animated: needs fit = "inside" and no trim; frames are never cut'


def _format_problems(format_: str, values: object, quality: object) -> Iterator[str]:
    if format_ not in FORMATS:
        yield f"{format_}: not a format; allowed are {', '.join(FORMATS)}"
        return
    if not isinstance(values, dict):
        yield f"{format_}: must be a table like {{ quality = 80 }}"
        return
    allowed = {"quality": FORMATS[format_].quality, "effort": FORMATS[format_].effort}
    for key, value in ({"quality": quality} | values).items():
        if key not in allowed:
            yield f"{format_} {key}: unknown; allowed are {', '.join(allowed)}"
        elif key == "effort" or value != AUTO:
            or_auto = f'"{AUTO}" or ' if key == "quality" else ""
            yield from _number_problems(f"{format_} {key}", value, allowed[key], or_auto)


def _number_problems(what: str, value: object, allowed: range, other: str = "") -> Iterator[str]:
    # TOML's true is a bool, which Python also takes for 1
    if type(value) is not int or value not in allowed:
        said = "" if value is None else f", not {value!r}"
        yield f"{what}: must be {other}{_say(allowed)}{said}"


def _say(allowed: range) -> str:
    return f"{allowed[0]}" if len(allowed) == 1 else f"a whole number from {allowed[0]} to {allowed[-1]}"
