"""A server whose pictures lie in a bucket: they can be seen, and nothing is lost while the bucket is away."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest
from servers.s3 import BUCKET, S3, SECRET
from tests.rows import eventually
from tests.serving import Serving
from tests.supplier import Supplier, png

IMAGES = 12

pytestmark = pytest.mark.usefixtures("aws_keys")


async def test_pictures_go_to_the_bucket_and_are_seen_from_there(
    tmp_path: Path, supplier: Supplier, s3: S3
) -> None:
    supplier.files = {"/boot.png": png(60, 40)}
    async with Serving.start(tmp_path / "data", store_url=s3.url) as serving:
        product = await serving.ended(await serving.submit(supplier.url("/boot.png")))
        (image,) = product["images"]
        picture = await serving.client.get(image["renditions"][0]["url"], follow_redirects=True)

    assert product["compressed_product_images"] == [image["renditions"][0]["path"]]
    assert image["renditions"][0]["path"].startswith(f"s3://{BUCKET}/pictures/")
    assert len(picture.content) == image["renditions"][0]["bytes"]


async def test_a_bucket_that_is_away_for_a_while_costs_no_image_and_no_attempt(
    tmp_path: Path, supplier: Supplier, s3: S3
) -> None:
    supplier.files = {f"/{n}.png": png(300 + n, 200) for n in range(IMAGES)}
    async with Serving.start(tmp_path / "data", store_url=s3.url, retry_seconds=0.1) as serving:
        async with away(s3):
            product_id = await serving.submit(*map(supplier.url, supplier.files))
            await eventually(lambda: has_logged(serving, b"cannot be used: Connection refused"))
        images = (await serving.ended(product_id))["images"]

        assert {image["state"] for image in images} == {"ready"}
        assert {image["max_attempts"] - image["attempt"] for image in images} == {5 - 1}
        assert all([await _is_seen(serving, image["url"]) for image in images])
        assert not await has_logged(serving, SECRET.encode())


@asynccontextmanager
async def away(server: S3) -> AsyncIterator[None]:
    await server.kill()
    try:
        yield
    finally:
        await server.run_again()


async def has_logged(serving: Serving, words: bytes) -> bool:
    return words in serving.log.read_bytes()


async def _is_seen(serving: Serving, url: str) -> bool:
    answer: httpx.Response = await serving.client.get(f"{url}/large", follow_redirects=True)
    return answer.headers["content-type"].startswith("image/")
