"""The demo's pictures: large enough to be worth compressing, and always the same."""

import subprocess
import sys
from pathlib import Path

import pyvips

TWICE = """
from packshot.sketch import SCENE, draw, mug
first, again = (draw(f"{SCENE}{mug()}</svg>").jpegsave_buffer() for _ in range(2))
assert first == again
"""


def test_five_products_are_drawn_in_several_megapixels(tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-m", "packshot.sketch", str(tmp_path)], check=True)  # noqa: S603 - our own

    files = sorted(tmp_path.iterdir())
    assert [file.name for file in files] == ["bottle.jpg", "lamp.jpg", "mug.jpg", "notebook.jpg", "tin.jpg"]
    for file in files:
        image = pyvips.Image.new_from_file(str(file))
        assert (image.width, image.height) == (2000, 2000)
        assert image.crop(900, 900, 200, 400).deviate() > 5  # something stands in the middle


def test_a_drawing_is_the_same_every_time() -> None:
    # in a process of its own: the decoder has forbidden SVG in this one
    subprocess.run([sys.executable, "-c", TWICE], check=True)  # noqa: S603 - our own text
