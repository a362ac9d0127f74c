"""The comparison of pictures, with small ones: who takes part, and beside what they are scored."""

from pathlib import Path

import numpy as np
import pytest
import pyvips
from benchmarks.quality.contest import Reference, hold, is_opaque, resized
from benchmarks.quality.contestants import contestants
from benchmarks.quality.sharp import Sharp


def a_photo(folder: Path) -> Path:
    """At half its size, 75.5 is 75 to some programs and 76 to others."""
    rows, columns = np.indices((151, 200))
    colours = np.stack([rows, columns, (rows + columns) // 2], axis=2).astype(np.uint8)
    pyvips.Image.new_from_array(colours).jpegsave(str(folder / "photo.jpg"), Q=95)
    return folder / "photo.jpg"


def test_everybody_who_is_here_takes_part_once_by_default(tmp_path: Path) -> None:
    defaults = [one for one in contestants(100, None) if one.is_default]

    entries = hold([a_photo(tmp_path)], defaults, 1)

    assert [entry.contestant.series for entry in entries] == [
        "Packshot AVIF automatic",
        "Packshot JPEG automatic",
        "Pillow AVIF",
        "Pillow WebP",
        "Pillow JPEG",
        "libvips WebP",
    ]
    assert all(entry.bytes > 0 and entry.seconds > 0 for entry in entries)


@pytest.mark.parametrize("height", [75, 76])
def test_a_picture_whose_side_was_rounded_either_way_is_beside_one_of_its_size(
    tmp_path: Path, height: int
) -> None:
    file = a_photo(tmp_path)
    perfect = resized(file, 100, height).pngsave_buffer()

    assert Reference(file).score(perfect) == pytest.approx(100)


def test_a_transparent_picture_is_left_out_and_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pyvips.Image.black(8, 8, bands=4).copy(interpretation="srgb").pngsave(str(tmp_path / "glass.png"))

    assert not is_opaque(tmp_path / "glass.png")
    assert "glass.png has transparency" in capsys.readouterr().err


def test_without_sharp_the_contest_takes_place(tmp_path: Path) -> None:
    with Sharp.open(tmp_path) as sharp:
        assert sharp is None
