"""GET /events: the stream as a browser reads it, and as nobody reads it."""

import asyncio
import json
from asyncio import StreamReader
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, NoReturn

import pytest
from starlette.types import Message
from tests.callers import Caller, request, serving
from tests.rows import DEADLINE_SECONDS, a_product, eventually

from packshot.app import App, open_api
from packshot.errors import ServiceUnavailable
from packshot.keys import Scope
from packshot.news import Event
from packshot.web import events
from packshot.web.events import EventStream

LAST_CHUNK = "0\r\n"


@pytest.fixture
async def port(app: App) -> AsyncIterator[int]:
    """A server that looks for news, as `packshot serve` does."""
    async with serving(open_api(app)) as port:
        looking = asyncio.create_task(app.news.run(app.lifeline))
        yield port
        app.news.close()
        looking.cancel()


class Tab:
    """A page that listens."""

    def __init__(self, reader: StreamReader) -> None:
        self._reader = reader
        self.last_id = ""

    async def hear(self) -> dict[str, Any]:
        """Wait for the next event."""
        while True:
            line = (await self._reader.readline()).decode()
            assert line not in ("", LAST_CHUNK), "the stream has ended"
            if line.startswith("id: "):
                self.last_id = line[4:].strip()
            if line.startswith("data: "):
                return dict(json.loads(line[6:]))

    async def hear_kind(self, kind: str) -> dict[str, Any]:
        """Wait for the next event of that kind."""
        while (event := await self.hear())["kind"] != kind:
            pass
        return event


@asynccontextmanager
async def listening(port: int, since: str = "", *headers: str) -> AsyncIterator[Tab]:
    async with Caller.calling(port) as caller:
        await caller.say(request(f"GET /events{since}", *headers))
        status, answered = await caller.hear_head()
        assert (status, answered["content-type"]) == (200, "text/event-stream; charset=utf-8")
        yield Tab(caller._reader)  # noqa: SLF001 - a stream has no end to read up to


async def test_a_tab_hears_the_totals_and_then_what_changes(port: int, app: App) -> None:
    async with listening(port) as tab:
        assert (await tab.hear())["kind"] == "totals"
        await app.products.add(a_product(1))

        assert await tab.hear() == {"kind": "product", "product_id": 1, "state": "ready"}
        assert (await tab.hear())["products"] == 1


async def test_a_page_that_follows_another_hears_what_changes_at_once(port: int, app: App) -> None:
    async with listening(port) as tab:
        await tab.hear()

    async with listening(port) as tab:
        await app.products.add(a_product(1))
        assert (await tab.hear_kind("product"))["product_id"] == 1


async def test_a_browser_that_comes_back_hears_what_it_missed(port: int, app: App) -> None:
    async with listening(port) as tab:
        await tab.hear()
        position = tab.last_id
    await app.products.add(a_product(1))

    async with listening(port, "", f"Last-Event-ID: {position}") as tab:
        assert await tab.hear() == {"kind": "product", "product_id": 1, "state": "ready"}


async def test_a_page_listens_from_where_it_was_shown(port: int, app: App) -> None:
    position = (await app.overview.totals()).position
    await app.products.add(a_product(1))

    async with listening(port, f"?since={position}") as tab:
        assert (await tab.hear_kind("product"))["product_id"] == 1


async def test_where_a_browser_was_counts_more_than_where_its_page_was_shown(port: int, app: App) -> None:
    shown = (await app.overview.totals()).position
    await app.products.add(a_product(1))
    heard = (await app.overview.totals()).position
    await app.products.add(a_product(1))

    async with listening(port, f"?since={shown}", f"Last-Event-ID: {heard}") as tab:
        assert (await tab.hear_kind("product"))["product_id"] == 2


async def test_a_tab_that_is_closed_is_forgotten(port: int, app: App) -> None:
    async with listening(port) as tab:
        await tab.hear()

    async def nobody_listens() -> bool:
        return not app.news.listeners

    await eventually(nobody_listens)


async def test_a_stream_ends_with_the_key_that_opened_it(port: int, app: App) -> None:
    secret, _ = await app.keyring.keys.create("Shop", Scope.READ)
    async with listening(port, "", f"Authorization: Bearer {secret}") as tab:
        await tab.hear()
        await app.keyring.keys.revoke(secret)

        await hear_the_end(tab, app)


async def test_a_stream_that_needed_no_key_ends_with_the_first_one(port: int, app: App) -> None:
    async with listening(port) as tab:
        await tab.hear()
        await app.keyring.keys.create("Shop", Scope.READ)

        await hear_the_end(tab, app)


async def hear_the_end(tab: Tab, app: App) -> None:
    """Let the keyring notice, and something happen."""

    async def is_noticed() -> bool:
        return await app.keyring.is_empty() != bool(await app.keyring.keys.usable())

    await eventually(is_noticed)
    await app.products.add(a_product(1))
    with pytest.raises(AssertionError, match="the stream has ended"):
        async with asyncio.timeout(5):
            await tab.hear_kind("product")


async def test_a_server_stops_at_once_although_somebody_listens(app: App) -> None:
    async with AsyncExitStack() as tabs, serving(open_api(app)) as port:
        tab = await tabs.enter_async_context(listening(port))
        await app.news.look()
        await tab.hear()
        app.news.close()


async def test_who_reads_nothing_is_dropped_and_nobody_else_waits(port: int, app: App) -> None:
    async with Caller.calling(port) as deaf, listening(port) as tab:
        await deaf.say(request("GET /events"))
        await tab.hear()
        news = Event("1-1:1:", {"kind": "x" * 50_000})
        while not any(listener.has_ended for listener in app.news.listeners):
            for listener in app.news.listeners:
                listener.tell(news)
            assert await tab.hear() == news.data

        assert [listener.has_ended for listener in app.news.listeners].count(False) == 1


async def nobody_knows() -> NoReturn:
    """Ask for keys while the database is away."""
    raise ServiceUnavailable("The database is away.")


async def stays() -> NoReturn:
    """Receive nothing from a client that reads."""
    await asyncio.Event().wait()
    raise AssertionError("nobody sets it")


async def test_while_nobody_can_say_who_listens_silence_is_all_that_is_told(
    app: App, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(events, "SILENCE_SECONDS", 0.01)
    sent: asyncio.Queue[Message] = asyncio.Queue()
    stream = EventStream(app.news, "", nobody_knows)
    telling = asyncio.create_task(stream({"type": "http"}, stays, sent.put))
    head = await sent.get()
    assert (b"cache-control", b"no-store") in head["headers"]
    assert (b"x-accel-buffering", b"no") in head["headers"]
    assert [(await sent.get())["body"] for _ in range(2)] == [b"retry: 2000\n\n", b":\n\n"]
    for listener in app.news.listeners:
        listener.tell(Event("1-1:1:", {"kind": "image"}))

    await asyncio.wait_for(telling, DEADLINE_SECONDS)

    assert b"image" not in b"".join([sent.get_nowait()["body"] for _ in range(sent.qsize())])


async def test_a_position_that_makes_no_sense_is_told_to_look_again(port: int) -> None:
    async with listening(port, "?since=nonsense") as tab:
        assert (await tab.hear())["kind"] == "many"


async def test_an_endless_position_is_refused(port: int) -> None:
    async with Caller.calling(port) as caller:
        await caller.say(request(f"GET /events?since={'1' * 3000}"))
        assert (await caller.hear_head())[0] == 422
