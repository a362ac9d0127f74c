"""The overview: what a person sees of everything together, and of what failed."""

import pytest
from tests.rows import a_product, an_image, claimed, fail, finish, image_ids, move_time, state_of

from packshot.database import Database
from packshot.images import Images
from packshot.ledger import Ledger
from packshot.overview import MINUTES, Overview
from packshot.products import Filters, Products
from packshot.workers import Desk, Workers

GONE = ("source_gone", "The server says that there is nothing.")
TEXT = ("not_an_image", "The server sent a text instead of a picture.")


@pytest.fixture
async def failed(products: Products, images: Images, user_id: int) -> list[int]:
    """Three failures on two hosts, for two reasons, and one that stands alone; oldest first."""
    urls = ["https://A.example/1.png", "http://a.example:8080/2.png", "https://b.example/3.png"]
    row = await products.add(a_product(user_id, *urls))
    ids = await image_ids(products, row["product_id"])
    for image_id, verdict in zip(ids, (GONE, TEXT, GONE), strict=True):
        await fail(images, image_id, *verdict)
    return [*ids, await fail(images, await an_image(images, "https://a.example/4.png"))]


async def test_the_totals_say_how_things_stand(
    overview: Overview, products: Products, images: Images, user_id: int
) -> None:
    await products.add(a_product(user_id, *(f"https://a.example/{n}.png" for n in range(4))))
    first, second, third, _ = await image_ids(products, 1)
    await finish(images, await claimed(images, first), data=b"0123456789")
    await fail(images, second)
    await claimed(images, third)

    totals = await overview.totals()

    assert totals.products == 1
    assert totals.images == {"pending": 1, "processing": 1, "ready": 1, "failed": 1}
    assert (totals.source_bytes, totals.rendition_bytes) == (10, 4321)
    assert sum(totals.ready_per_minute) == 1
    assert len(totals.ready_per_minute) == MINUTES
    assert totals.counted_at


async def test_the_age_of_the_oldest_is_that_of_what_is_due_longest(
    overview: Overview, images: Images, database: Database
) -> None:
    for seconds in (-100, -50, 1000):
        await move_time(database, "due_at", seconds, await an_image(images))

    assert (await overview.totals()).oldest_due_seconds == pytest.approx(100, abs=5)


async def test_where_nothing_is_due_nothing_is_old(overview: Overview) -> None:
    assert (await overview.totals()).oldest_due_seconds == 0


async def test_before_the_first_count_the_totals_say_so(
    overview: Overview, ledger: Ledger, images: Images, database: Database
) -> None:
    await an_image(images)
    await database.execute("UPDATE tallied SET seen = NULL")

    assert (await overview.totals()).counted_at is None
    await ledger.keep()
    assert (await overview.totals()).images["pending"] == 1


@pytest.mark.usefixtures("failed")
async def test_failures_are_grouped_by_code_and_host(overview: Overview) -> None:
    groups = await overview.failures()

    assert [(group.code, group.host, group.images) for group in groups] == [
        ("source_gone", "a.example", 2),
        ("not_an_image", "a.example", 1),
        ("source_gone", "b.example", 1),
    ]
    assert groups[1].message == TEXT[1]


async def test_a_group_whose_images_are_tried_again_is_gone(
    failed: list[int], overview: Overview, ledger: Ledger, images: Images
) -> None:
    await overview.failures()

    assert await images.requeue_failed("source_gone", "a.example") == 2
    await ledger.add_up(older_than_seconds=0)

    left = [(group.code, group.host) for group in await overview.failures()]
    assert left == [("not_an_image", "a.example"), ("source_gone", "b.example")]
    assert [await state_of(images, image_id) for image_id in failed] == [
        "pending",
        "failed",
        "failed",
        "pending",
    ]


@pytest.mark.parametrize(
    ("code", "host", "expected"),
    [
        (None, None, [3, 2, 1, 0]),
        ("source_gone", None, [3, 2, 0]),
        (None, "a.example", [3, 1, 0]),
        ("source_gone", "a.example", [3, 0]),
        ("source_gone", "nowhere.example", []),
    ],
)
async def test_failed_images_are_listed_by_code_and_host(
    failed: list[int], overview: Overview, code: str | None, host: str | None, expected: list[int]
) -> None:
    listed = await overview.failed_images(code, host, limit=10)

    assert [image.image_id for image in listed] == [failed[place] for place in expected]
    assert [image.product_name is None for image in listed] == [place == 3 for place in expected]


async def test_pages_of_failures_have_no_gaps_and_no_doubles_while_images_fail_and_are_tried_again(
    overview: Overview, images: Images
) -> None:
    there = [await fail(images, await an_image(images)) for _ in range(9)]
    seen: list[int] = []
    before = None

    while page := await overview.failed_images(before=before, limit=2):
        seen += [image.image_id for image in page]
        before = seen[-1]
        await images.requeue(before)
        await fail(images, await an_image(images))

    assert seen == there[::-1]


async def test_every_failure_can_be_had_at_once(
    failed: list[int], overview: Overview, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("packshot.overview.BATCH", 3)

    listed = [image async for batch in overview.every_failed_image() for image in batch]

    assert [image.image_id for image in listed] == failed[::-1]


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("https://Shop.Example/a", "shop.example"),
        ("http://shop.example:8080/a", "shop.example"),
        ("http://[2001:db8::1]:80/a", "[2001:db8::1]"),
        ("https://shop.example?a=//b", "shop.example"),
        ("https://shop.example#b", "shop.example"),
        ("https://münchen.example/a", "münchen.example"),
        ("https://" + "a" * 500 + "/a", "a" * 253),
        ("nonsense", ""),
    ],
)
async def test_a_host_is_read_from_any_url(database: Database, url: str, host: str) -> None:
    assert (await database.fetch("SELECT source_host($1) AS host", url))[0]["host"] == host


async def test_products_are_found_by_what_went_wrong(
    products: Products, images: Images, user_id: int
) -> None:
    for verdict in (GONE, TEXT, GONE):
        row = await products.add(a_product(user_id, "https://a.example/1.png", "https://a.example/2.png"))
        await fail(images, (await image_ids(products, row["product_id"]))[0], *verdict)
    await images.requeue((await image_ids(products, 3))[0])

    found = await products.page(Filters(error_code="source_gone"), 10)

    assert [row["product_id"] for row in found] == [1]


async def test_the_system_says_who_works_on_which_database(
    overview: Overview, workers: Workers, desk: Desk
) -> None:
    await workers.heartbeat(desk.worker, {"late": 1})

    system = await overview.system()

    assert [(worker["host"], worker["slots"]) for worker in system.workers] == [(desk.worker.host, 4)]
    assert 0 <= system.workers[0]["silent_seconds"] <= system.workers[0]["age_seconds"] < 5
    assert system.database_bytes > 1_000_000
    assert system.migrations[0] == "0001_initial.sql"
    assert system.settings["PACKSHOT_BROKER_URL"] == "memory:"
