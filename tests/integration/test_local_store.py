"""What only a store in a folder promises: where files lie, and that nothing half-made stays behind."""

import resource
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import pytest
from tests.rows import files_in

from packshot.errors import ServiceUnavailable
from packshot.stores import Store, open_store

KEY: Final = "3f/3f9a/large-0123456789abcdef.avif"
SHARED_MEMORY: Final = Path("/dev/shm")  # noqa: S108 - a file system that is not the one of temporary files


@pytest.fixture
def elsewhere(tmp_path: Path) -> Iterator[Path]:
    """A folder on another file system than the store's."""
    if not SHARED_MEMORY.is_dir() or SHARED_MEMORY.stat().st_dev == tmp_path.stat().st_dev:
        pytest.skip("there is no second file system")
    folder = Path(tempfile.mkdtemp(dir=SHARED_MEMORY))
    yield folder
    shutil.rmtree(folder)


@contextmanager
def files_limited_to(size: int) -> Iterator[None]:
    """Let the kernel refuse to write more than `size` bytes into a file, as a full disk would."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def a_file(folder: Path, data: bytes = b"picture") -> Path:
    file = folder / "picture"
    file.write_bytes(data)
    return file


async def test_a_file_lies_where_its_location_says(store: Store, tmp_path: Path) -> None:
    await store.put(KEY, a_file(tmp_path), "image/avif")

    assert store.location(KEY) == str(tmp_path / "store" / KEY)
    assert Path(store.location(KEY)).read_bytes() == b"picture"


async def test_a_file_on_the_same_file_system_is_moved_and_not_copied(store: Store, tmp_path: Path) -> None:
    file = a_file(tmp_path)
    same = file.stat().st_ino

    await store.put(KEY, file, "image/avif")

    assert Path(store.location(KEY)).stat().st_ino == same
    assert not file.exists()


async def test_a_file_from_another_file_system_arrives_whole(store: Store, elsewhere: Path) -> None:
    await store.put(KEY, a_file(elsewhere, b"picture" * 100_000), "image/avif")

    assert await store.get(KEY) == b"picture" * 100_000


async def test_a_file_may_be_read_by_other_programs(store: Store, tmp_path: Path, elsewhere: Path) -> None:
    for folder in (tmp_path, elsewhere):
        await store.put(KEY, a_file(folder), "image/avif")

        assert Path(store.location(KEY)).stat().st_mode & 0o777 == 0o644


async def test_a_full_disk_leaves_nothing_half_made(store: Store, tmp_path: Path, elsewhere: Path) -> None:
    await store.put(KEY, a_file(elsewhere, b"old"), "image/avif")
    large = a_file(elsewhere, b"picture" * 100_000)

    with files_limited_to(100_000), pytest.raises(ServiceUnavailable, match="store cannot be used"):
        await store.put(KEY, large, "image/avif")

    assert files_in(tmp_path / "store") == [Path(store.location(KEY))]
    assert await store.get(KEY) == b"old"


async def test_a_folder_where_the_file_should_be_leaves_nothing_half_made(
    store: Store, tmp_path: Path, elsewhere: Path
) -> None:
    Path(store.location(KEY)).mkdir(parents=True)

    for folder in (tmp_path, elsewhere):
        with pytest.raises(ServiceUnavailable):
            await store.put(KEY, a_file(folder), "image/avif")

    assert files_in(tmp_path / "store") == []


async def test_a_store_may_have_any_folder_name(tmp_path: Path) -> None:
    folder = tmp_path / "pictures of us & 100% more?#"
    store = open_store(folder.as_uri())

    await store.put(KEY, a_file(tmp_path), "image/avif")

    assert (folder / KEY).read_bytes() == b"picture"
