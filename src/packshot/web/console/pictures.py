"""How the console shows an image: the HTML of its picture, and which one."""

from typing import Any

from markupsafe import Markup

from packshot.web.markup import SHOWN_BY_ALL, alike, markup
from packshot.web.views import ImageView, RenditionView


def same_shape(image: ImageView) -> list[dict[str, Any]]:
    """Return the renditions that show the same as the main one, with their addresses."""
    renditions = [one.model_dump() for one in image.renditions]
    return alike(renditions, image.source.format) if image.source and renditions else []


def full_picture(image: ImageView, sizes: str, alt: str, **attributes: str) -> Markup:
    """Write a `<picture>` in all its sizes and formats."""
    html = markup(same_shape(image), _url_of, sizes, alt=alt, decoding="async", **attributes)
    return Markup(html)  # noqa: S704 - markup escapes whatever it writes


def small_picture(image: ImageView) -> RenditionView:
    """Return the smallest rendition that every browser can show."""
    return min(image.renditions, key=lambda one: (one.format not in SHOWN_BY_ALL, one.width * one.height))


def _url_of(rendition: dict[str, Any]) -> str:
    return str(rendition["url"])
