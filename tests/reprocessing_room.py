"""
A reprocessing for tests: all rooms are real; only the download and the decoder are small stand-ins.

The presets of yesterday are those of `kitchen`. Today the JPEG and the small AVIF want another quality.
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final, Protocol

from tests import kitchen
from tests.kitchen import MakePipeline
from tests.rows import an_image, claimed

from packshot.images import Images
from packshot.making import Compress, name_of, wanted
from packshot.models import Compressed, Encoding, Facts, Preset, Source
from packshot.politeness import Download
from packshot.reprocessing import Reprocessing
from packshot.stores import Store
from packshot.workers import Desk

LARGE, SMALL = kitchen.PRESETS
TODAY: Final = (
    replace(LARGE, encodings=(LARGE.encodings[0], Encoding("jpeg", 90, 0))),
    replace(SMALL, encodings=(Encoding("avif", 60, 0),)),
)
FACTS: Final = Facts(
    "#a0b0c0", "3OcRJYB4d3h/iIeHeEh3eIhw+j2w", has_transparency=False, whiteness=1, sharpness=0.5
)


WANTED: Final = [name_of(*one) for one in wanted(TODAY)]


class Watched:
    """The stand-ins for download and decoder, and what they were asked for."""

    def __init__(self) -> None:
        self.urls: list[str] = []
        self.wanted: list[dict[str, list[str]]] = []

    async def download(self, url: str, to: Path) -> Source:
        self.urls.append(url)
        return await kitchen.download(url, to)

    async def compress(self, source: Path, folder: Path, presets: Sequence[Preset], /) -> Compressed:
        self.wanted.append({preset.name: [one.format for one in preset.encodings] for preset in presets})
        return replace(await kitchen.compress(source, folder, presets), facts=FACTS)


class MakeReprocessing(Protocol):
    """Builds a reprocessing in which some rooms are other ones."""

    def __call__(  # noqa: PLR0913 - the rooms
        self,
        download: Download = kitchen.download,
        compress: Compress = kitchen.compress,
        *,
        presets: Sequence[Preset] = TODAY,
        today: Sequence[Preset] = TODAY,
        store: Store | None = None,
        desk: Desk | None = None,
        hands: int = 4,
        share: float = 1,
    ) -> Reprocessing:
        """Return it."""


async def ready(make_pipeline: MakePipeline, images: Images, *names: str) -> list[int]:
    """Images that were made with the presets of yesterday."""
    ids = [await an_image(images, f"https://shop.example/{name}") for name in names or ("shoe",)]
    for image_id in ids:
        await make_pipeline().process(await claimed(images, image_id))
    return ids


async def names_of(images: Images, image_id: int) -> list[tuple[str, str]]:
    made = (await images.get(image_id))["renditions"]
    return [(one["preset"], one["recipe"]) for one in made]
