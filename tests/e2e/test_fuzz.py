"""A short run of what `make fuzz` does for ten minutes."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_three_seconds_of_mutated_pictures_break_nothing(tmp_path: Path) -> None:
    (tmp_path / "mine").write_bytes(b"GIF89a")
    command = [sys.executable, "-m", "fuzz", "--seconds", "3", "--pictures", str(tmp_path)]

    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)  # noqa: S603 - our own program

    assert (ended.returncode, ended.stderr) == (0, "")
    counts = {
        line.split()[1]: int(line.split()[0].replace(",", "")) for line in ended.stdout.splitlines()[1:]
    }
    assert min(counts["ready"], counts["image_damaged"], counts["not_an_image"]) > 0
