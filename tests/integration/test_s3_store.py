"""What only a store in a bucket promises: labelled files, trouble that ends, and keys that stay secret."""

import asyncio
import re
import traceback
from collections.abc import AsyncIterator
from pathlib import Path
from time import monotonic
from typing import Final
from uuid import uuid4

import httpx
import pytest
from servers.faulty_http import LEAKED, Fault, FaultyHttp
from servers.process import find_ports
from servers.s3 import BUCKET, ENVIRONMENT, KEY_ID, S3, SECRET

from packshot.errors import ConfigError, NotFound, ServiceUnavailable
from packshot.stores import open_store
from packshot.stores.s3 import S3Store

KEY: Final = "3f/3f9a/large-0123456789abcdef.avif"

pytestmark = pytest.mark.usefixtures("aws_keys")


@pytest.fixture
async def proxy(s3: S3) -> AsyncIterator[FaultyHttp]:
    async with FaultyHttp(s3.port) as proxy:
        yield proxy


@pytest.fixture
def store(s3: S3, proxy: FaultyHttp) -> S3Store:
    """A store of this test alone behind the proxy, where a second is a long time."""
    return S3Store(at(s3, proxy.port), ENVIRONMENT, seconds=1)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    (tmp_path / "picture").write_bytes(b"picture")
    return tmp_path / "picture"


def at(s3: S3, port: int) -> str:
    return s3.url_at(port).replace("/pictures", f"/{uuid4().hex}")


async def test_a_file_knows_its_type_and_may_be_kept_for_ever(store: S3Store, file: Path) -> None:
    await store.put(KEY, file, "image/avif")

    async with httpx.AsyncClient() as client:
        answer = await client.get(await store.url(KEY))

    assert answer.headers["content-type"] == "image/avif"
    assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"


async def test_a_location_is_an_address_without_options(s3: S3) -> None:
    assert open_store(s3.url, ENVIRONMENT).location(KEY) == f"s3://{BUCKET}/pictures/{KEY}"


async def test_a_prefix_is_a_folder_in_the_bucket(s3: S3, file: Path) -> None:
    await open_store(s3.url, ENVIRONMENT).put(KEY, file, "image/avif")

    assert (s3.bucket / "pictures" / KEY).read_bytes() == b"picture"


async def test_a_url_needs_no_key_and_ends_after_an_hour(store: S3Store, file: Path) -> None:
    await store.put(KEY, file, "image/avif")
    url = await store.url(KEY)

    async with httpx.AsyncClient() as client:
        assert (await client.get(url)).content == b"picture"
        assert (await client.get(url.replace("Expires=3600", "Expires=7200"))).status_code == 403


@pytest.mark.parametrize("fault", [Fault.ERROR, Fault.SLOW_DOWN, Fault.RESET])
async def test_trouble_that_passes_is_not_noticed(
    store: S3Store, proxy: FaultyHttp, file: Path, fault: Fault
) -> None:
    proxy.fail(fault, times=1)
    await store.put(KEY, file, "image/avif")
    proxy.fail(fault, times=1)

    assert await store.get(KEY) == b"picture"


@pytest.mark.parametrize("fault", Fault)
async def test_trouble_that_stays_ends_in_time(
    store: S3Store, proxy: FaultyHttp, file: Path, fault: Fault
) -> None:
    proxy.fail(fault)
    started = monotonic()

    if fault is not Fault.TORN:  # to begin well is success for what has no answer to read
        with pytest.raises(ServiceUnavailable):
            await store.put(KEY, file, "image/avif")
    with pytest.raises(ServiceUnavailable):
        await store.get(KEY)

    assert monotonic() - started < 4


@pytest.mark.parametrize("fault", Fault)
async def test_a_store_that_is_well_again_is_used_again(
    store: S3Store, proxy: FaultyHttp, file: Path, fault: Fault
) -> None:
    proxy.fail(fault)
    with pytest.raises(ServiceUnavailable):
        await store.get(KEY)
    proxy.recover()

    await store.put(KEY, file, "image/avif")

    assert await store.get(KEY) == b"picture"


async def test_an_upload_that_stalls_leaves_no_part_of_a_file(
    store: S3Store, proxy: FaultyHttp, file: Path
) -> None:
    proxy.fail(Fault.STALL)
    with pytest.raises(ServiceUnavailable):
        await store.put(KEY, file, "image/avif")
    proxy.recover()

    with pytest.raises(NotFound):
        await store.get(KEY)


async def test_a_listing_that_stalls_ends_in_time(store: S3Store, proxy: FaultyHttp) -> None:
    proxy.fail(Fault.STALL)

    with pytest.raises(ServiceUnavailable, match="no answer within 1 seconds"):
        [found async for found in store.keys()]  # noqa: SIM118 - not a dict


async def test_an_error_names_the_store_and_what_it_said(store: S3Store, proxy: FaultyHttp) -> None:
    proxy.fail(Fault.FORBIDDEN)

    with pytest.raises(ServiceUnavailable, match=rf"s3://{BUCKET}/\w+ .*: 403 Forbidden, AccessDenied$"):
        await store.get(KEY)


async def test_a_name_that_nobody_knows_is_an_error_with_its_reason() -> None:
    store = S3Store("s3://shop?endpoint=http://s3.invalid", ENVIRONMENT, seconds=3)

    with pytest.raises(ServiceUnavailable, match="failed to lookup"):
        await store.get(KEY)


async def test_a_server_that_is_down_is_an_error_with_its_reason() -> None:
    store = S3Store(f"s3://shop?endpoint=http://127.0.0.1:{find_ports(1)[0]}", ENVIRONMENT, seconds=3)

    with pytest.raises(ServiceUnavailable, match="Connection refused"):
        await store.get(KEY)


async def test_without_any_keys_the_error_says_where_they_were_looked_for(
    s3: S3, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_METADATA_ENDPOINT", f"http://127.0.0.1:{find_ports(1)[0]}")
    nowhere = dict.fromkeys(("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"), str(tmp_path / "missing"))
    store = S3Store(s3.url, nowhere, seconds=3)

    with pytest.raises(ServiceUnavailable, match="no keys in the environment or a profile"):
        await store.get(KEY)


async def test_no_error_says_a_key_not_even_to_the_log(
    s3: S3, store: S3Store, proxy: FaultyHttp, monkeypatch: pytest.MonkeyPatch
) -> None:
    proxy.fail(Fault.FORBIDDEN)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "another-secret")
    stranger = S3Store(s3.url, ENVIRONMENT)

    for wrong in (store, stranger):
        with pytest.raises(ServiceUnavailable) as caught:
            await wrong.get(KEY)
        told = "".join(traceback.format_exception(caught.value)) + repr(wrong) + repr(vars(wrong))
        assert not re.search(f"{KEY_ID}|{SECRET}|another-secret|{LEAKED}", told)


@pytest.mark.parametrize(
    "url",
    [
        "s3://me:hush@bucket/prefix",
        "s3://bucket?secret_access_key=hush",
        "s3://bucket?path_style=hush",
        "ftp://me:hush@bucket",
    ],
)
async def test_an_address_that_is_refused_is_not_repeated(url: str) -> None:
    with pytest.raises(ConfigError) as caught:
        open_store(url)

    assert "hush" not in "".join(traceback.format_exception(caught.value))


async def test_a_bucket_may_be_a_part_of_the_host(proxy: FaultyHttp) -> None:
    store = S3Store(f"s3://shop/a?path_style=false&endpoint=http://localhost:{proxy.port}", ENVIRONMENT)

    assert (await store.url(KEY)).startswith(f"http://shop.localhost:{proxy.port}/a/{KEY}?")


async def test_an_endpoint_and_a_region_may_come_from_the_environment(
    s3: S3, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    environment = {"AWS_ENDPOINT_URL": f"http://127.0.0.1:{s3.port}", "AWS_REGION": "eu-central-1"}
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    store = S3Store(f"s3://{BUCKET}/{uuid4().hex}", {**ENVIRONMENT, **environment})

    await store.put(KEY, file, "image/avif")

    assert await store.get(KEY) == b"picture"
    assert "eu-central-1" in await store.url(KEY)


async def test_keys_may_come_from_a_profile(
    s3: S3, file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    profile = tmp_path / "credentials"
    profile.write_text(f"[shop]\naws_access_key_id = {KEY_ID}\naws_secret_access_key = {SECRET}\n")
    store = open_store(s3.url, {"AWS_PROFILE": "shop", "AWS_SHARED_CREDENTIALS_FILE": str(profile)})

    await store.put(KEY, file, "image/avif")

    async with httpx.AsyncClient() as client:
        assert (await client.get(str(await store.url(KEY)))).content == b"picture"


async def test_many_uploads_go_on_at_once(store: S3Store, proxy: FaultyHttp, file: Path) -> None:
    proxy.fail(Fault.STALL, times=5)  # each waits out its own second

    started = monotonic()
    await asyncio.gather(
        *(store.put(f"3f/{n}/x", file, "image/avif") for n in range(10)), return_exceptions=True
    )

    assert monotonic() - started < 3


@pytest.mark.parametrize("url", ["gs://bucket/prefix", "az://account/container/prefix"])
async def test_other_clouds_have_locations_too(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AZURE_STORAGE_ACCOUNT_NAME", "account")

    assert open_store(url).location(KEY) == f"{url}/{KEY}"
