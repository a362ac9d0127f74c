"""When no child can be started, nothing can be written, or a child tells lies."""

import json
import resource
import sys
from pathlib import Path

import pytest
from tests.pictures import jpeg

from packshot import compress
from packshot.compress import Compressor
from packshot.errors import DecoderCrashed, ImageDamaged, PackshotError, ServiceUnavailable
from packshot.models import Encoding, Preset
from packshot.settings import load_settings

PRESETS = (
    Preset("large", 64, (Encoding("avif", 70, 0), Encoding("jpeg", 80, 0))),
    Preset("thumb", 16, (Encoding("jpeg", 80, 0),)),
)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    source = tmp_path / "source"
    source.write_bytes(jpeg())
    return source


def compressor() -> Compressor:
    return Compressor(load_settings(workers=1), PRESETS)


def answering(line: str) -> tuple[str, ...]:
    """Return the command of a child that greets properly and answers every job with that line."""
    child = f"print('ready', flush=True)\nfor line in open(0): print({line!r}, flush=True)"
    return (sys.executable, "-c", child)


async def test_a_full_disk_is_our_trouble_and_not_the_pictures(source: Path, tmp_path: Path) -> None:
    (tmp_path / "large.avif").symlink_to("/dev/full")

    async with compressor() as pool:
        with pytest.raises(ServiceUnavailable, match="No space left"):
            await pool.compress(source, tmp_path)


async def test_a_system_that_can_start_no_process_is_our_trouble(source: Path, tmp_path: Path) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    async with compressor() as pool:
        resource.setrlimit(resource.RLIMIT_NOFILE, (3, hard))
        try:
            with pytest.raises(ServiceUnavailable, match="No decoder process can be started"):
                await pool.compress(source, tmp_path)
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        assert await pool.compress(source, tmp_path)


async def test_an_installation_without_libvips_is_our_trouble(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compress, "COMMAND", (sys.executable, "-c", "import there_is_no_such_module"))

    async with compressor() as pool:
        with pytest.raises(ServiceUnavailable, match="exit status 1"):
            await pool.compress(source, tmp_path)


GOOD = [
    {"preset": preset, "format": format_, "width": 1, "height": 1, "bytes": 1}
    for preset, format_ in (("large", "avif"), ("large", "jpeg"), ("thumb", "jpeg"))
]


@pytest.mark.parametrize(
    "lie",
    [
        "no JSON",
        "[" * 30_000,
        "[]",
        "{}",
        "x" * 70_000,
        json.dumps({"error": "worker_lost", "message": "not for a decoder to say", "debug": ""}),
        json.dumps({"error": "image_damaged"}),
        json.dumps({"width": 1, "height": 1, "pictures": GOOD[:2]}),
        json.dumps({"width": 1, "height": 0, "pictures": GOOD}),
        json.dumps({"width": True, "height": 1, "pictures": GOOD}),
        json.dumps({"width": 1, "height": 1, "pictures": [{**GOOD[0], "preset": "../large"}, *GOOD[1:]]}),
    ],
)
async def test_nonsense_from_a_child_is_not_believed(
    lie: str, source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compress, "COMMAND", answering(lie))

    async with compressor() as pool:
        with pytest.raises(DecoderCrashed):
            await pool.compress(source, tmp_path)


async def test_an_error_of_the_child_is_of_the_kind_it_names(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer = json.dumps({"error": "image_damaged", "message": "m" * 1000, "debug": ""})
    monkeypatch.setattr(compress, "COMMAND", answering(answer))

    async with compressor() as pool:
        with pytest.raises(PackshotError) as caught:
            await pool.compress(source, tmp_path)

    assert type(caught.value) is ImageDamaged
    assert str(caught.value) == "m" * 500
