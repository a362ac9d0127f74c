"""Whatever a server does, the download ends soon, with a code that says what it was, and harms nobody."""

import asyncio
import gc
import time
import tracemalloc
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

import pytest
from tests.bad_answers import BAD_ANSWERS
from tests.fetching import BOTH_LOOPS, downloader
from tests.supplier import PICTURE, Supplier

from packshot.body import CHUNK_BYTES
from packshot.errors import ImageError, SourceTruncated

LIMITS: Final[dict[str, Any]] = {
    "answer_seconds": 0.6,
    "download_seconds": 2.4,  # a quarter of it is the patience with slow bodies
    "max_source_bytes": 1_000_000,
    "max_redirects": 20,
}
LONGEST_SECONDS: Final = 3.5
MOST_MEMORY: Final = 8_000_000  # what the test itself sends included

HABITS: Final = {
    "/hang": "source_timeout",
    "/slow-headers": "source_timeout",
    "/hints": "source_timeout",
    "/drip": "source_too_slow",
    "/stall": "source_too_slow",
    "/speed/600": "source_too_slow",
    "/speed/1200": "source_timeout",
    "/too-long": "source_not_http",
    "/too-short": "source_truncated",
    "/circle/a": "too_many_redirects",
    "/chain/1000": "too_many_redirects",
    "/away/0": "too_many_redirects",
    "/endless": "source_too_large",
    "/monster": "source_too_large",
    "/bomb": "source_too_large",
}
BAD: Final = {
    **{f"/answer/{quote(name, '')}": answer.code for name, answer in BAD_ANSWERS.items()},
    **HABITS,
}


@pytest.fixture(params=BOTH_LOOPS)
def anyio_backend(request: pytest.FixtureRequest) -> object:
    return request.param


@pytest.fixture
async def supplier() -> AsyncIterator[Supplier]:
    async with Supplier(files={"/shoe.png": PICTURE, "/large": PICTURE + bytes(1_000_000)}) as supplier:
        yield supplier


def readers() -> int:
    """How many bodies are in memory."""
    gc.collect()
    return sum(type(thing).__name__ == "StreamReader" for thing in gc.get_objects())


@pytest.mark.parametrize(("path", "code"), BAD.items(), ids=BAD)
async def test_a_server_that_misbehaves_ends_soon_with_its_code(
    supplier: Supplier, tmp_path: Path, caplog: pytest.LogCaptureFixture, path: str, code: str
) -> None:
    async with downloader(**LIMITS) as one:
        began = time.monotonic()
        with pytest.raises(ImageError) as caught:
            await one.download(supplier.url(path), tmp_path / "bad")
        took = time.monotonic() - began

        assert await one.download(supplier.url("/shoe.png"), tmp_path / "good")
    assert caught.value.code == code, caught.value
    assert took < LONGEST_SECONDS
    assert caplog.messages == []


async def test_a_connection_that_is_reset_leaves_nothing_in_the_log(
    supplier: Supplier, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with downloader(**LIMITS) as one:
        with pytest.raises(SourceTruncated):
            await one.download(supplier.url(f"/answer/{quote('less, rudely')}"), tmp_path / "bad")
    gc.collect()

    assert caplog.messages == []


@pytest.mark.parametrize("path", [path for path in BAD if "end" in path or "bomb" in path])
async def test_however_much_a_server_sends_little_of_it_is_in_memory(
    supplier: Supplier, tmp_path: Path, path: str
) -> None:
    async with downloader(**LIMITS) as one:
        tracemalloc.start()
        with pytest.raises(ImageError):
            await one.download(supplier.url(path), tmp_path / "bad")
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()

    assert most < MOST_MEMORY


async def test_others_have_their_turn_while_a_file_of_megabytes_is_unpacked(
    supplier: Supplier, tmp_path: Path
) -> None:
    to, most = tmp_path / "large", 0
    async with downloader() as one:
        large = asyncio.create_task(one.download(supplier.url("/bomb"), to))
        seen = 0
        while not large.done():
            await asyncio.sleep(0)
            now = to.stat().st_size if to.exists() else 0
            most, seen = max(most, now - seen), now

    assert large.result().bytes > 5_000_000
    assert most <= 2 * CHUNK_BYTES


async def test_downloads_on_one_connection_leave_nothing_behind(supplier: Supplier, tmp_path: Path) -> None:
    before = readers()
    async with downloader() as one:
        for _ in range(20):
            await one.download(supplier.url("/large"), tmp_path / "good")
        left = readers() - before

    assert supplier.connections == 1
    assert left < 5  # the supplier has one as well


async def test_a_good_picture_comes_while_everybody_else_misbehaves(
    supplier: Supplier, tmp_path: Path
) -> None:
    async with downloader() as one:
        urls = [supplier.url(path) for path in BAD]
        others = [asyncio.create_task(one.download(url, tmp_path / f"{n}")) for n, url in enumerate(urls)]
        good = await one.download(supplier.url("/shoe.png"), tmp_path / "good")
        for other in others:
            other.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    assert good.bytes == len(PICTURE)
