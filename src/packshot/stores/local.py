"""A store in a folder. A file appears under its key in one move, after its bytes are on the disk."""

import asyncio
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import NamedTemporaryFile

from packshot.errors import NotFound, ServiceUnavailable
from packshot.stores.keys import checked


class LocalStore:
    """Keeps `key` as `folder/key`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    async def put(self, key: str, file: Path, content_type: str) -> None:  # noqa: ARG002 - a folder keeps no types
        """Copy, flush to the disk, rename."""
        with _translated():
            await asyncio.to_thread(_put, file, self._path(key))

    async def get(self, key: str) -> bytes:
        """Read the whole file."""
        with _translated():
            return await asyncio.to_thread(self._path(key).read_bytes)

    async def delete(self, key: str) -> None:
        """Remove the file; its folders stay."""
        with _translated():
            await asyncio.to_thread(self._path(key).unlink, missing_ok=True)

    def location(self, key: str) -> str:
        """Return the absolute path."""
        return str(self._path(key))

    def _path(self, key: str) -> Path:
        return self._folder / checked(key)


def _put(file: Path, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with file.open("rb") as source, NamedTemporaryFile(dir=path.parent, prefix=".", delete=False) as copy:
        try:
            shutil.copyfileobj(source, copy)
            copy.flush()
            os.fsync(copy.fileno())
            Path(copy.name).chmod(0o644)
            Path(copy.name).rename(path)
        except BaseException:
            Path(copy.name).unlink(missing_ok=True)
            raise


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except FileNotFoundError as error:
        raise NotFound(f"There is no file {error.filename}.") from error
    except OSError as error:
        raise ServiceUnavailable(f"The store cannot be used: {error}") from error
