"""From the API to the row to the file, with suppliers of every kind."""

import asyncio
import json
from asyncio.subprocess import PIPE
from pathlib import Path
from time import monotonic

import pytest
import pyvips
from tests.pictures import encode, photo
from tests.serving import Serving
from tests.supplier import PICTURE, Supplier, png

PRESETS = [("large", 1600), ("medium", 800), ("thumb", 200)]


async def test_a_picture_becomes_every_rendition_in_its_size(serving: Serving, supplier: Supplier) -> None:
    supplier.files["/wide.png"] = encode(photo(2000, 1000), "png")

    product = await serving.ended(await serving.submit(supplier.url("/wide.png")))

    (image,) = product["images"]
    assert image["state"] == "ready"
    assert [(r["preset"], r["format"]) for r in image["renditions"]] == [
        (preset, format_) for preset, _ in PRESETS for format_ in ("avif", "jpeg")
    ]
    for rendition in image["renditions"]:
        picture = pyvips.Image.new_from_file(rendition["path"])
        pixels = dict(PRESETS)[rendition["preset"]]
        assert (picture.width, picture.height) == (pixels, pixels // 2)
        assert (rendition["width"], rendition["height"]) == (pixels, pixels // 2)
        assert rendition["bytes"] == Path(rendition["path"]).stat().st_size


async def test_compressed_product_images_names_the_large_avif_of_each_image_in_order(
    serving: Serving, supplier: Supplier
) -> None:
    supplier.files |= {f"/{n}.png": encode(photo(n, n), "png") for n in (10, 20, 30)}

    product = await serving.ended(await serving.submit(*(supplier.url(f"/{n}.png") for n in (30, 10, 20))))

    sizes = [pyvips.Image.new_from_file(path).width for path in product["compressed_product_images"]]
    assert sizes == [30, 10, 20]
    assert all(path.endswith(".avif") for path in product["compressed_product_images"])


async def test_a_failed_image_stays_null_and_its_neighbours_do_not_care(
    serving: Serving, supplier: Supplier
) -> None:
    supplier.files["/good.png"] = PICTURE

    product = await serving.ended(
        await serving.submit(supplier.url("/good.png"), supplier.url("/gone.png"), supplier.url("/good.png"))
    )

    assert product["state"] == "failed"
    assert [path is None for path in product["compressed_product_images"]] == [False, True, False]


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("/status/404", "source_gone"),
        ("/status/403", "source_forbidden"),
        ("/status/418", "source_rejected"),
        ("/status/500", "source_unavailable"),
        ("/hang/1", "source_timeout"),
        ("/drip/1", "source_too_slow"),
        ("/not-http/1", "source_not_http"),
        ("/answer/a%20packing%20nobody%20knows", "source_not_http"),
        ("/answer/a%20redirect%20to%20bytes", "url_invalid"),
        ("/redirect?to=http://169.254.169.254/", "address_forbidden"),
        ("/too-short/1", "source_truncated"),
        ("/cut-chunk/1", "source_truncated"),
        ("/monster/1", "source_too_large"),
        ("/circle/a", "too_many_redirects"),
        ("/page.jpg", "not_an_image"),
        ("/broken.png", "image_damaged"),
    ],
)
async def test_every_misbehaving_supplier_ends_with_a_code(
    serving: Serving, supplier: Supplier, path: str, code: str
) -> None:
    supplier.files["/page.jpg"] = b"<!doctype html><title>Sold out</title>"
    supplier.files["/broken.png"] = png(500, 500)[:-40]

    assert await serving.outcomes([supplier.url(path)]) == [code]


async def test_a_private_address_is_refused_without_a_connection(serving: Serving) -> None:
    async with Supplier(address="127.0.0.2") as private:
        assert await serving.outcomes([private.url("/status/200")]) == ["address_forbidden"]
        assert private.connections == 0


async def test_a_source_that_recovers_is_ready_at_the_second_attempt(
    serving: Serving, supplier: Supplier
) -> None:
    product = await serving.ended(await serving.submit(supplier.url("/flaky/shoe.png")))

    (image,) = product["images"]
    assert (image["state"], image["attempt"], image["error"]) == ("ready", 2, None)


async def test_retry_after_is_honoured(serving: Serving, busy_supplier: Supplier) -> None:
    started = monotonic()

    assert await serving.outcomes([busy_supplier.url("/status/429?retry-after=2")]) == ["source_throttled"]

    assert monotonic() - started >= 2
    assert len(busy_supplier.requests) == 2


async def test_a_waiting_retry_says_when_it_is_due(serving: Serving, busy_supplier: Supplier) -> None:
    product_id = await serving.submit(busy_supplier.url("/status/503?retry-after=3600"))

    product = await serving.when(product_id, lambda images: images[0]["error"])

    (image,) = product["images"]
    assert (image["state"], image["attempt"]) == ("pending", 1)
    assert image["error"]["code"] == "source_unavailable"
    assert image["error"]["transient"] is True
    assert image["error"]["fixed_by"] == "supplier"
    assert image["error"]["retry_at"] > image["updated_at"]


async def test_the_same_url_twice_fills_both_positions_with_one_file(
    serving: Serving, supplier: Supplier
) -> None:
    supplier.files["/twin.png"] = png(123, 77)

    product = await serving.ended(await serving.submit(*[supplier.url("/twin.png")] * 2))

    first, second = product["compressed_product_images"]
    assert first == second
    assert Path(first).is_file()


async def test_a_failed_image_is_ready_after_its_supplier_mends_it_and_somebody_retries(
    serving: Serving, supplier: Supplier
) -> None:
    product = await serving.ended(await serving.submit(supplier.url("/late.png")))
    supplier.files["/late.png"] = PICTURE

    answer = await serving.client.post(f"{product['images'][0]['url']}/retry")

    assert answer.status_code == 202
    assert (await serving.ended(product["product_id"]))["state"] == "ready"


async def test_deleting_a_product_removes_its_files_but_not_those_of_twins(
    serving: Serving, supplier: Supplier
) -> None:
    supplier.files |= {"/own.png": png(31, 17), "/shared.png": png(17, 31)}
    doomed = await serving.submit(supplier.url("/own.png"), supplier.url("/shared.png"))
    other = await serving.submit(supplier.url("/shared.png"))
    own, shared = (await serving.ended(doomed))["compressed_product_images"]
    await serving.ended(other)

    assert (await serving.client.delete(f"/products/{doomed}")).status_code == 204

    assert not Path(own).exists()
    assert Path(shared).exists()


async def test_curl_without_a_header_gets_its_picture_processed_and_served(
    serving: Serving, supplier: Supplier
) -> None:
    supplier.files["/image.jpg"] = PICTURE
    body = json.dumps({"image_url": supplier.url("/image.jpg")})
    curl = await asyncio.create_subprocess_exec(
        "curl", "-sf", "-X", "POST", f"{serving.client.base_url}/process-image", "-d", body, stdout=PIPE
    )
    out, _ = await curl.communicate()
    image = json.loads(out)
    while image["state"] != "ready":
        image = (await serving.client.get(image["url"])).json()

    picture = await serving.client.get(f"{image['url']}/large", headers={"accept": "image/avif,*/*"})

    assert picture.headers["content-type"] == "image/avif"
    assert picture.content == Path(image["renditions"][0]["path"]).read_bytes()


async def test_a_result_for_a_removed_url_is_discarded(serving: Serving, supplier: Supplier) -> None:
    supplier.files |= {"/old.png": png(41, 43), "/new.png": png(43, 41)}
    supplier.delays["/old.png"] = 0.3
    product_id = await serving.submit(supplier.url("/old.png"))
    await serving.when(product_id, lambda images: images[0]["state"] == "processing")

    await serving.client.patch(f"/products/{product_id}", json={"product_images": [supplier.url("/new.png")]})
    product = await serving.ended(product_id)

    (image,) = product["images"]
    assert image["source_url"].endswith("/new.png")
    assert pyvips.Image.new_from_file(product["compressed_product_images"][0]).width == 43
