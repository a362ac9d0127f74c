"""What arrives from a URL, and how much of it, from a server with bad habits."""

import asyncio
import hashlib
import tracemalloc
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.fetching import BOTH_LOOPS, downloader, failure, fetch
from tests.supplier import JPEG_BEGINS, PICTURE, Supplier

from packshot.errors import (
    FormatUnsupported,
    NotAnImage,
    SourceTimeout,
    SourceTooLarge,
    SourceTooSlow,
    SourceTruncated,
)
from packshot.models import Source

VIDEO = b"\0\0\0\x18ftypisom\0\0\2\0isomiso2" + b"\0" * 100_000


@pytest.fixture(params=BOTH_LOOPS)
def anyio_backend(request: pytest.FixtureRequest) -> object:
    return request.param


@pytest.fixture
async def supplier() -> AsyncIterator[Supplier]:
    async with Supplier() as supplier:
        supplier.files["/shoe.png"] = PICTURE
        yield supplier


@pytest.fixture
def to(tmp_path: Path) -> Path:
    return tmp_path / "source"


async def test_a_picture_arrives_whole_and_with_its_facts(supplier: Supplier, to: Path) -> None:
    source = await fetch(supplier.url("/shoe.png"), to)

    assert to.read_bytes() == PICTURE
    assert source == Source(hashlib.sha256(PICTURE).hexdigest(), len(PICTURE), "png")


async def test_the_next_picture_comes_over_the_same_connection(supplier: Supplier, to: Path) -> None:
    async with downloader() as one:
        await one.download(supplier.url("/shoe.png"), to)
        await one.download(supplier.url("/chain/1"), to)

    assert supplier.connections == 1


async def test_the_content_decides_and_not_the_name_or_the_header(supplier: Supplier, to: Path) -> None:
    supplier.files["/shoe.html"] = JPEG_BEGINS
    supplier.content_types["/shoe.html"] = "text/html"

    assert (await fetch(supplier.url("/shoe.html"), to)).format == "jpeg"


async def test_a_web_page_that_calls_itself_a_picture_is_refused(supplier: Supplier, to: Path) -> None:
    supplier.files["/shoe.jpg"] = b"<!DOCTYPE html><title>Please log in</title>"
    supplier.content_types["/shoe.jpg"] = "image/jpeg"

    assert isinstance(await failure(supplier.url("/shoe.jpg"), to), NotAnImage)


async def test_a_picture_of_another_format_is_refused_by_name(supplier: Supplier, to: Path) -> None:
    supplier.files["/shoe.jpg"] = b"\0\0\0\x18ftypheic\0\0\0\0mif1heic"

    error = await failure(supplier.url("/shoe.jpg"), to)

    assert isinstance(error, FormatUnsupported)
    assert "a HEIC picture" in str(error)


async def test_a_format_that_is_switched_on_is_fetched(supplier: Supplier, to: Path) -> None:
    supplier.files["/shoe.tiff"] = b"II*\0" + bytes(100)
    url = supplier.url("/shoe.tiff")

    assert isinstance(await failure(url, to), FormatUnsupported)
    assert (await fetch(url, to, extra_formats=("tiff",))).format == "tiff"


async def test_a_video_is_recognised_before_its_length_matters(supplier: Supplier, to: Path) -> None:
    supplier.files["/shoe.mp4"] = VIDEO

    assert isinstance(await failure(supplier.url("/shoe.mp4"), to, max_source_bytes=70_000), NotAnImage)
    assert not to.exists()


@pytest.mark.parametrize("path", ["/empty", "/status/204"])
async def test_nothing_is_not_a_picture(supplier: Supplier, to: Path, path: str) -> None:
    supplier.files["/empty"] = b""

    assert isinstance(await failure(supplier.url(path), to), NotAnImage)


async def test_a_server_that_compresses_anyway_is_understood(supplier: Supplier, to: Path) -> None:
    await fetch(supplier.url("/gzip"), to)

    assert to.read_bytes() == PICTURE


@pytest.mark.parametrize(
    ("sent", "asked"),
    [
        ("/shoe.png?sig=a%2Bb%2c%3D&e=(1),'2'", "/shoe.png?sig=a%2Bb%2c%3D&e=(1),'2'"),
        ("/shoe.png?farbe=grün", "/shoe.png?farbe=gr%C3%BCn"),
        ("/x/../shoe.png", "/x/../shoe.png"),
        ("?q", "/?q"),
    ],
)
async def test_a_url_goes_over_the_wire_as_it_was_written(
    supplier: Supplier, to: Path, sent: str, asked: str
) -> None:
    async with downloader() as one:
        await asyncio.gather(one.download(supplier.url(sent), to), return_exceptions=True)

    assert supplier.requests[0].target == asked


async def test_we_say_who_we_are_and_what_we_want(supplier: Supplier, to: Path) -> None:
    await fetch(supplier.url("/shoe.png"), to)

    headers = supplier.requests[0].headers
    assert headers["User-Agent"].startswith("Packshot/")
    assert headers["Accept-Encoding"] == "identity"
    assert all(f"image/{kind}" in headers["Accept"] for kind in ("jpeg", "png", "webp", "gif", "avif"))


async def test_a_cookie_is_not_brought_back(supplier: Supplier, to: Path) -> None:
    await fetch(supplier.url("/redirect?to=/shoe.png"), to)

    assert [request.headers.get("Cookie") for request in supplier.requests] == [None, None]


async def test_the_proxy_of_our_environment_is_not_used(
    supplier: Supplier, to: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")

    assert await fetch(supplier.url("/shoe.png"), to)


async def test_as_many_bytes_as_allowed_pass_and_one_more_does_not(supplier: Supplier, to: Path) -> None:
    url = supplier.url("/shoe.png")

    assert await fetch(url, to, max_source_bytes=len(PICTURE))
    assert isinstance(await failure(url, to, max_source_bytes=len(PICTURE) - 1), SourceTooLarge)


async def test_a_server_that_announces_too_much_is_not_listened_to(supplier: Supplier, to: Path) -> None:
    assert isinstance(await failure(supplier.url("/monster"), to), SourceTooLarge)
    assert not to.exists()


async def test_bytes_are_counted_whatever_was_announced(supplier: Supplier, to: Path) -> None:
    assert isinstance(await failure(supplier.url("/endless"), to, max_source_bytes=100_000), SourceTooLarge)


async def test_what_a_bomb_unpacks_to_is_counted_too(supplier: Supplier, to: Path) -> None:
    assert isinstance(await failure(supplier.url("/bomb"), to, max_source_bytes=1_000_000), SourceTooLarge)


@pytest.mark.parametrize("path", ["/endless", "/bomb"])
async def test_a_source_is_never_whole_in_memory(supplier: Supplier, to: Path, path: str) -> None:
    tracemalloc.start()
    await failure(supplier.url(path), to, max_source_bytes=4_900_000)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert to.stat().st_size > 4_700_000
    assert peak < 2_500_000


async def test_a_server_that_thinks_for_ever_runs_out_of_time(supplier: Supplier, to: Path) -> None:
    error = await failure(supplier.url("/hang"), to, download_seconds=0.1)

    assert isinstance(error, SourceTimeout)
    assert "after 0.1 seconds" in str(error)


async def test_nobody_waits_for_somebody_elses_server(supplier: Supplier, to: Path) -> None:
    async with downloader() as one, asyncio.TaskGroup() as group:
        hanging = [group.create_task(one.download(supplier.url("/hang"), to)) for _ in range(100)]
        assert await group.create_task(one.download(supplier.url("/shoe.png"), to))
        for download in hanging:
            download.cancel()


async def test_headers_that_drip_run_out_of_time(supplier: Supplier, to: Path) -> None:
    assert isinstance(await failure(supplier.url("/slow-headers"), to, download_seconds=0.1), SourceTimeout)


@pytest.mark.parametrize("path", ["/hang", "/slow-headers", "/hints", "/redirect?to=/hang"])
async def test_the_beginning_of_an_answer_has_a_limit_of_its_own(
    supplier: Supplier, to: Path, path: str
) -> None:
    error = await failure(supplier.url(path), to, answer_seconds=0.1, download_seconds=60)

    assert isinstance(error, SourceTimeout)
    assert str(error) == "127.0.0.1 had not begun to answer after 0.1 seconds."


async def test_each_redirect_may_take_as_long_as_the_first(supplier: Supplier, to: Path) -> None:
    supplier.delays.update({f"/chain/{left}": 0.2 for left in range(4)})

    assert await fetch(supplier.url("/chain/3"), to, answer_seconds=0.6)


async def test_time_runs_through_all_redirects(supplier: Supplier, to: Path) -> None:
    supplier.delays.update({f"/chain/{left}": 0.06 for left in range(6)})

    assert isinstance(await failure(supplier.url("/chain/5"), to, download_seconds=0.2), SourceTimeout)


@pytest.mark.parametrize("path", ["/drip", "/stall"])
async def test_a_drip_is_dropped_long_before_time_is_up(supplier: Supplier, to: Path, path: str) -> None:
    error = await failure(supplier.url(path), to, download_seconds=0.8)

    assert isinstance(error, SourceTooSlow)
    assert "fewer than 1000 bytes per second" in str(error)


async def test_a_slow_source_that_keeps_coming_is_waited_for(supplier: Supplier, to: Path) -> None:
    assert await fetch(supplier.url("/steady"), to, download_seconds=2)


async def test_without_a_minimum_speed_only_the_whole_time_counts(supplier: Supplier, to: Path) -> None:
    error = await failure(supplier.url("/drip"), to, download_seconds=0.2, min_bytes_per_second=0)

    assert "after 0.2 seconds" in str(error)


@pytest.mark.parametrize("path", ["/too-short", "/cut-chunk"])
async def test_a_file_that_breaks_off_is_not_taken_for_whole(supplier: Supplier, to: Path, path: str) -> None:
    assert isinstance(await failure(supplier.url(path), to), SourceTruncated)
