"""One decoder child: what it may take, what it knows, and with whom it dies."""

import os
import resource
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
from tests.children import MEGABYTE, children, compressor
from tests.pictures import jpeg


@pytest.fixture(scope="module", params=[False, True], ids=["asyncio", "uvloop"])
def anyio_backend(request: pytest.FixtureRequest) -> tuple[str, dict[str, bool]]:
    """Both event loops, because each has its own way with processes."""
    return ("asyncio", {"use_uvloop": request.param})


@pytest.fixture
def source(tmp_path: Path) -> Path:
    source = tmp_path / "source"
    source.write_bytes(jpeg())
    return source


async def test_the_child_limits_itself(source: Path, tmp_path: Path) -> None:
    async with compressor(decode_memory_bytes=900 * MEGABYTE, decode_seconds=20) as pool:
        await pool.compress(source, tmp_path)
        (child,) = children()

        for limit, expected in (
            (resource.RLIMIT_AS, 900 * MEGABYTE),
            (resource.RLIMIT_FSIZE, 200 * MEGABYTE),
            (resource.RLIMIT_CORE, 0),
        ):
            assert resource.prlimit(child.pid, limit) == (expected, expected)
        assert 40 <= resource.prlimit(child.pid, resource.RLIMIT_CPU)[0] <= 45


async def test_the_child_knows_no_secrets_and_no_open_files(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PACKSHOT_DATABASE_URL", "postgresql://user:secret@host/db")
    async with compressor() as pool:
        with source.open():
            await pool.compress(source, tmp_path)
        (child,) = children()

        assert not [
            name for name in child.environ() if not name.startswith(("VIPS_", "MALLOC_", "PYTHONPATH"))
        ]
        assert child.open_files() == []


async def test_ctrl_c_in_a_terminal_does_not_reach_the_child(source: Path, tmp_path: Path) -> None:
    async with compressor() as pool:
        await pool.compress(source, tmp_path)
        (child,) = children()

        assert os.getsid(child.pid) != os.getsid(0)


PARENT = """
import asyncio, sys
from pathlib import Path
from packshot.compress import Compressor
from packshot.presets import load_presets
from packshot.settings import Settings

async def main():
    async with Compressor(Settings(), load_presets(None)) as pool:
        await pool.compress(Path(sys.argv[1]), Path(sys.argv[2]))
        print("ready", flush=True)
        await asyncio.sleep(60)

asyncio.run(main())
"""


@pytest.mark.parametrize("state", ["at rest", "in mid-job"])
def test_a_child_dies_with_its_parent(state: str, source: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-c", PARENT, str(source), str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as parent:  # noqa: S603 - our own text
        assert parent.stdout
        assert parent.stdout.readline() == b"ready\n"
        (child,) = children(parent.pid)
        if state == "in mid-job":
            child.suspend()  # so it cannot read that its stdin has ended
        parent.send_signal(signal.SIGKILL)

    assert psutil.wait_procs([child], timeout=10)[1] == []
