"""Our image, built and run by the letter of the Dockerfile; this machine stands in for the base image."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from servers import ServerMissing
from tests.dockerfile import read_dockerfile
from tests.real_servers import needed

ROOT = Path(__file__).parents[2]
UNSHARE = ("--mount", "--mount-proc", "--pid", "--fork", "--kill-child")


@pytest.fixture
def empty_folder() -> Iterator[Path]:
    """One that every user may pass through; what is mounted on it is gone with who mounted it."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


def build_and_run(folder: Path) -> Any:  # noqa: ANN401 - JSON is anything
    """Build the image in `folder` and run it; return what it did."""
    unshare = shutil.which("unshare")
    if os.getuid() != 0 or not unshare:
        raise ServerMissing("the image: only root can build it, with `unshare` of util-linux")
    cache = ROOT / os.environ.get("UV_CACHE_DIR", ".venv/.cache")
    cache.mkdir(parents=True, exist_ok=True)
    environment = {**os.environ, "UV_CACHE_DIR": str(cache), "PYTHONPATH": f"{ROOT / 'src'}"}
    run = subprocess.run(  # noqa: S603 - our own words only
        [unshare, *UNSHARE, sys.executable, "-m", "tests.image", folder],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env=environment,
        check=False,
    )
    assert run.returncode == 0, run.stderr[-3000:]
    return json.loads(run.stdout)


@pytest.mark.timeout(600)  # without a cache everything is downloaded
def test_the_image_is_built_in_an_empty_folder_and_becomes_ready_as_a_user_who_may_write_nowhere_else(
    empty_folder: Path,
) -> None:
    with needed():
        seen = build_and_run(empty_folder)

    assert seen["ready"]["status"] == "ready"
    assert seen["check"] == 0
    assert seen["wrote"] is False
    assert seen["ended"] == 0


def test_the_health_check_fails_where_nobody_listens() -> None:
    python, *arguments = read_dockerfile(ROOT / "Dockerfile")[-1].health_check
    closed = [argument.replace(":8080/", ":1/") for argument in arguments]

    assert python == "python"
    assert subprocess.run([sys.executable, *closed], stderr=subprocess.DEVNULL, check=False).returncode != 0  # noqa: S603 - ours
