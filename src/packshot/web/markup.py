"""
The HTML of a picture, ready to paste: the browser takes the format it knows and the size it needs.

All sizes show the same: what has another shape, or may move where the others stand still, is left out.
Everything that comes from outside is escaped; whether it makes sense is the page's affair.
"""

from collections.abc import Callable, Sequence
from html import escape
from typing import Final

from packshot.models import MOVING
from packshot.presets import CONTENT_TYPES
from packshot.web.choice import MOST_COMPATIBLE_FIRST, Rendition, compatibility

SHOWN_BY_ALL: Final = ("jpeg", "png")
MAY_MOVE: Final = ("gif", "webp")  # sources; no row says whether they do


def markup(
    renditions: Sequence[Rendition], url_of: Callable[[Rendition], str], sizes: str, **attributes: str
) -> str:
    """Return a `<picture>`; the attributes are those of its `<img>`."""
    widest_first = sorted(renditions, key=lambda one: (-one["width"], compatibility(one)))
    formats = _fallback({one["format"] for one in renditions})
    fallback = [one for one in widest_first if one["format"] in formats]
    sources = [
        _tag("source", type=CONTENT_TYPES[format_], srcset=_srcset(same, url_of), sizes=sizes)
        for format_ in dict.fromkeys(one["format"] for one in renditions)
        if format_ not in formats
        # else the browser would take this format and enlarge it
        if (same := [one for one in widest_first if one["format"] == format_])[0]["width"]
        == widest_first[0]["width"]
    ]
    image = _tag(
        "img",
        src=url_of(fallback[0]),
        srcset=_srcset(fallback, url_of),
        sizes=sizes,
        width=str(fallback[0]["width"]),
        height=str(fallback[0]["height"]),
        **attributes,
    )
    return "\n".join(["<picture>", *(f"  {tag}" for tag in (*sources, image)), "</picture>\n"])


def alike(renditions: Sequence[Rendition], source_format: str) -> list[Rendition]:
    """Return those that show the same as the main one, which is the first."""
    still = [one for one in renditions if one["format"] not in MOVING] if source_format in MAY_MOVE else []
    shown = still or list(renditions)
    return [one for one in shown if _has_shape(one, shown[0])]


def _has_shape(rendition: Rendition, main: Rendition) -> bool:
    """Tell whether it is the main one in another size; sides are rounded to whole pixels."""
    width, height = rendition["width"], rendition["height"]
    exact = width * main["height"] / main["width"], height * main["width"] / main["height"]
    return bool(abs(height - exact[0]) <= 1 or abs(width - exact[1]) <= 1)


def _fallback(formats: set[str]) -> tuple[str, ...]:
    """Return the formats for the `<img>`, which does not say what is in it."""
    return tuple(formats.intersection(SHOWN_BY_ALL)) or (min(formats, key=MOST_COMPATIBLE_FIRST.index),)


def _srcset(widest_first: Sequence[Rendition], url_of: Callable[[Rendition], str]) -> str:
    one_of_each = {one["width"]: one for one in reversed(widest_first)}
    return ", ".join(f"{url_of(one)} {width}w" for width, one in reversed(one_of_each.items()))


def _tag(name: str, **attributes: str) -> str:
    written = (f'{key}="{escape(value)}"' for key, value in attributes.items())
    return f"<{name} {' '.join(written)}>"
