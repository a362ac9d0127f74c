"""Fetches from the test supplier with limits that suit a test; what the download tests share."""

from pathlib import Path
from typing import Any, Final

import pytest

from packshot.download import Downloader
from packshot.errors import ImageError
from packshot.models import Source
from packshot.settings import Settings

HERE: Final = "127.0.0.1"  # the supplier's address, which the tests allow
BOTH_LOOPS: Final = [  # they report broken connections differently
    pytest.param(("asyncio", {"use_uvloop": False}), id="asyncio"),
    pytest.param(("asyncio", {"use_uvloop": True}), id="uvloop"),
]


def downloader(**changes: object) -> Downloader:
    options: dict[str, Any] = {"_env_file": None, "allow_sources": (HERE,), "download_seconds": 5, **changes}
    return Downloader(Settings(**options))


async def fetch(url: str, to: Path, **changes: object) -> Source:
    async with downloader(**changes) as one:
        return await one.download(url, to)


async def failure(url: str, to: Path, **changes: object) -> ImageError:
    """The reason for which no picture comes; fails the test if one does."""
    with pytest.raises(ImageError) as caught:
        await fetch(url, to, **changes)
    return caught.value
