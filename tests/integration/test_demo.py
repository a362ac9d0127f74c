"""The demo, from nothing to the table."""

from pathlib import Path

import pyvips
from tests.console import packshot
from tests.pictures import encode, photo


def test_the_demo_shows_what_became_of_every_picture_in_a_folder(tmp_path: Path) -> None:
    folder = tmp_path / "my pictures"
    folder.mkdir()
    (folder / "wide [1].png").write_bytes(encode(photo(2000, 1000), "png"))
    (folder / "not a picture.jpg").write_text("Sorry, this shop has moved.")
    (folder / "notes.txt").write_text("no picture, and not served")

    ended = packshot("demo", "--pictures", str(folder), cwd=tmp_path)

    assert (ended.code, ended.err) == (0, "")
    assert "wide%20%5B1%5D.png" in ended.out
    assert "not%20a%20picture.jpg: not_an_image: " in ended.out
    assert "notes.txt" not in ended.out
    made = list((tmp_path / "data" / "demo").rglob("large-*.*"))
    assert {(picture.suffix, pyvips.Image.new_from_file(str(picture)).width) for picture in made} == {
        (".avif", 1600),
        (".jpg", 1600),
    }
