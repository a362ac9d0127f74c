"""The promise: whatever happens to the process, every accepted image ends, and the books balance."""

import signal
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyvips
from tests.serving import Serving
from tests.supplier import Supplier, png

from packshot.database import Database
from packshot.postgres import embedded_postgres

IMAGES = 200
KILLS = 10


def ended(images: Sequence[dict[str, Any]]) -> int:
    return sum(image["state"] in ("ready", "failed") for image in images)


def assert_books_balance(product: dict[str, Any], store: Path) -> None:
    """Every image is ready, every file it names is whole, and no other file lies in the store.

    No attempt was used up by anything but the image itself.
    """
    assert {image["state"] for image in product["images"]} == {"ready"}
    assert {image["max_attempts"] - image["attempt"] for image in product["images"]} == {5 - 1}
    renditions = [rendition for image in product["images"] for rendition in image["renditions"]]
    for rendition in renditions:
        assert Path(rendition["path"]).stat().st_size == rendition["bytes"]
        pyvips.Image.new_from_file(rendition["path"], fail_on="warning").avg()
    assert {str(file) for file in store.rglob("*") if file.is_file()} == {r["path"] for r in renditions}


async def test_ten_kills_in_the_middle_of_200_images_lose_nothing(tmp_path: Path, supplier: Supplier) -> None:
    supplier.files = {f"/{n}.png": png(30 + n, 20) for n in range(IMAGES)}
    data_dir = tmp_path / "data"
    async with Serving.start(data_dir) as serving:
        product_id = await serving.submit(*map(supplier.url, supplier.files))
        await serving.kill()
    for kill in range(1, KILLS):
        async with Serving.start(data_dir) as serving:
            enough = kill * IMAGES // (KILLS + 2)
            await serving.when(product_id, lambda images, enough=enough: ended(images) >= enough)
            await serving.kill()

    async with Serving.start(data_dir) as serving:
        product = await serving.ended(product_id)

    assert_books_balance(product, data_dir / "store")
    assert not any((data_dir / "work").iterdir())


async def test_ctrl_c_gives_back_what_is_in_hand_without_using_up_attempts(
    tmp_path: Path, supplier: Supplier
) -> None:
    supplier.files = {"/slow.png": png(50, 50)}
    supplier.delays["/slow.png"] = 20
    async with Serving.start(tmp_path / "data", shutdown_seconds=0.2) as serving:
        product_id = await serving.submit(supplier.url("/slow.png"))
        await serving.when(product_id, lambda images: images[0]["state"] == "processing")

        assert await serving.interrupt() == 0

    supplier.delays.clear()
    async with Serving.start(tmp_path / "data") as serving:
        (image,) = (await serving.ended(product_id))["images"]
    assert image["state"] == "ready"
    assert image["max_attempts"] - image["attempt"] == 5 - 1


async def test_sigterm_finishes_what_is_in_hand(tmp_path: Path, supplier: Supplier) -> None:
    supplier.files = {"/slow.png": png(50, 50)}
    supplier.delays["/slow.png"] = 1
    async with Serving.start(tmp_path / "data") as serving:
        product_id = await serving.submit(supplier.url("/slow.png"))
        await serving.when(product_id, lambda images: images[0]["state"] == "processing")
        serving.process.send_signal(signal.SIGTERM)
        assert await serving.process.wait() == 0

    async with Serving.start(tmp_path / "data") as serving:
        (image,) = (await serving.product(product_id))["images"]
    assert (image["state"], image["attempt"]) == ("ready", 1)
    assert supplier.asked["/slow.png"] == 1


async def test_two_servers_on_one_data_folder_share_the_work(tmp_path: Path, supplier: Supplier) -> None:
    supplier.files = {f"/{n}.png": png(100 + n, 100) for n in range(60)}
    data_dir = tmp_path / "data"
    async with Serving.start(data_dir, workers=1) as one, Serving.start(data_dir, workers=1) as two:
        product = await one.ended(await one.submit(*map(supplier.url, supplier.files)))

    assert_books_balance(product, data_dir / "store")
    assert {image["attempt"] for image in product["images"]} == {1}
    assert all(b'"outcome": "ready"' in serving.log.read_bytes() for serving in (one, two))


async def test_ctrl_c_leaves_no_image_to_wait_for_a_queue_that_is_gone(
    tmp_path: Path, supplier: Supplier
) -> None:
    supplier.files = {f"/slow{n}.png": png(50 + n, 50) for n in range(5)}
    supplier.delays = dict.fromkeys(supplier.files, 20)
    async with Serving.start(tmp_path / "data", workers=1, shutdown_seconds=0.2) as serving:
        product_id = await serving.submit(*map(supplier.url, supplier.files))
        await serving.when(product_id, lambda images: images[0]["state"] == "processing")
        assert await serving.interrupt() == 0

    async with (
        embedded_postgres(tmp_path / "data") as embedded,
        Database.open(embedded.dsn, connections=1) as database,
    ):
        rows = await database.fetch("SELECT state, published_at FROM images")
    assert {(row["state"], row["published_at"]) for row in rows} == {("pending", None)}
