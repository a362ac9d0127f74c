"""
A store in a folder. A file appears under its key in one move, after its bytes are on the disk.

On one file system that move is all there is: nothing is copied, and a kill leaves nothing behind.
"""

import asyncio
import errno
import os
import shutil
import stat
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from tempfile import NamedTemporaryFile

from packshot.errors import NotFound, ServiceUnavailable
from packshot.models import StoredFile
from packshot.stores.keys import checked


class LocalStore:
    """Keeps `key` as `folder/key`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    async def put(self, key: str, file: Path, content_type: str) -> None:  # noqa: ARG002 - a folder keeps no types
        """Flush to the disk, then move."""
        with _translated():
            await asyncio.to_thread(_put, file, self._path(key))

    async def get(self, key: str) -> bytes:
        """Read the whole file."""
        path = self._path(key)
        with _translated():
            try:
                return await asyncio.to_thread(path.read_bytes)
            except FileNotFoundError as error:
                raise NotFound(f"The store has no file {key}.") from error

    async def delete(self, key: str) -> None:
        """Remove the file; its folders stay."""
        with _translated():
            await asyncio.to_thread(self._path(key).unlink, missing_ok=True)

    async def url(self, key: str) -> None:
        """Say that there is none: browsers do not see this folder."""
        checked(key)

    def location(self, key: str) -> str:
        """Return the absolute path."""
        return str(self._path(key))

    async def keys(self) -> AsyncIterator[StoredFile]:
        """Walk through one of the topmost folders at a time."""
        with _translated():
            for folder in await asyncio.to_thread(_names, self._folder):
                for found in await asyncio.to_thread(_files, self._folder, folder):
                    yield found

    def _path(self, key: str) -> Path:
        return self._folder / checked(key)


def _names(folder: Path) -> list[str]:
    try:
        return sorted(path.name for path in folder.iterdir())
    except FileNotFoundError:  # nothing was ever put
        return []


def _files(folder: Path, name: str) -> list[StoredFile]:
    """Look at all files under a name; what is deleted meanwhile is not there."""
    paths = (folder / name).rglob("*") if (folder / name).is_dir() else [folder / name]
    found = []
    for path in paths:
        with suppress(FileNotFoundError):
            facts = path.lstat()
            if stat.S_ISREG(facts.st_mode):
                key = str(path.relative_to(folder))
                found.append(StoredFile(key, facts.st_size, datetime.fromtimestamp(facts.st_mtime, UTC)))
    return found


def _put(file: Path, path: Path) -> None:
    _make_folder(path.parent)
    _flush(file)
    try:
        file.rename(path)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        _copy(file, path)
    _flush(path.parent)


def _make_folder(folder: Path) -> None:
    """Make a folder and those it lies in; the name of a new one must survive a power cut too."""
    if not folder.is_dir():
        _make_folder(folder.parent)
        folder.mkdir(exist_ok=True)
        _flush(folder.parent)


def _copy(file: Path, path: Path) -> None:
    """Cross to another file system; a half-made copy has a name that no key can have."""
    with NamedTemporaryFile(dir=path.parent, prefix=".", delete=False) as copy:
        try:
            shutil.copy(file, copy.name)
            _flush(Path(copy.name))
            Path(copy.name).rename(path)
        except BaseException:
            Path(copy.name).unlink(missing_ok=True)
            raise


def _flush(path: Path) -> None:
    """Make a file's bytes, or a folder's names, survive a power cut."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise ServiceUnavailable(f"The store cannot be used: {error}") from error
