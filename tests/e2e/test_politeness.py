"""A supplier that asks for a pause, and a server with Redis that hears it."""

from pathlib import Path

from servers.redis import Redis
from tests.serving import Serving
from tests.supplier import PICTURE, Supplier


async def test_a_supplier_that_asks_for_a_pause_is_left_alone_and_no_image_loses_an_attempt(
    supplier: Supplier, redis: Redis, tmp_path: Path
) -> None:
    supplier.files["/good.png"] = PICTURE
    async with Serving.start(tmp_path / "data", cache_url=redis.url) as serving:
        throttled = await serving.submit(supplier.url("/status/429?retry-after=600"))
        await serving.when(throttled, lambda images: images[0]["error"])

        polite = await serving.submit(supplier.url("/good.png"))
        product = await serving.when(polite, lambda images: images[0]["max_attempts"] > 5)

    (image,) = product["images"]
    assert (image["state"], image["error"], image["max_attempts"] - image["attempt"]) == ("pending", None, 5)
    assert supplier.asked["/good.png"] == 0
    assert await redis.tell(f"EXISTS packshot:pause:{supplier.address}:{supplier.port}") == b":1"
