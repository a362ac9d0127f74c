"""
Whatever a file says or hides, it ends as renditions of a whole picture or with a code, and hurts nobody.

Everything here goes through real decoder children behind their walls.
"""

from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from random import Random
from time import perf_counter
from typing import Any

import pytest
import pyvips
from tests.hostile_pictures import BOMBS, LIES, POLYGLOTS, SCRIPT, VARIANTS, tiff_of_bands
from tests.mutations import flip
from tests.pictures import corners, encode, jpeg, moving, picture

from packshot.compress import Compressor
from packshot.errors import CATALOGUE, ImageError
from packshot.models import Compressed, Encoding, Preset
from packshot.settings import load_settings

CUTS = 64
FLIPS = 64
PRESETS = (Preset("small", 64, (Encoding("jpeg", 80, 0), Encoding("webp", 80, 0)), animated=True),)
DECODE_SECONDS = 20
FASTEST: dict[str, dict[str, Any]] = {"webp": {"lossless": True, "effort": 0}, "png": {"compression": 1}}
TAKEN_OR_NOT = ("ready", "image_damaged", "image_profile_too_large", "decode_out_of_memory")


@pytest.fixture(scope="module")
async def compressor() -> AsyncIterator[Compressor]:
    settings = load_settings(workers=1, decode_seconds=DECODE_SECONDS)
    async with Compressor(settings, PRESETS) as compressor:
        yield compressor


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path


async def made(compressor: Compressor, data: bytes, folder: Path) -> Compressed:
    (folder / "source").write_bytes(data)
    return await compressor.compress(folder / "source", folder)


async def end(compressor: Compressor, data: bytes, folder: Path) -> str:
    """Say how the file ends: "ready", or with which code."""
    try:
        await made(compressor, data, folder)
    except ImageError as error:
        return error.code
    return "ready"


@pytest.mark.parametrize("variant", VARIANTS)
async def test_a_file_that_is_cut_never_becomes_a_picture(
    compressor: Compressor, variant: str, folder: Path
) -> None:
    data = VARIANTS[variant]
    places = {len(data) * number // CUTS for number in range(CUTS)} | {len(data) - 1, len(data) - 2}

    ends = {place: await end(compressor, data[:place], folder) for place in sorted(places)}

    assert [place for place, code in ends.items() if code not in ("image_damaged", "not_an_image")] == []


@pytest.mark.parametrize("variant", VARIANTS)
async def test_flipped_bits_end_with_a_picture_or_a_code_and_never_with_a_crash(
    compressor: Compressor, variant: str, folder: Path
) -> None:
    chance = Random(variant)  # noqa: S311 - must be repeatable
    assert await end(compressor, VARIANTS[variant], folder) == "ready"

    ends = Counter([await end(compressor, flip(VARIANTS[variant], chance), folder) for _ in range(FLIPS)])

    assert ends.keys() <= {"ready", *CATALOGUE} - {"decoder_crashed", "decode_timeout"}


@pytest.mark.parametrize("lie", LIES)
async def test_a_header_that_lies_is_refused_before_anything_is_decoded(
    compressor: Compressor, lie: str, folder: Path
) -> None:
    started = perf_counter()

    code = await end(compressor, LIES[lie], folder)

    assert code in ("image_too_many_pixels", "image_side_too_long", "image_damaged")
    assert perf_counter() - started < 2


@pytest.mark.parametrize("bomb", BOMBS)
async def test_a_bomb_ends_in_time_and_memory(compressor: Compressor, bomb: str, folder: Path) -> None:
    data, expected = BOMBS[bomb]

    code = await end(compressor, data, folder)

    assert code == expected or (
        not expected and code in ("ready", "image_damaged", "image_profile_too_large")
    )
    assert await end(compressor, jpeg(), folder) == "ready"


@pytest.mark.parametrize("polyglot", POLYGLOTS)
async def test_what_hides_in_a_picture_does_not_come_out(
    compressor: Compressor, polyglot: str, folder: Path
) -> None:
    try:
        pictures = (await made(compressor, POLYGLOTS[polyglot], folder)).pictures
    except ImageError:
        return

    for rendition in pictures:
        assert SCRIPT not in rendition.path.read_bytes()
    assert [rendition.path.read_bytes()[:4] for rendition in pictures] in (
        [b"\xff\xd8\xff\xdb", b"RIFF"],
        [b"\xff\xd8\xff\xe1", b"RIFF"],  # with whose picture it is
    )


async def test_a_picture_in_a_hundred_channels_is_refused(tmp_path: Path) -> None:
    settings = load_settings(workers=1, extra_formats="tiff")
    async with Compressor(settings, PRESETS) as compressor:
        assert await end(compressor, tiff_of_bands(100), tmp_path) == "image_too_many_bands"
        assert await end(compressor, encode(picture(), "tiff"), tmp_path) == "ready"


@pytest.mark.parametrize("format_", ["gif", "webp"])
async def test_an_animation_goes_on_moving_where_a_preset_says_so(
    compressor: Compressor, format_: str, folder: Path
) -> None:
    still, moved = (await made(compressor, moving(format_), folder)).pictures

    image = pyvips.Image.new_from_file(str(moved.path), n=-1)
    assert (moved.width, moved.height) == (still.width, still.height) == (64, 43)
    assert (image.get("n-pages"), image.get("page-height"), image.get("delay")) == (3, 43, [100] * 3)
    frames = [corners(image.crop(0, 43 * number, 64, 43)) for number in range(3)]
    assert (frames[0], frames[2]) == ("RGBW", "WBGR")
    assert corners(pyvips.Image.new_from_file(str(still.path))) == "RGBW"


async def test_an_animation_that_goes_on_moving_is_counted_with_all_its_frames(tmp_path: Path) -> None:
    settings = load_settings(workers=1, max_pixels=3 * 96 * 64 - 1)
    async with Compressor(settings, PRESETS) as compressor:
        assert await end(compressor, moving("gif"), tmp_path) == "image_too_many_pixels"


async def test_an_animation_that_becomes_a_still_is_counted_with_its_first_frame(tmp_path: Path) -> None:
    settings = load_settings(workers=1, max_pixels=96 * 64)
    async with Compressor(settings, (Preset("still", 64, (Encoding("webp", 80, 0),)),)) as compressor:
        assert await end(compressor, moving("gif"), tmp_path) == "ready"


@pytest.mark.parametrize("format_", ["webp", "png", "jpeg", "gif", "avif"])
async def test_a_large_picture_needs_no_file_to_be_put_aside_in(
    compressor: Compressor, format_: str, folder: Path
) -> None:
    large = picture(6_200, 6_200)

    assert await end(compressor, encode(large, format_, **FASTEST.get(format_, {})), folder) == "ready"


async def test_an_animated_avif_gives_its_first_frame(compressor: Compressor, folder: Path) -> None:
    data = encode(picture(), "avif")
    calls_itself_a_sequence = data[:8] + b"avis" + data[12:]

    assert await end(compressor, calls_itself_a_sequence, folder) == "ready"
