"""The pool of decoder children, with real processes that are stopped, killed and starved."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import psutil
import pytest
from tests.children import MEGABYTE, PRESETS, children, compressor
from tests.pictures import encode, jpeg, photo, picture

from packshot.compress import Compressor
from packshot.errors import (
    DecodeOutOfMemory,
    DecoderCrashed,
    DecodeTimeout,
    ImageDamaged,
    ImageTooManyPixels,
)
from packshot.models import Encoding, Preset
from packshot.settings import cores, load_settings


@pytest.fixture(scope="module", params=[False, True], ids=["asyncio", "uvloop"])
def anyio_backend(request: pytest.FixtureRequest) -> tuple[str, dict[str, bool]]:
    """Both event loops, because each has its own way with processes."""
    return ("asyncio", {"use_uvloop": request.param})


@pytest.fixture
def source(tmp_path: Path) -> Path:
    source = tmp_path / "source"
    source.write_bytes(jpeg())
    return source


@contextmanager
def frozen(child: psutil.Process) -> Iterator[None]:
    """Stop the child, so that it is certainly at work on whatever it is given."""
    child.suspend()
    try:
        yield
    finally:
        if child.is_running():
            child.resume()


async def test_a_file_becomes_renditions_in_the_order_of_the_presets(source: Path, tmp_path: Path) -> None:
    async with compressor() as pool:
        compressed = await pool.compress(source, tmp_path)

    assert (compressed.width, compressed.height) == (96, 64)
    made = [
        (p.preset, p.format, p.width, p.height, p.path.stat().st_size == p.bytes) for p in compressed.pictures
    ]
    assert made == [
        ("large", "avif", 64, 43, True),
        ("large", "jpeg", 64, 43, True),
        ("thumb", "jpeg", 16, 11, True),
    ]


async def test_only_those_renditions_are_made_that_are_asked_for(source: Path, tmp_path: Path) -> None:
    large, thumb = PRESETS
    async with compressor() as pool:
        everything = (await pool.compress(source, tmp_path)).pictures
        bytes_of_all = {(one.preset, one.format): one.path.read_bytes() for one in everything}
        some = (
            await pool.compress(source, tmp_path, [replace(large, encodings=large.encodings[1:]), thumb])
        ).pictures

    assert [(one.preset, one.format) for one in some] == [("large", "jpeg"), ("thumb", "jpeg")]
    assert bytes_of_all[("large", "jpeg")] == some[0].path.read_bytes()


async def test_two_children_make_the_same_bytes(source: Path, tmp_path: Path) -> None:
    source.write_bytes(encode(photo(), "png"))
    async with compressor(jobs_per_child=1) as pool:
        first = [p.path.read_bytes() for p in (await pool.compress(source, tmp_path)).pictures]
        again = [p.path.read_bytes() for p in (await pool.compress(source, tmp_path)).pictures]

    assert first == again


async def test_a_child_sees_each_file_as_it_is_now(source: Path, tmp_path: Path) -> None:
    async with compressor() as pool:
        assert (await pool.compress(source, tmp_path)).width == 96
        source.write_bytes(jpeg(30, 20))
        assert (await pool.compress(source, tmp_path)).width == 30


async def test_what_is_wrong_with_a_picture_is_told_in_our_words(source: Path, tmp_path: Path) -> None:
    source.write_bytes(encode(photo(), "jpeg")[:-500])
    async with compressor() as pool:
        with pytest.raises(ImageDamaged, match="incomplete: only its upper"):
            await pool.compress(source, tmp_path)

        source.write_bytes(jpeg())
        assert await pool.compress(source, tmp_path)


async def test_the_limit_of_pixels_is_the_setting(source: Path, tmp_path: Path) -> None:
    async with compressor(max_pixels=96 * 64 - 1) as pool:
        with pytest.raises(ImageTooManyPixels):
            await pool.compress(source, tmp_path)


async def test_relative_paths_are_ours_not_the_childs(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    async with compressor() as pool:
        compressed = await pool.compress(Path(source.name), Path())

    assert [p.path.stat().st_size for p in compressed.pictures] == [p.bytes for p in compressed.pictures]


async def test_the_first_child_is_there_from_the_start_and_takes_the_first_picture(
    source: Path, tmp_path: Path
) -> None:
    async with compressor(workers=100) as pool:
        first = children()
        await pool.compress(source, tmp_path)

        assert len(first) == 1
        assert children() == first


async def test_there_are_no_more_children_than_workers_and_cores(source: Path, tmp_path: Path) -> None:
    for workers, expected in ((1, 1), (100, cores())):
        async with compressor(workers=workers) as pool:
            await asyncio.gather(*(pool.compress(source, tmp_path) for _ in range(2 * cores())))
            assert len(children()) == expected


async def test_who_comes_again_and_again_lets_others_have_their_turn(source: Path, tmp_path: Path) -> None:
    turns: list[str] = []

    async def visit(name: str) -> None:
        folder = tmp_path / name
        folder.mkdir()
        for _ in range(3):
            await pool.compress(source, folder)
            turns.append(name)

    async with compressor() as pool:
        await asyncio.gather(visit("one"), visit("other"))

    assert turns[:4] == ["one", "other", "one", "other"]


async def test_a_killed_child_costs_one_picture_and_spares_the_one_that_waits(
    source: Path, tmp_path: Path
) -> None:
    async with compressor() as pool:
        await pool.compress(source, tmp_path)
        (child,) = children()
        with frozen(child):
            victim = asyncio.create_task(pool.compress(source, tmp_path))
            waiting = asyncio.create_task(pool.compress(source, tmp_path))
            await asyncio.sleep(0)
            child.kill()

            with pytest.raises(DecoderCrashed, match="SIGKILL"):
                await victim
        assert await waiting
        assert children() != [child]


async def test_a_child_that_died_at_rest_costs_nothing(source: Path, tmp_path: Path) -> None:
    async with compressor() as pool:
        await pool.compress(source, tmp_path)
        (child,) = children()
        child.kill()
        while psutil.pid_exists(child.pid):  # noqa: ASYNC110 - no event tells that it was buried
            await asyncio.sleep(0.001)

        assert await pool.compress(source, tmp_path)


async def test_a_child_that_takes_too_long_is_killed_and_replaced(source: Path, tmp_path: Path) -> None:
    async with compressor(decode_seconds=0.3) as pool:
        await pool.compress(source, tmp_path)
        (child,) = children()
        with frozen(child), pytest.raises(DecodeTimeout, match=r"longer than 0\.3 seconds"):
            await pool.compress(source, tmp_path)

        assert not child.is_running()
        assert await pool.compress(source, tmp_path)


async def test_a_cancelled_picture_leaves_no_late_answer_behind(source: Path, tmp_path: Path) -> None:
    async with compressor() as pool:
        await pool.compress(source, tmp_path)
        (child,) = children()
        with frozen(child):
            cancelled = asyncio.create_task(pool.compress(source, tmp_path))
            await asyncio.sleep(0)
            cancelled.cancel()
            with pytest.raises(asyncio.CancelledError):
                await cancelled
        assert not child.is_running()

        source.write_bytes(encode(picture(30, 20), "png"))
        assert (await pool.compress(source, tmp_path)).width == 30


async def test_a_child_is_replaced_after_its_share_of_jobs(source: Path, tmp_path: Path) -> None:
    pids = []
    async with compressor(jobs_per_child=2) as pool:
        for _ in range(3):
            await pool.compress(source, tmp_path)
            pids += [child.pid for child in children()]

    assert len(pids) == 2  # after the second job the first child is gone
    assert pids[0] != pids[1]


async def test_a_picture_cannot_take_all_memory(source: Path, tmp_path: Path) -> None:
    deep = (picture(3000, 3000).cast("ushort") * 257).cast("ushort").copy(interpretation="rgb16")
    source.write_bytes(encode(deep, "png", interlace=True, compression=1))

    async with compressor(decode_memory_bytes=220 * MEGABYTE) as pool:
        with pytest.raises(DecodeOutOfMemory):
            await pool.compress(source, tmp_path)
        source.write_bytes(jpeg())
        assert await pool.compress(source, tmp_path)


async def test_closing_leaves_no_child_behind(source: Path, tmp_path: Path) -> None:
    async with compressor(workers=2) as pool:
        await asyncio.gather(*(pool.compress(source, tmp_path) for _ in range(2)))
        left = children()
        left[0].suspend()

    assert left
    assert not [child for child in left if child.is_running()]


@pytest.mark.parametrize("megabytes", [340, 380, 480, 580])
async def test_wherever_memory_runs_out_it_is_called_so(megabytes: int, source: Path, tmp_path: Path) -> None:
    large = (Preset("large", 5000, (Encoding("jpeg", 80, 0), Encoding("avif", 70, 0))),)
    source.write_bytes(encode(picture(5000, 3000), "png", compression=1))
    settings = load_settings(workers=1, decode_memory_bytes=megabytes * MEGABYTE)

    async with Compressor(settings, large) as pool:
        with pytest.raises(DecodeOutOfMemory):
            await pool.compress(source, tmp_path)
