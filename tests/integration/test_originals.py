"""A source as it is now, to be looked at beside what was made of it: real downloads, real decoders."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import pytest
import pyvips
from fastapi import FastAPI
from httpx import AsyncClient
from tests.pictures import corners, encode, picture
from tests.ready import made, show
from tests.rows import files_in
from tests.shop import create, problem_in
from tests.supplier import Supplier
from tests.visitor import look

from packshot.app import App
from packshot.errors import ImageDamaged, SourceGone
from packshot.originals import MOST_KEPT, Originals
from packshot.presets import load_presets
from packshot.settings import load_settings
from packshot.workers import Desk

PHOTO = encode(picture(1800, 1200), "jpeg")


@pytest.fixture
async def supplier() -> AsyncIterator[Supplier]:
    async with Supplier(files={"/photo.jpg": PHOTO}) as supplier:
        yield supplier


@pytest.fixture
def originals(desk: Desk, tmp_path: Path) -> Iterator[Originals]:
    settings = load_settings(data_dir=tmp_path, allow_sources=("127.0.0.1",))
    yield Originals(settings, desk, load_presets(None))
    assert files_in(tmp_path) == []


async def test_a_source_is_shown_without_loss_in_the_shape_of_the_preset(
    originals: Originals, supplier: Supplier
) -> None:
    original = await originals.show(supplier.url("/photo.jpg"), "large")

    shown = pyvips.Image.new_from_buffer(original.png, "")
    assert (shown.width, shown.height, corners(shown)) == (1600, 1067, "RGBW")
    assert shown.get("vips-loader") == "pngload_buffer"
    assert original.sha256 == sha256(PHOTO).hexdigest()


async def test_who_looks_twice_downloads_once_and_only_the_last_few_are_kept(
    originals: Originals, supplier: Supplier
) -> None:
    urls = [supplier.url(f"/{number}.png") for number in range(MOST_KEPT + 1)]
    supplier.files |= {f"/{number}.png": encode(picture(), "png") for number in range(MOST_KEPT + 1)}

    for url in (urls[0], *urls, urls[0]):
        await originals.show(url, "thumb")

    assert supplier.asked["/0.png"] == 2
    assert supplier.asked["/1.png"] == 1


async def test_who_looks_at_the_same_time_waits_for_one_download(
    originals: Originals, supplier: Supplier
) -> None:
    supplier.files["/twice.png"] = encode(picture(), "png")

    await asyncio.gather(*(originals.show(supplier.url("/twice.png"), "thumb") for _ in range(2)))

    assert supplier.asked["/twice.png"] == 1


async def test_a_source_is_not_made_sharper_than_it_is(
    desk: Desk, tmp_path: Path, supplier: Supplier
) -> None:
    settings = load_settings(data_dir=tmp_path, allow_sources=("127.0.0.1",))
    sharp, soft = (
        Originals(settings, desk, [replace(load_presets(None)[0], pixels=64, sharpen=sharpen)])
        for sharpen in (True, False)
    )

    url = supplier.url("/photo.jpg")

    assert (await sharp.show(url, "large")).png == (await soft.show(url, "large")).png


async def test_a_preset_that_is_gone_is_the_first_of_today(originals: Originals, supplier: Supplier) -> None:
    original = await originals.show(supplier.url("/photo.jpg"), "huge")

    assert pyvips.Image.new_from_buffer(original.png, "").width == 1600


async def test_what_cannot_be_shown_says_why(originals: Originals, supplier: Supplier) -> None:
    supplier.files["/half.jpg"] = PHOTO[: len(PHOTO) // 2]

    with pytest.raises(SourceGone):
        await originals.show(supplier.url("/gone.jpg"), "large")
    with pytest.raises(ImageDamaged):
        await originals.show(supplier.url("/half.jpg"), "large")


async def test_a_source_that_is_another_one_today_is_shown_for_minutes_and_says_so(
    api: AsyncClient, app: App, routes: FastAPI, supplier: Supplier
) -> None:
    url = supplier.url("/photo.jpg")
    image = (await create(api, product_images=[url]))["images"][0]
    await show(app, image["id"], made("large", "jpeg", 96, 64))
    settings = app.settings.model_copy(update={"allow_sources": ("127.0.0.1",)})
    originals = Originals(settings, app.desk, load_presets(None))
    routes.state.backend = replace(routes.state.backend, originals=originals)

    shown = await api.get(f"/console/images/{image['id']}/source")

    assert shown.content == (await originals.show(url, "large")).png
    assert shown.headers["content-type"] == "image/png"
    assert shown.headers["cache-control"] == "private, max-age=300"
    assert shown.headers["x-packshot-note"].startswith("The supplier has another file there now")


async def test_the_console_shows_a_source_only_to_itself(api: AsyncClient, app: App) -> None:
    image = (await create(api, product_images=["http://10.0.0.1/photo.jpg"]))["images"][0]
    path = f"/console/images/{image['id']}/source"
    reason = problem_in(await api.get(path), 404)["detail"]
    assert reason.endswith("nothing to compare its source with.")
    assert reason in await look(api, path, 404)
    await show(app, image["id"], made("large", "jpeg", 96, 64))

    assert "10.0.0.1" in problem_in(await api.get(path), 502)["detail"]
    embedded = {"sec-fetch-site": "cross-site", "sec-fetch-mode": "no-cors"}
    assert (await api.get(path, headers=embedded)).status_code == 403
