"""Which rendition answers a request: by its name, by what the client accepts, by what its URL knows of it."""

import re
from collections.abc import Sequence
from typing import Any, Final

from packshot.presets import CONTENT_TYPES, FORMATS, STAND_INS

Rendition = dict[str, Any]  # as it is in an image's row

SUFFIXES: Final = {name: f".{form.suffix}" for name, form in FORMATS.items()}
MOST_COMPATIBLE_FIRST: Final = ("jpeg", "png", "webp", "avif")
VERSION_DIGITS: Final = 8
UNWANTED: Final = re.compile(r"q=0(\.0*)?")


def version_of(rendition: Rendition) -> str:
    """Return what a URL says about the recipe: another recipe, another URL."""
    return str(rendition["recipe"][:VERSION_DIGITS])


def path_of(image_id: int, rendition: Rendition) -> str:
    """Return where a rendition is served, and always will be, as long as it is this one."""
    name = rendition["preset"] + SUFFIXES[rendition["format"]]
    return f"/images/{image_id}/{name}?v={version_of(rendition)}"


def choose(renditions: Sequence[Rendition], name: str, accept: str, version: str) -> Rendition | None:
    """Take what `large` or `large.jpg` means to this client."""
    found = [r for r in renditions if name in (r["preset"], r["preset"] + SUFFIXES[r["format"]])]
    found = found or [r for r in renditions if _stands_in(r, name)]
    if "." in name:  # of one format there may be two: made as such, and standing in for another
        found = [r for r in found if version_of(r) == version] or found
    return _negotiate(found, accept) if found else None


def _stands_in(rendition: Rendition, name: str) -> bool:
    return any(
        STAND_INS[wanted] == rendition["format"] and name == rendition["preset"] + SUFFIXES[wanted]
        for wanted in STAND_INS
    )


def _negotiate(renditions: Sequence[Rendition], accept: str) -> Rendition:
    """Take the first format that is accepted by name; a wildcard promises only what all can show."""
    wanted = _wishes(accept)
    opinions = [(rendition, wanted.get(CONTENT_TYPES[rendition["format"]])) for rendition in renditions]
    if by_name := [rendition for rendition, is_wanted in opinions if is_wanted]:
        return by_name[0]
    possible = [rendition for rendition, is_wanted in opinions if is_wanted is None] or renditions
    return min(possible, key=compatibility)


def compatibility(rendition: Rendition) -> int:
    """Return its place in the order in which clients can show formats; the most can show the first."""
    return MOST_COMPATIBLE_FIRST.index(rendition["format"])


def _wishes(accept: str) -> dict[str, bool]:
    """Read an Accept header: is this content type wanted? Our own order matters more than its weights."""
    parts = (part.split(";") for part in accept.lower().replace(" ", "").split(","))
    return {kind: not any(UNWANTED.fullmatch(word) for word in weight) for kind, *weight in parts}
