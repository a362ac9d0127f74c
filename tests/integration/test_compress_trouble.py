"""When no child can be started, nothing can be written, or a child tells lies."""

import json
import resource
import sys
from math import inf, nan
from pathlib import Path
from typing import Any, Final

import pytest
from tests.pictures import jpeg

from packshot.compress import Compressor
from packshot.errors import ConfigError, DecoderCrashed, ImageDamaged, PackshotError, ServiceUnavailable
from packshot.models import Encoding, Facts, Preset
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
    """Return the command of a child that greets, and answers with a byte in each file and that line."""
    child = f"""
import os, socket
jobs = socket.socket(fileno=0)
print('{{"seccomp": true, "landlock": 1, "unprivileged": true}}', flush=True)
while (job := socket.recv_fds(jobs, 65536, 64))[0]:
    for file in job[1][1:]:
        os.write(file, b"x")
    print({line!r}, flush=True)
"""
    return (sys.executable, "-c", child)


async def test_a_full_disk_is_our_trouble_and_not_the_pictures(source: Path, tmp_path: Path) -> None:
    (tmp_path / "large.avif").symlink_to("/dev/full")

    async with compressor() as pool:
        with pytest.raises(ServiceUnavailable, match="No space left"):
            await pool.compress(source, tmp_path)


async def test_a_system_that_can_start_no_process_is_our_trouble(source: Path, tmp_path: Path) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    async with compressor() as pool:
        await pool._children[0].stop()  # noqa: SLF001 - else there would be one already
        resource.setrlimit(resource.RLIMIT_NOFILE, (3, hard))
        try:
            with pytest.raises(ServiceUnavailable):
                await pool.compress(source, tmp_path)
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        assert await pool.compress(source, tmp_path)


async def test_an_installation_without_libvips_stops_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("packshot.child.COMMAND", (sys.executable, "-c", "import there_is_no_such_module"))

    with pytest.raises(ConfigError, match="exit status 1"):
        await compressor().__aenter__()


async def test_a_child_that_is_silent_stops_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("packshot.child.COMMAND", (sys.executable, "-c", "open(0).read()"))
    monkeypatch.setattr("packshot.child.START_SECONDS", 0.1)

    with pytest.raises(ConfigError, match="No decoder process can be started: it is silent"):
        await compressor().__aenter__()


KEEPING = """
import json, os, socket
jobs, kept = socket.socket(fileno=0), []
print("{}", flush=True)
while (job := socket.recv_fds(jobs, 65536, 64))[0]:
    refused = 0
    for sheet in kept:
        try:
            os.pwrite(sheet, b"evil", 0)
        except OSError:
            refused += 1
    kept = job[1][1:]
    for sheet in kept:
        os.write(sheet, b"x")
    print(json.dumps({"width": 1 + refused, "height": 1, "pictures": PICTURES}), flush=True)
"""


async def test_what_a_child_keeps_cannot_change_what_is_published(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It keeps the sheets of a job, and writes on them when the next one comes."""
    keeping = KEEPING.replace("PICTURES", repr(GOOD))
    monkeypatch.setattr("packshot.child.COMMAND", (sys.executable, "-c", keeping))
    (tmp_path / "later").mkdir()

    async with compressor() as pool:
        first = await pool.compress(source, tmp_path)
        refused = (await pool.compress(source, tmp_path / "later")).width - 1

    assert refused == len(first.pictures)
    assert [picture.path.read_bytes() for picture in first.pictures] == [b"x"] * 3


async def test_a_child_that_refuses_to_work_stops_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    refusing = (sys.executable, "-c", """print('{"refused": "libvips is too old"}', flush=True)""")
    monkeypatch.setattr("packshot.child.COMMAND", refusing)

    with pytest.raises(ConfigError, match="does not start: libvips is too old"):
        await compressor().__aenter__()


async def test_a_wall_that_is_missing_is_missed(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    greeting = (
        """print('{"libvips": "8.18.7", "landlock": 0, "seccomp": true, "unprivileged": true}', flush=True)"""
    )
    monkeypatch.setattr("packshot.child.COMMAND", (sys.executable, "-c", f"{greeting}\nopen(0).read()"))

    async with compressor():
        pass

    (warning,) = (record for record in caplog.records if record.levelname == "WARNING")
    assert warning.__dict__["missing"] == ["landlock"]


GOOD: Final[list[dict[str, Any]]] = [
    {"preset": preset, "format": format_, "width": 1, "height": 1, "bytes": 1}
    for preset, format_ in (("large", "avif"), ("large", "jpeg"), ("thumb", "jpeg"))
]


FACTS: Final[dict[str, Any]] = {
    "colour": "#a0b0c0",
    "placeholder": "3OcRJYB4d3h/iIeHeEh3eIhw+j2w",
    "has_transparency": False,
    "whiteness": 1,
    "sharpness": 0.5,
}


async def test_an_answer_that_makes_sense_is_believed(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    best = {**GOOD[0], "quality": 62, "score": 80.5}
    answer = json.dumps({"width": 1, "height": 1, "pictures": [best, *GOOD[1:]], "facts": FACTS})
    monkeypatch.setattr("packshot.child.COMMAND", answering(answer))

    async with compressor() as pool:
        compressed = await pool.compress(source, tmp_path)

    first, second, _ = compressed.pictures
    assert (compressed.width, first.quality, first.score) == (1, 62, 80.5)
    assert (second.quality, second.score) == (None, None)
    assert compressed.facts == Facts(**FACTS)


@pytest.mark.parametrize(("wanted", "stand_in"), [(0, "webp"), (1, "png"), (2, "png")])
async def test_a_child_may_choose_the_format_that_stands_in_for_another(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, wanted: int, stand_in: str
) -> None:
    pictures = [one | ({"format": stand_in} if at == wanted else {}) for at, one in enumerate(GOOD)]
    answer = json.dumps({"width": 1, "height": 1, "pictures": pictures})
    monkeypatch.setattr("packshot.child.COMMAND", answering(answer))

    async with compressor() as pool:
        compressed = await pool.compress(source, tmp_path)

    assert compressed.pictures[wanted].format == stand_in


LIES: Final[list[dict[str, Any]]] = [
    *({"quality": quality} for quality in (0, 101, 62.5, True, "62")),
    *({"score": score} for score in (100.1, -10_001, inf, -inf, nan, True, "80")),
    *({"format": format_} for format_ in ("png", "jpeg", "gif", None)),
]
LIES_OF_FACTS: Final[list[dict[str, Any]]] = [
    *({"colour": colour} for colour in ("red", "#A0B0C0", "#a0b0c0\n", "#a0b0c0;", None)),
    *({"placeholder": placeholder} for placeholder in ("", "<b>", "A" * 64, 7)),
    *({"has_transparency": value} for value in (None, 0, "no")),
    *({name: value} for name in ("whiteness", "sharpness") for value in (-0.1, 1.1, nan, False, None)),
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
        json.dumps({"error": "service_unavailable", "message": "it costs no attempt", "debug": ""}),
        json.dumps({"width": 2**31, "height": 1, "pictures": GOOD}),
        json.dumps({"width": 1, "height": 1, "pictures": GOOD[:2]}),
        json.dumps({"width": 1, "height": 0, "pictures": GOOD}),
        json.dumps({"width": 1, "height": 1, "pictures": [{**GOOD[0], "bytes": 2}, *GOOD[1:]]}),
        json.dumps({"width": True, "height": 1, "pictures": GOOD}),
        json.dumps({"width": 1, "height": 1, "pictures": [{**GOOD[0], "preset": "../large"}, *GOOD[1:]]}),
        *(json.dumps({"width": 1, "height": 1, "pictures": [GOOD[0] | lie, *GOOD[1:]]}) for lie in LIES),
        *(
            json.dumps({"width": 1, "height": 1, "pictures": GOOD, "facts": FACTS | lie})
            for lie in LIES_OF_FACTS
        ),
        json.dumps({"width": 1, "height": 1, "pictures": GOOD, "facts": [FACTS]}),
        json.dumps({"width": 1, "height": 1, "pictures": GOOD, "facts": {"colour": "#a0b0c0"}}),
    ],
)
async def test_nonsense_from_a_child_is_not_believed(
    lie: str, source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("packshot.child.COMMAND", answering(lie))

    async with compressor() as pool:
        with pytest.raises(DecoderCrashed):
            await pool.compress(source, tmp_path)


async def test_an_error_of_the_child_is_of_the_kind_it_names(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer = json.dumps({"error": "image_damaged", "message": "a\0\ud800\n" + "m" * 1000, "debug": ""})
    monkeypatch.setattr("packshot.child.COMMAND", answering(answer))

    async with compressor() as pool:
        with pytest.raises(PackshotError) as caught:
            await pool.compress(source, tmp_path)

    assert type(caught.value) is ImageDamaged
    assert str(caught.value) == "a???" + "m" * 496
