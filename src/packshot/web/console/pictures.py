"""How the console shows an image: the HTML of its picture, and which one."""

from operator import itemgetter

from markupsafe import Markup

from packshot.web.markup import SHOWN_BY_ALL, alike, markup
from packshot.web.views import ImageView, RenditionView


def full_picture(image: ImageView, sizes: str, alt: str, **attributes: str) -> Markup:
    """Write a `<picture>` in all its sizes and formats."""
    assert image.source  # noqa: S101 - it was ready once
    renditions = alike([one.model_dump() for one in image.renditions], image.source.format)
    html = markup(renditions, itemgetter("url"), sizes, alt=alt, decoding="async", **attributes)
    return Markup(html)  # noqa: S704 - markup escapes whatever it writes


def small_picture(image: ImageView) -> RenditionView:
    """Return the smallest rendition that every browser can show."""
    return min(image.renditions, key=lambda one: (one.format not in SHOWN_BY_ALL, one.width * one.height))
