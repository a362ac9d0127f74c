"""The way of one image through the real rooms, and the end that each kind of failure has."""

import logging
from hashlib import sha256
from pathlib import Path

import pytest
from tests.kitchen import MakePipeline, failing
from tests.rows import a_product, an_image, claimed, files_in, state_of

from packshot.database import Database
from packshot.errors import (
    ImageDamaged,
    NotFound,
    PackshotError,
    ServiceUnavailable,
    SourceBusy,
    SourceGone,
    SourceThrottled,
    SourceTimeout,
    StaleClaim,
)
from packshot.images import Images
from packshot.models import Compressed
from packshot.products import Products
from packshot.pulse import Pulse
from packshot.stores import Store, open_store


async def test_a_picture_goes_all_the_way(
    make_pipeline: MakePipeline, products: Products, images: Images, store: Store, user_id: int
) -> None:
    product = await products.add(a_product(user_id, "https://shop.example/shoe"))
    claim = await claimed(images, product["images"][0]["image_id"])

    await make_pipeline().process(claim)

    image = await images.get(claim.image_id)
    assert (image["state"], image["source_sha256"]) == ("ready", sha256(b"shoe").hexdigest())
    assert [(made["preset"], made["format"]) for made in image["renditions"]] == [
        ("large", "avif"),
        ("large", "jpeg"),
        ("small", "avif"),
    ]
    stored = [await store.get(made["key"]) for made in image["renditions"]]
    assert stored == [b"shoelarge", b"shoelarge", b"shoesmall"]
    locations = (await products.get(product["product_id"]))["compressed_product_images"]
    assert locations == [store.location(image["renditions"][0]["key"])]
    assert set(image["timings"]) == {"download", "compress", "store"}


async def test_work_leaves_no_files_but_those_in_the_store(
    make_pipeline: MakePipeline, images: Images, tmp_path: Path
) -> None:
    await make_pipeline().process(await claimed(images, await an_image(images)))
    await make_pipeline(failing(SourceGone("Not there."))).process(
        await claimed(images, await an_image(images))
    )

    assert files_in(tmp_path / "data") == []
    assert len(files_in(tmp_path / "store")) == 3


@pytest.mark.parametrize(
    ("error", "state", "code", "left"),
    [
        (SourceGone("Not there."), "failed", "source_gone", 4),
        (SourceTimeout("Too slow."), "pending", "source_timeout", 4),
        (ServiceUnavailable("Disk full."), "pending", None, 5),
    ],
)
async def test_each_kind_of_failure_has_its_own_end(
    make_pipeline: MakePipeline, images: Images, error: PackshotError, state: str, code: str, left: int
) -> None:
    claim = await claimed(images, await an_image(images))

    await make_pipeline(failing(error)).process(claim)

    image = await images.get(claim.image_id)
    assert (image["state"], image["error_code"]) == (state, code)
    assert image["max_attempts"] - image["attempt"] == left
    assert image["error_message"] == (str(error) if code else None)


async def test_the_decoder_can_fail_an_image_too(make_pipeline: MakePipeline, images: Images) -> None:
    async def fail(_: Path, __: Path, ___: object) -> Compressed:
        raise ImageDamaged("Only its upper half is there.")

    claim = await claimed(images, await an_image(images))
    await make_pipeline(compress=fail).process(claim)

    image = await images.get(claim.image_id)
    assert (image["state"], image["error_code"]) == ("failed", "image_damaged")
    assert image["source_bytes"] == len("shoe.png")


async def test_the_last_attempt_is_the_last(
    make_pipeline: MakePipeline, images: Images, database: Database
) -> None:
    image_id = await an_image(images)
    await database.execute("UPDATE images SET attempt = 4")

    await make_pipeline(failing(SourceTimeout("Too slow."))).process(await claimed(images, image_id))

    assert await state_of(images, image_id) == "failed"


async def test_a_source_that_asks_for_time_gets_it(make_pipeline: MakePipeline, images: Images) -> None:
    claim = await claimed(images, await an_image(images))

    busy = failing(SourceThrottled("Busy.", retry_after_seconds=500))
    await make_pipeline(busy).process(claim)

    image = await images.get(claim.image_id)
    assert (image["due_at"] - image["updated_at"]).total_seconds() == 500


async def test_an_image_whose_host_is_busy_is_given_back_quietly_and_keeps_its_attempts(
    make_pipeline: MakePipeline, images: Images, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, logger="packshot.account")
    claim = await claimed(images, await an_image(images))

    await make_pipeline(failing(SourceBusy("Full.", 30))).process(claim)

    image = await images.get(claim.image_id)
    assert (image["state"], image["error_code"]) == ("pending", None)
    assert image["max_attempts"] - image["attempt"] == 5
    assert (image["due_at"] - image["updated_at"]).total_seconds() == 30
    assert [record.levelname for record in caplog.records] == ["DEBUG"]


@pytest.mark.parametrize(
    ("error", "outcome", "code"),
    [
        (SourceTimeout("Too slow."), "retry", "source_timeout"),
        (SourceGone("Not there."), "failed", "source_gone"),
        (ServiceUnavailable("Full."), "released", None),
        (StaleClaim("Somebody else's."), "discarded", None),
    ],
)
async def test_one_line_says_how_an_attempt_ended_and_why(
    make_pipeline: MakePipeline,
    images: Images,
    caplog: pytest.LogCaptureFixture,
    error: PackshotError,
    outcome: str,
    code: str | None,
) -> None:
    caplog.set_level(logging.INFO)

    await make_pipeline(failing(error)).process(await claimed(images, await an_image(images)))

    (record,) = caplog.records
    said = record.__dict__
    assert (record.message, said["outcome"], said["code"]) == ("attempt ended", outcome, code)
    assert (said["reason"], list(said["milliseconds"])) == (str(error), ["download", "all"])


async def test_the_line_of_a_picture_that_is_ready_has_its_bytes_and_the_time_of_each_step(
    make_pipeline: MakePipeline, images: Images, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)

    await make_pipeline().process(await claimed(images, await an_image(images)))

    (record,) = caplog.records
    said = record.__dict__
    assert (record.levelname, said["outcome"]) == ("INFO", "ready")
    assert list(said["milliseconds"]) == ["download", "compress", "store", "finish", "all"]
    made = (await images.get(1))["renditions"]
    assert (said["bytes_in"], said["bytes_out"]) == (len("boot.jpg"), sum(one["bytes"] for one in made))


async def test_a_store_that_is_away_costs_no_attempt(
    make_pipeline: MakePipeline, images: Images, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("a file stands where the folder should be")
    claim = await claimed(images, await an_image(images))

    await make_pipeline(store=open_store((tmp_path / "file").as_uri())).process(claim)

    image = await images.get(claim.image_id)
    assert (image["state"], image["max_attempts"] - image["attempt"]) == ("pending", 5)


@pytest.mark.parametrize("bug", [RuntimeError("?"), NotFound("not a word about an image")])
async def test_a_bug_leaves_the_image_to_its_lease(
    make_pipeline: MakePipeline, images: Images, tmp_path: Path, bug: Exception
) -> None:
    claim = await claimed(images, await an_image(images))

    with pytest.raises((RuntimeError, TypeError)):
        await make_pipeline(failing(bug)).process(claim)

    assert await state_of(images, claim.image_id) == "processing"
    assert files_in(tmp_path / "data") == []


async def test_what_timed_out_while_we_stood_still_uses_up_no_attempt(
    make_pipeline: MakePipeline, images: Images, monkeypatch: pytest.MonkeyPatch
) -> None:
    claim = await claimed(images, await an_image(images))
    monkeypatch.setattr(Pulse, "stood_still_since", lambda *_: True)

    await make_pipeline(failing(SourceTimeout("Too slow."))).process(claim)

    image = await images.get(claim.image_id)
    assert (image["state"], image["error_code"]) == ("pending", None)
    assert image["max_attempts"] == claim.max_attempts + 1


async def test_a_picture_that_is_damaged_is_damaged_though_we_stood_still(
    make_pipeline: MakePipeline, images: Images, monkeypatch: pytest.MonkeyPatch
) -> None:
    claim = await claimed(images, await an_image(images))
    monkeypatch.setattr(Pulse, "stood_still_since", lambda *_: True)

    await make_pipeline(failing(ImageDamaged("Half of it is missing."))).process(claim)

    assert await state_of(images, claim.image_id) == "failed"
