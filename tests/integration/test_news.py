"""The news: who listens hears what changed, wherever it happened and wherever they come back to."""

import asyncio
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from functools import partial
from typing import Any

import pytest
from tests.lifelines import a_lifeline
from tests.rows import a_product, an_image, claimed, image_ids

from packshot.database import Database
from packshot.errors import ServiceUnavailable
from packshot.images import Images
from packshot.ledger import Ledger
from packshot.lifecycle import GiveUp
from packshot.news import (
    MANY,
    MOST_LISTENERS,
    MOST_PRODUCTS,
    MOST_UNHEARD,
    Event,
    Listener,
    News,
    read_position,
)
from packshot.overview import Overview
from packshot.products import Products
from packshot.settings import load_settings

NOTHING: Mapping[str, Any] = {}


@pytest.fixture
def make_news(database: Database) -> Callable[[], News]:
    """Another process, with news of its own."""
    return lambda: News(database, Overview(database, Ledger(database), load_settings()))


@pytest.fixture
def news(make_news: Callable[[], News]) -> News:
    return make_news()


async def heard(listener: Listener, news: News) -> list[Event]:
    """Everything that a listener is told by one look."""
    listener.tell(Event("", NOTHING))
    await news.look()
    listener.tell(Event("", NOTHING))
    assert await listener.hear() == Event("", NOTHING)
    events = []
    while (event := await listener.hear()) != Event("", NOTHING):
        assert event
        events.append(event)
    return events


def products_in(events: list[Event]) -> dict[int, str]:
    return {event.data["product_id"]: event.data["state"] for event in events if "product_id" in event.data}


async def test_a_listener_begins_with_the_totals(news: News, products: Products, user_id: int) -> None:
    await products.add(a_product(user_id, "https://a.example/1.png"))

    with news.listening() as listener:
        events = await heard(listener, news)

    assert [event.data["kind"] for event in events] == ["totals"]
    assert events[0].data["products"] == 1
    assert events[0].data["images"]["pending"] == 1


async def test_every_move_of_an_image_is_news_of_its_product(
    news: News, products: Products, images: Images, user_id: int
) -> None:
    product_id = (await products.add(a_product(user_id, "https://a.example/1.png")))["product_id"]
    image_id = (await image_ids(products, product_id))[0]

    async def give_up() -> None:
        await images.give_up(await claimed(images, image_id), GiveUp("source_gone", "Not there."))

    with news.listening() as listener:
        await heard(listener, news)
        for move, state in (
            (give_up, "failed"),
            (partial(images.requeue, image_id), "pending"),
            (partial(images.claim, image_id), "processing"),
            (images.release_held, "pending"),
            (partial(products.remove, product_id), "deleted"),
        ):
            await move()
            assert products_in(await heard(listener, news)) == {product_id: state}


async def test_an_edited_name_is_news(news: News, products: Products, user_id: int) -> None:
    product_id = (await products.add(a_product(user_id)))["product_id"]
    with news.listening() as listener:
        await heard(listener, news)
        await products.change(product_id, {"product_name": "Boot"})

        assert products_in(await heard(listener, news)) == {product_id: "ready"}


async def test_an_image_without_a_product_is_news(news: News, images: Images) -> None:
    with news.listening() as listener:
        await heard(listener, news)
        await an_image(images)

        assert [event.data["kind"] for event in await heard(listener, news)] == ["image", "totals"]


async def test_where_nothing_changes_there_is_no_news(news: News) -> None:
    with news.listening() as listener:
        await heard(listener, news)

        assert await heard(listener, news) == []


async def test_while_nothing_changes_the_totals_tell_how_time_passes(
    news: News, monkeypatch: pytest.MonkeyPatch
) -> None:
    with news.listening() as listener:
        await heard(listener, news)
        monkeypatch.setattr("packshot.news.TOTALS_SECONDS", 0)

        assert [event.data["kind"] for event in await heard(listener, news)] == ["totals"]


async def test_who_comes_first_hears_nothing_of_what_happened_while_nobody_listened(
    news: News, products: Products, user_id: int
) -> None:
    with news.listening() as listener:
        await heard(listener, news)
    await products.add(a_product(user_id))

    with news.listening() as listener:
        assert [event.data["kind"] for event in await heard(listener, news)] == ["totals"]


async def test_all_processes_tell_the_same(
    make_news: Callable[[], News], products: Products, user_id: int
) -> None:
    here, there = make_news(), make_news()
    with here.listening() as first, there.listening() as second:
        for listener, news in ((first, here), (second, there)):
            await heard(listener, news)
        await products.add(a_product(user_id))

        assert (
            products_in(await heard(first, here)) == products_in(await heard(second, there)) == {1: "ready"}
        )


async def test_who_comes_back_to_another_process_hears_what_was_missed(
    make_news: Callable[[], News], products: Products, user_id: int
) -> None:
    before, after = make_news(), make_news()
    with before.listening() as listener:
        position = (await heard(listener, before))[-1].position
    product_id = (await products.add(a_product(user_id)))["product_id"]

    found = await after.since(position)

    assert [*found.events] == [{"kind": "product", "product_id": product_id, "state": "ready"}]
    assert (await after.since(found.position)).events == []


async def test_a_page_that_was_shown_before_it_listened_misses_nothing(
    news: News, overview: Overview, products: Products, user_id: int
) -> None:
    shown = await overview.totals()
    await products.add(a_product(user_id))

    assert len((await news.since(shown.position)).events) == 1


async def test_what_is_committed_late_is_not_missed(
    news: News, products: Products, database: Database, user_id: int
) -> None:
    early = (await products.add(a_product(user_id)))["product_id"]
    with news.listening() as listener:
        async with database.transaction() as slow:
            await slow.execute("UPDATE products SET product_name = 'late' WHERE product_id = $1", early)
            await heard(listener, news)
            late = (await products.add(a_product(user_id)))["product_id"]
            assert products_in(await heard(listener, news)) == {late: "ready"}

        assert products_in(await heard(listener, news)) == {early: "ready"}


async def test_more_than_anybody_wants_to_hear_is_told_as_many(
    news: News, products: Products, database: Database, user_id: int
) -> None:
    with news.listening() as listener:
        await heard(listener, news)
        await products.add(a_product(user_id))
        await database.execute(
            "INSERT INTO products (user_id, product_name, product_description, product_images, product_price,"
            " compressed_product_images) SELECT user_id, 'x', '', '{}', 1, '{}'"
            " FROM products, generate_series(1, $1::int)",
            MOST_PRODUCTS,
        )

        assert [event.data["kind"] for event in await heard(listener, news)] == ["many", "totals"]


async def test_who_was_away_for_too_long_looks_again(news: News, overview: Overview) -> None:
    seconds, _, snapshot = (await overview.totals()).position.partition("-")

    found = await news.since(f"{int(seconds) - 1000}-{snapshot}")

    assert [*found.events] == [MANY]
    assert (await news.since(found.position)).events == []


@pytest.mark.parametrize(
    "position",
    [
        "",
        "nonsense",
        "1-2",
        "1-0:5:",
        "1-5:4:",
        "1-5:9:8,7",
        "1-5:9:10",
        "1-5:9:6,",
        "99999999999999-1:1:",
        "1-99999999999999999999:99999999999999999999:",
        "1-5:9:" + ",".join(["6"] * 10_000),
        "1-5:9:6' OR 'x",
        "\u0661-\u0665:\u0669:",
    ],
)
async def test_a_position_that_is_none_is_answered_with_look_again(news: News, position: str) -> None:
    assert [*(await news.since(position)).events] == [MANY]


async def test_a_position_of_another_server_is_answered_with_look_again(
    news: News, overview: Overview
) -> None:
    seconds = (await overview.totals()).position.partition("-")[0]

    assert [*(await news.since(f"{seconds}-900000000:900000000:")).events] == [MANY]


def test_every_position_that_postgresql_writes_can_be_read() -> None:
    assert read_position("1763820000-745:750:745,748") == (1763820000, "745:750:745,748")
    assert read_position("1763820000-745:745:") == (1763820000, "745:745:")


async def test_who_does_not_listen_is_let_go_and_costs_no_more_memory() -> None:
    listener = Listener()
    for _ in range(10 * MOST_UNHEARD):
        listener.tell(Event("", NOTHING))

    told = [await listener.hear() for _ in range(MOST_UNHEARD + 1)]

    assert told == [*[Event("", NOTHING)] * MOST_UNHEARD, None]
    assert listener._unheard.empty()  # noqa: SLF001 - the memory is what this is about


async def test_nothing_is_asked_after_the_last_listener_left(
    news: News, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks = 0
    look = news.look

    async def counted() -> None:
        nonlocal looks
        looks += 1
        await look()

    monkeypatch.setattr(news, "look", counted)
    monkeypatch.setattr("packshot.news.POLL_SECONDS", 0)
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(news.run(a_lifeline()))
        with news.listening() as listener:
            await listener.hear()
        for _ in range(10):
            await database.fetch("SELECT 1")  # time for as many looks
        running.cancel()

    assert looks == 1


async def test_listeners_are_counted(news: News) -> None:
    with ExitStack() as stack:
        for _ in range(MOST_LISTENERS):
            stack.enter_context(news.listening())
        with pytest.raises(ServiceUnavailable), news.listening():
            pass


async def test_nobody_is_kept_when_the_process_ends(news: News) -> None:
    with news.listening() as there:
        news.close()
        with news.listening() as late:
            assert await there.hear() is None
            assert await late.hear() is None
