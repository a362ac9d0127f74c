"""`packshot reprocess` beside a server that goes on: through a kill, with sources that are gone."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Final

import pytest
from tests.console import packshot, running
from tests.serving import Serving
from tests.supplier import Supplier, png

YESTERDAY: Final = "[large]\npixels = 100\nwebp = { quality = 80 }\n[thumb]\npixels = 20\njpeg = {}\n"
TODAY: Final = YESTERDAY.replace("quality = 80", "quality = 60")
COUNT: Final = 12
GONE: Final = 3
SLOW_SECONDS: Final = 0.2


def keys(images: Sequence[dict[str, Any]]) -> list[list[str]]:
    return [[one["path"] for one in image["renditions"]] for image in images]


@pytest.fixture
async def serving(tmp_path: Path) -> AsyncIterator[Serving]:
    """A server with the presets of yesterday."""
    (tmp_path / "yesterday.toml").write_text(YESTERDAY)
    (tmp_path / "today.toml").write_text(TODAY)
    async with Serving.start(tmp_path / "data", presets_file=tmp_path / "yesterday.toml") as serving:
        yield serving


@pytest.fixture
def reprocess(tmp_path: Path) -> dict[str, Any]:
    """Where the command runs, and its settings: the presets of today."""
    settings = {"data_dir": tmp_path / "data", "presets_file": tmp_path / "today.toml", "workers": 2}
    return {"cwd": tmp_path, "allow_sources": "127.0.0.1", **settings}


async def test_old_images_follow_new_presets_through_a_kill_and_lose_nothing(
    serving: Serving, supplier: Supplier, reprocess: dict[str, Any]
) -> None:
    product_id, old = await a_ready_product(serving, supplier)
    del supplier.files[f"/{GONE}.png"]
    with running("reprocess", **reprocess) as process:
        await serving.when(product_id, lambda images: keys(images) != old)
        process.kill()
    done = changed(await serving.product(product_id), old)
    supplier.requests.clear()

    told = (await asyncio.to_thread(partial(packshot, "reprocess", "--json", **reprocess))).json()

    assert 0 < len(done) < COUNT - 1
    assert not {f"/{n}.png" for n in done} & supplier.asked.keys()
    assert (told["images"], told["left"]) == (COUNT - 1 - len(done), {"source_gone": 1})
    assert [(row["preset"], row["format"]) for row in told["renditions"]] == [("large", "webp")]
    product = await serving.product(product_id)
    assert changed(product, old) == [n for n in range(COUNT) if n != GONE]
    assert_whole(product, old)


async def a_ready_product(serving: Serving, supplier: Supplier) -> tuple[int, list[list[str]]]:
    """Make one whose sources are slow from then on; return its id and the places of its pictures."""
    supplier.files |= {f"/{n}.png": png(90 + n, 60) for n in range(COUNT)}
    product_id = await serving.submit(*(supplier.url(f"/{n}.png") for n in range(COUNT)))
    product = await serving.ended(product_id)
    supplier.delays |= {f"/{n}.png": SLOW_SECONDS for n in range(COUNT)}
    return product_id, keys(product["images"])


def changed(product: dict[str, Any], old: Sequence[Sequence[str]]) -> list[int]:
    """Tell which images have other large pictures than before."""
    return [n for n, places in enumerate(keys(product["images"])) if places[0] != old[n][0]]


def assert_whole(product: dict[str, Any], old: Sequence[Sequence[str]]) -> None:
    """All is ready and there, the product leads to it, and what had not to change has not changed."""
    now = keys(product["images"])
    assert {image["state"] for image in product["images"]} == {"ready"}
    assert all(Path(place).stat().st_size for places in now for place in places)
    assert product["compressed_product_images"] == [large for large, _ in now]
    assert [thumb for _, thumb in now] == [thumb for _, thumb in old]
