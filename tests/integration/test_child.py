"""One decoder child: what it may take, what it knows, and with whom it dies."""

import os
import re
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

        limits = Path(f"/proc/{child.pid}/limits").read_text()
        for what, expected in (
            ("Max address space", 900 * MEGABYTE),
            ("Max file size", 200 * MEGABYTE),
            ("Max core file size", 0),
            ("Max cpu time", 300 + 2 * 20),
            ("Max open files", 256),
        ):
            assert re.search(rf"^{what} +{expected} +{expected} ", limits, re.MULTILINE)


async def test_the_child_knows_no_secrets(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PACKSHOT_DATABASE_URL", "postgresql://user:secret@host/db")
    async with compressor() as pool:
        await pool.compress(source, tmp_path)
        (child,) = children()

        names = [
            name
            for name in child.environ()
            if not name.startswith(("GLIBC_", "VIPS_", "MALLOC_", "OPENBLAS_", "PYTHONPATH"))
        ]
        assert names == []


async def test_the_child_has_no_descriptor_but_those_it_speaks_with(source: Path, tmp_path: Path) -> None:
    with source.open() as inherited:
        os.set_inheritable(inherited.fileno(), True)
        async with compressor() as pool:
            await pool.compress(source, tmp_path)
            (child,) = children()

            open_ = {path.name: path.readlink() for path in Path(f"/proc/{child.pid}/fd").iterdir()}

    assert {name: str(target).partition(":")[0] for name, target in open_.items()} == {
        "0": "socket",  # jobs
        "1": "/dev/null",  # whatever a library prints
        "2": "/dev/null",
        "3": str(open_["3"]).partition(":")[0],  # answers: a pipe, or a socket with uvloop
    }


async def test_a_child_that_has_used_its_processor_time_is_replaced_before_the_next_job(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pids: set[int] = set()
    for share, expected in ((300, 1), (-1, 4)):
        monkeypatch.setattr("packshot.child.CPU_SECONDS", share)
        pids.clear()
        async with compressor() as pool:
            for _ in range(3):
                pids.update(child.pid for child in children())
                await pool.compress(source, tmp_path)
            pids.update(child.pid for child in children())
        assert len(pids) == expected


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
