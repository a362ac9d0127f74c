"""
A pipeline for tests: all rooms are real; only the download and the decoder are small stand-ins.

What a URL ends with is what it serves, so that two URLs with the same end are twins.
"""

import asyncio
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path
from typing import Final, Protocol

from packshot.making import Compress
from packshot.models import Compressed, Encoding, Picture, Preset, Source
from packshot.pipeline import Pipeline
from packshot.politeness import Download
from packshot.stores import Store

PRESETS: Final = (
    Preset("large", 1600, (Encoding("avif", 70, 0), Encoding("jpeg", 80, 0))),
    Preset("small", 160, (Encoding("avif", 70, 0),)),
)


async def download(url: str, to: Path) -> Source:
    """Serve what the URL ends with."""
    data = url.rsplit("/", 1)[-1].encode()
    to.write_bytes(data)
    return Source(sha256(data).hexdigest(), len(data), "png")


async def compress(source: Path, folder: Path, presets: Sequence[Preset]) -> Compressed:
    """A rendition is the source and the name of the preset."""
    pictures = []
    for preset in presets:
        for encoding in preset.encodings:
            file = folder / f"{preset.name}.{encoding.format}"
            file.write_bytes(source.read_bytes() + preset.name.encode())
            pictures.append(Picture(preset.name, encoding.format, 8, 6, file.stat().st_size, file))
    return Compressed(80, 60, tuple(pictures))


class Kitchen:
    """A compress that counts its calls, and waits in each until it is let go on."""

    def __init__(self) -> None:
        self.calls = 0
        self.may_go_on = asyncio.Event()
        self.called = asyncio.Condition()

    async def __call__(self, source: Path, folder: Path, presets: Sequence[Preset]) -> Compressed:
        async with self.called:
            self.calls += 1
            self.called.notify_all()
        await self.may_go_on.wait()
        return await compress(source, folder, presets)

    async def was_called(self, times: int) -> None:
        """Return once there have been that many calls."""
        async with asyncio.timeout(10), self.called:
            await self.called.wait_for(lambda: self.calls == times)


def failing(error: Exception) -> Download:
    async def fail(_: str, __: Path) -> Source:
        raise error

    return fail


class MakePipeline(Protocol):
    """Builds a pipeline in which some rooms are other ones."""

    def __call__(
        self, download: Download = download, compress: Compress = compress, store: Store | None = None
    ) -> Pipeline:
        """Return it."""
