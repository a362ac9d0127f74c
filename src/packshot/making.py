"""
Which renditions a source shall have, and how those come into the store that it has not.

A rendition is known by its preset's name and its recipe. Its format may be another one than was asked for
(see `STAND_INS`), so nobody can name its key before it is made. No rows here, and no downloads.
"""

import asyncio
from collections.abc import Awaitable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Protocol

from packshot.models import Compressed, Encoding, Picture, Preset, Rendition
from packshot.presets import CONTENT_TYPES, recipe, store_key
from packshot.stores import Store


class Compress(Protocol):
    """Turns a file into the renditions that presets name, in a folder; raises ImageError."""

    def __call__(self, source: Path, folder: Path, presets: Sequence[Preset], /) -> Awaitable[Compressed]:
        """Return the renditions, in the order of the presets."""


def wanted(presets: Iterable[Preset]) -> list[tuple[Preset, Encoding]]:
    """Return one pair for each rendition, the main one first."""
    return [(preset, encoding) for preset in presets for encoding in preset.encodings]


def missing(presets: Iterable[Preset], had: Iterable[Rendition]) -> tuple[Preset, ...]:
    """Return the presets with those encodings that are not there, and without the others."""
    there = {(rendition.preset, rendition.recipe) for rendition in had}
    left = (
        replace(preset, encodings=tuple(one for one in preset.encodings if name_of(preset, one) not in there))
        for preset in presets
    )
    return tuple(preset for preset in left if preset.encodings)


def chosen(presets: Iterable[Preset], had: Iterable[Rendition]) -> tuple[Rendition, ...]:
    """Return the renditions that the presets want, the main one first; none of them may be missing."""
    there = {(rendition.preset, rendition.recipe): rendition for rendition in had}
    return tuple(there[name_of(*one)] for one in wanted(presets))


def name_of(preset: Preset, encoding: Encoding) -> tuple[str, str]:
    """Return what a rendition of a source is known by."""
    return preset.name, recipe(preset, encoding)


async def keep(
    store: Store, source_sha256: str, presets: Sequence[Preset], compressed: Compressed
) -> Sequence[Rendition]:
    """Move what was made for `presets` into the store, all at once: disks flush in company."""
    made = zip(wanted(presets), compressed.pictures, strict=True)
    return await asyncio.gather(
        *(_keep(store, source_sha256, name_of(*one), picture) for one, picture in made)
    )


async def _keep(store: Store, source_sha256: str, name: tuple[str, str], picture: Picture) -> Rendition:
    preset_name, its_recipe = name
    key = store_key(source_sha256, preset_name, its_recipe, picture.format)
    await store.put(key, picture.path, CONTENT_TYPES[picture.format])
    return Rendition(
        recipe=its_recipe,
        preset=preset_name,
        format=picture.format,
        key=key,
        width=picture.width,
        height=picture.height,
        bytes=picture.bytes,
        quality=picture.quality,
        score=picture.score,
    )
