"""sharp, in a Node process of its own that is asked for one picture at a time; without Node there is none."""

import json
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO, Final, Self, cast

from benchmarks.quality.contest import Made

PROGRAM: Final = Path(__file__).with_name("sharp.mjs")


class Sharp:
    """A running sharp, which writes its pictures into a folder."""

    def __init__(self, process: subprocess.Popen[str], folder: Path) -> None:
        self._process = process
        self.version = _line(process)
        self._folder = folder

    @classmethod
    @contextmanager
    def open(cls, installed: Path) -> Iterator[Self | None]:
        """Start it for the block; None where there is no Node, or no sharp in the folder."""
        node = shutil.which("node")
        if node is None or not (installed / "node_modules/sharp").is_dir():
            yield None
            return
        with (
            TemporaryDirectory(prefix="packshot-sharp-") as folder,
            subprocess.Popen(  # noqa: S603 - our own program
                (node, PROGRAM, installed),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
                bufsize=1,
            ) as process,
        ):
            try:
                yield cls(process, Path(folder))
            finally:
                process.kill()

    def make(self, file: Path, pixels: int, format_: str, options: Mapping[str, int]) -> Made:
        """Return what sharp makes of a file, and its processor time."""
        to = self._folder / "picture"
        job = {"file": str(file), "pixels": pixels, "format": format_, "options": options, "to": str(to)}
        cast("IO[str]", self._process.stdin).write(json.dumps(job) + "\n")
        seconds = float(_line(self._process))
        return Made(to.read_bytes(), seconds)


def _line(process: subprocess.Popen[str]) -> str:
    line = cast("IO[str]", process.stdout).readline()
    assert line, "sharp has ended; its last words are above"
    return line.strip()
