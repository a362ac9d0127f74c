"""
What every store promises. The same sentences for each; a new one is one more line in STORES.

A secret lies beside the store, so that a key that leads out of it would find something.
"""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Final
from uuid import uuid4

import httpx
import pytest
from servers.s3 import ENVIRONMENT

from packshot.errors import ConfigError, NotFound, ServiceUnavailable
from packshot.stores import Store, open_store

STORES: Final = {"local": "file://{folder}/store", "s3": "{url}/{name}{options}"}
BROKEN_STORES: Final = {
    "local": "file://{folder}/secret.avif/store",  # a file stands in the way
    "s3": "s3://no-such-bucket/{name}{options}",
}

KEY: Final = "3f/3f9a/large-0123456789abcdef.avif"
SECRET: Final = b"not yours"


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    file = tmp_path / "secret.avif"
    file.write_bytes(SECRET)
    return file


@pytest.fixture
def address(request: pytest.FixtureRequest, tmp_path: Path, aws_keys: None) -> Callable[[str, str], str]:  # noqa: ARG001 - for its effect
    """Fill in where a kind of store is: a place of this test alone."""

    def fill_in(kind: str, template: str) -> str:
        server = "" if kind == "local" else str(request.getfixturevalue(kind).url)
        url, mark, options = server.partition("?")
        return template.format(folder=tmp_path, url=url, name=uuid4().hex, options=mark + options)

    return fill_in


@pytest.fixture(params=STORES)
def store(request: pytest.FixtureRequest, address: Callable[[str, str], str]) -> Store:
    return open_store(address(request.param, STORES[request.param]), ENVIRONMENT)


@pytest.fixture(params=BROKEN_STORES)
def broken_store(request: pytest.FixtureRequest, address: Callable[[str, str], str], secret: Path) -> Store:
    assert secret.exists()
    return open_store(address(request.param, BROKEN_STORES[request.param]), ENVIRONMENT)


def a_file(folder: Path, data: bytes) -> Path:
    """A file to put; the store may take it or copy it."""
    with NamedTemporaryFile(dir=folder, delete=False) as file:
        file.write(data)
    return Path(file.name)


async def put(store: Store, folder: Path, key: str, data: bytes) -> None:
    await store.put(key, a_file(folder, data), "image/avif")


@pytest.mark.parametrize("data", [b"", b"picture", bytes(range(256)) * 10_000])
async def test_what_is_put_can_be_got(store: Store, tmp_path: Path, data: bytes) -> None:
    await put(store, tmp_path, KEY, data)

    assert await store.get(KEY) == data


async def test_many_may_put_at_once(store: Store, tmp_path: Path) -> None:
    keys = [f"ab/cd/picture-{n}.avif" for n in range(50)]

    await asyncio.gather(*(put(store, tmp_path, key, key.encode()) for key in keys))

    assert [await store.get(key) for key in keys] == [key.encode() for key in keys]


async def test_what_is_not_there_is_not_found(store: Store) -> None:
    with pytest.raises(NotFound):
        await store.get(KEY)


async def test_what_is_put_again_is_replaced(store: Store, tmp_path: Path) -> None:
    await put(store, tmp_path, KEY, b"old")
    await put(store, tmp_path, KEY, b"new")

    assert await store.get(KEY) == b"new"


async def test_a_reader_sees_the_old_or_the_new_and_never_a_part(store: Store, tmp_path: Path) -> None:
    pictures = [letter * 1_000_000 for letter in (b"a", b"b")]
    await put(store, tmp_path, KEY, pictures[0])

    async def replace() -> None:
        for turn in range(1, 21):
            await put(store, tmp_path, KEY, pictures[turn % 2])

    replacing = asyncio.create_task(replace())
    while not replacing.done():
        assert await store.get(KEY) in pictures
    await replacing


async def test_of_two_who_put_one_key_at_once_one_wins(store: Store, tmp_path: Path) -> None:
    pictures = [letter * 1_000_000 for letter in (b"a", b"b")]

    await asyncio.gather(*(put(store, tmp_path, KEY, picture) for picture in pictures))

    assert await store.get(KEY) in pictures


async def test_deleting_twice_is_fine(store: Store, tmp_path: Path) -> None:
    await put(store, tmp_path, KEY, b"picture")

    await store.delete(KEY)
    await store.delete(KEY)

    with pytest.raises(NotFound):
        await store.get(KEY)


async def test_a_neighbour_survives_a_deletion(store: Store, tmp_path: Path) -> None:
    neighbour = KEY.replace("large", "small")
    await put(store, tmp_path, KEY, b"picture")
    await put(store, tmp_path, neighbour, b"small picture")

    await store.delete(KEY)

    assert await store.get(neighbour) == b"small picture"


def test_a_location_ends_with_its_key(store: Store) -> None:
    assert store.location(KEY).endswith("/" + KEY)


async def test_all_files_are_listed_with_their_sizes_and_times(store: Store, tmp_path: Path) -> None:
    sizes = {f"{n:02x}/abcd/large-0123.avif": n for n in range(20)}
    for key, size in sizes.items():
        await put(store, tmp_path, key, b"x" * size)

    found = [file async for file in store.keys()]  # noqa: SIM118 - not a dict

    assert {file.key: file.bytes for file in found} == sizes
    assert all(abs((datetime.now(UTC) - file.modified_at).total_seconds()) < 60 for file in found)


async def test_an_empty_store_lists_nothing(store: Store) -> None:
    assert [file async for file in store.keys()] == []  # noqa: SIM118 - not a dict


async def test_a_file_can_be_had_at_its_url_or_through_us(store: Store, tmp_path: Path) -> None:
    await put(store, tmp_path, KEY, b"picture")

    url = await store.url(KEY)

    if url is None:
        assert await store.get(KEY) == b"picture"
    else:
        async with httpx.AsyncClient() as client:
            assert (await client.get(url)).content == b"picture"


@pytest.mark.parametrize(
    "key",
    [
        "../secret.avif",
        "3f/../../secret.avif",
        "3f/3f9a/../../../secret.avif",
        "{folder}/secret.avif",
        "./../secret.avif",
        "3f//../../secret.avif",
        "3f/..",
        "3f/.hidden",
        "3f/3F9A/large.avif",
        "large.avif",
        "3f/large.avif\n",
        "3f/large.avif\0",
        "3f/large.avif[n=-1]",
        "3f/%2e%2e/%2e%2e/secret.avif",
        "3f\\..\\..\\secret.avif",
        "",
    ],
)
async def test_a_key_cannot_leave_the_store(store: Store, tmp_path: Path, secret: Path, key: str) -> None:
    await put(store, tmp_path, "3f/large.avif", b"picture")
    way_out = key.format(folder=tmp_path)

    with pytest.raises(NotFound):
        await store.get(way_out)
    with pytest.raises(NotFound):
        await put(store, tmp_path, way_out, b"mine")
    with pytest.raises(NotFound):
        await store.delete(way_out)
    with pytest.raises(NotFound):
        store.location(way_out)
    with pytest.raises(NotFound):
        await store.url(way_out)
    assert secret.read_bytes() == SECRET


async def test_a_store_that_cannot_be_used_may_come_back(broken_store: Store, tmp_path: Path) -> None:
    with pytest.raises(ServiceUnavailable):
        await put(broken_store, tmp_path, KEY, b"picture")
    with pytest.raises(ServiceUnavailable):
        await broken_store.get(KEY)
    with pytest.raises(ServiceUnavailable):
        await broken_store.delete(KEY)
    with pytest.raises(ServiceUnavailable):
        [file async for file in broken_store.keys()]  # noqa: SIM118 - not a dict


async def test_a_file_that_vanished_is_our_trouble_and_not_a_missing_key(
    store: Store, tmp_path: Path
) -> None:
    with pytest.raises(ServiceUnavailable):
        await store.put(KEY, tmp_path / "vanished", "image/avif")


@pytest.mark.parametrize(
    "url",
    [
        "",
        "store",
        "file:store",
        "file://shop.example/store",
        "ftp://shop.example/",
        "s3:///prefix",
        "s3://bucket?path_style=perhaps",
        "s3://bucket?color=red",
        "gs://bucket?region=us-east-1",
    ],
)
def test_an_address_that_is_no_store_is_the_settings_fault(url: str) -> None:
    with pytest.raises(ConfigError, match="PACKSHOT_STORE_URL"):
        open_store(url)
