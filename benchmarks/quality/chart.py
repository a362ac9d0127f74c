"""The chart: how good against how large, one line per program and format. SVG, drawn by hand. Pure."""

from collections.abc import Iterator, Sequence
from html import escape
from itertools import groupby
from math import ceil, floor, log2
from typing import Final

from benchmarks.quality.contest import Entry

WIDTH, HEIGHT = 960, 620
LEFT, RIGHT, TOP, BOTTOM = 70, 30, 60, 60
KEY_LINE: Final = 20
FONT: Final = 'font-family="sans-serif" font-size="14" fill="#222"'
ACROSS: Final = "mean bytes per picture, in thousands; each line twice the one before"
UPWARDS: Final = "mean SSIMULACRA2 beside a linear-light resize; dots are defaults"
COLOURS: Final = {"Packshot": "#0b62c4", "Pillow": "#d1600a", "sharp": "#2b8a3e", "libvips": "#7a5195"}
DASHES: Final = {"AVIF": "", "WebP": "8 5", "JPEG": "2 4"}
AUTOMATIC: Final = "automatic"
KILO: Final = 1000
STEP: Final = 10  # points of score from line to line
LEAST_SCORE: Final = 30  # what is below is no picture


class Scale:
    """From bytes and scores to places; bytes are logarithmic, with a line at each doubling."""

    def __init__(self, entries: Sequence[Entry]) -> None:
        sizes = [entry.bytes / KILO for entry in entries]
        scores = [entry.score for entry in entries]
        self._least, self._most = log2(min(sizes)) - 0.1, log2(max(sizes)) + 0.1
        self._low, self._high = STEP * floor(min(scores) / STEP), STEP * ceil(max(scores) / STEP)

    def x(self, size: float) -> float:
        """Return the place of so many bytes."""
        part = (log2(size / KILO) - self._least) / (self._most - self._least)
        return round(LEFT + part * (WIDTH - LEFT - RIGHT), 1)

    def y(self, score: float) -> float:
        """Return the place of a score; up is better."""
        part = (score - self._low) / (self._high - self._low)
        return round(HEIGHT - BOTTOM - part * (HEIGHT - TOP - BOTTOM), 1)

    def sizes(self) -> Iterator[int]:
        """Yield the bytes that get a line."""
        yield from (KILO * 2**power for power in range(ceil(self._least), floor(self._most) + 1))

    def scores(self) -> range:
        """Return the scores that get a line."""
        return range(self._low, self._high + 1, STEP)


def draw(entries: Sequence[Entry], pictures: str) -> str:
    """Return the SVG."""
    shown = [entry for entry in entries if entry.score >= LEAST_SCORE]
    scale = Scale(shown)
    series = [(name, [*each]) for name, each in groupby(shown, key=lambda entry: entry.contestant.series)]
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" {FONT}>',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#fff"/>',
        f'<text x="{LEFT}" y="28" font-size="18">How good against how large: {escape(pictures)}</text>',
        *_grid(scale),
        *(line for name, each in series for line in _curve(name, each, scale)),
        *_key([name for name, _ in series]),
    ]
    return "\n".join([*lines, "</svg>\n"])


def _grid(scale: Scale) -> Iterator[str]:
    line = 'stroke="#ddd"'
    floor_, right = HEIGHT - BOTTOM, WIDTH - RIGHT
    for size in scale.sizes():
        x = scale.x(size)
        yield f'<path d="M{x} {TOP}V{floor_}" {line}/>'
        yield f'<text x="{x}" y="{floor_ + 20}" text-anchor="middle">{size // KILO}</text>'
    for score in scale.scores():
        y = scale.y(score)
        yield f'<path d="M{LEFT} {y}H{right}" {line}/>'
        yield f'<text x="{LEFT - 10}" y="{y + 5}" text-anchor="end">{score}</text>'
    yield f'<text x="{right}" y="{HEIGHT - 14}" text-anchor="end">{ACROSS}</text>'
    yield f'<text x="{LEFT}" y="{TOP - 12}">{UPWARDS}</text>'


def _curve(name: str, entries: Sequence[Entry], scale: Scale) -> Iterator[str]:
    points = sorted(entries, key=lambda entry: entry.contestant.setting)
    places = " ".join(f"{scale.x(entry.bytes)},{scale.y(entry.score)}" for entry in points)
    yield f'<polyline points="{places}" fill="none" {_stroke(name)}/>'
    for entry in points:
        if entry.contestant.is_default:
            yield (
                f'<circle cx="{scale.x(entry.bytes)}" cy="{scale.y(entry.score)}" r="6" '
                f'fill="{_colour(name)}"><title>{escape(name)}, {entry.contestant.setting}</title></circle>'
            )


def _key(names: Sequence[str]) -> Iterator[str]:
    top = HEIGHT - BOTTOM - KEY_LINE * len(names)
    for number, name in enumerate(names):
        y = top + KEY_LINE * number
        yield f'<path d="M{WIDTH - 260} {y}h44" fill="none" {_stroke(name)}/>'
        yield f'<text x="{WIDTH - 206}" y="{y + 5}">{escape(name)}</text>'


def _stroke(name: str) -> str:
    dash = next(dash for format_, dash in DASHES.items() if format_ in name)
    width = 4 if AUTOMATIC in name else 2
    return f'stroke="{_colour(name)}" stroke-width="{width}" stroke-dasharray="{dash or "none"}"'


def _colour(name: str) -> str:
    return COLOURS[name.partition(" ")[0]]
