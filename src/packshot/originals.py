"""
Shows a source as its supplier has it now: downloaded anew, and made as large as our own picture of it.

The store keeps renditions, never sources. Who wants to see both side by side asks for this one, and gets it
without loss, through the same guards and walls as every source. One at a time; the last few stay in memory,
and do for some minutes, because whoever compares looks twice. Nothing is written on a row.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import count
from time import monotonic
from typing import Final

from packshot.compress import Compressor
from packshot.download import Downloader
from packshot.models import Encoding, Preset
from packshot.settings import Settings
from packshot.workers import Desk

KEEP_SECONDS: Final = 300
MOST_KEPT: Final = 4  # of some megabytes each
NO_IMAGE: Final = 0  # the folder of no image's attempt
WITHOUT_LOSS: Final = (Encoding("png", None, 3),)


@dataclass(frozen=True, slots=True)
class Original:
    """A source as a PNG; `sha256` is that of the file as it was downloaded."""

    sha256: str
    png: bytes


class Originals:
    """Fetches sources for the eye, each with a downloader and a decoder that are gone afterwards."""

    def __init__(self, settings: Settings, desk: Desk, presets: Sequence[Preset]) -> None:
        self._settings = settings.model_copy(update={"workers": 1})
        self._desk = desk
        self._presets = {preset.name: preset for preset in reversed(presets)}
        self._turn = asyncio.Lock()
        self._numbers = count()
        self._kept: dict[tuple[str, str], tuple[float, Original]] = {}

    async def show(self, url: str, preset_name: str) -> Original:
        """Return the source in the shape of that preset; raise ImageError or ServiceUnavailable."""
        async with self._turn:
            made_at, original = self._kept.pop((url, preset_name), (0.0, None))
            if original is None or monotonic() - made_at > KEEP_SECONDS:
                made_at, original = monotonic(), await self._make(url, preset_name)
            self._kept[url, preset_name] = made_at, original
            for oldest in list(self._kept)[:-MOST_KEPT]:
                del self._kept[oldest]
        return original

    async def _make(self, url: str, preset_name: str) -> Original:
        preset = self._presets.get(preset_name) or list(self._presets.values())[-1]
        wanted = replace(preset, encodings=WITHOUT_LOSS, sharpen=False)
        tools = Downloader(self._settings), Compressor(self._settings, (wanted,))
        async with tools[0] as downloader, tools[1] as compressor:
            with self._desk.job_folder(NO_IMAGE, next(self._numbers)) as folder:
                source = await downloader.download(url, folder / "source")
                compressed = await compressor.compress(folder / "source", folder)
                png = await asyncio.to_thread(compressed.pictures[0].path.read_bytes)
        return Original(source.sha256, png)
