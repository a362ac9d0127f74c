"""Folders that every user may enter: pytest's own are closed, and root's PostgreSQL runs as another user."""

import os
import shutil
import signal
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


@contextmanager
def open_folder() -> Iterator[Path]:
    """Make a folder for the block, then remove it and any server that was left running in it."""
    folder = Path(tempfile.mkdtemp(prefix="packshot-test-"))
    folder.chmod(0o755)
    try:
        yield folder
    finally:
        for left in folder.rglob("postmaster.pid"):
            with suppress(ProcessLookupError):
                os.kill(int(left.read_text().split()[0]), signal.SIGKILL)
        shutil.rmtree(folder, ignore_errors=True)  # a killed server's children write on for a moment
