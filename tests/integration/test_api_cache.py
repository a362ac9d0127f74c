"""GET /products/{id} with Redis and without: conditional requests, and that no answer is ever old."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from time import monotonic
from typing import Final

import pytest
from httpx import AsyncClient
from servers.redis import Redis as Server
from tests.rows import a_product, claimed, finish, image_ids
from tests.shop import create, problem_in, read

from packshot.app import App, open_app
from packshot.database import Database
from packshot.images import Images
from packshot.products import Products
from packshot.settings import load_settings
from packshot.web.reader import ProductReader
from packshot.web.views import ProductView

OPERATIONS: Final = 10_000
CLIENTS: Final = 20
HITS: Final = "return tonumber(string.match(redis.call('INFO', 'stats'), 'keyspace_hits:(%d+)'))"
SOME_PRODUCTS: Final = 7
WRITE_EVERY: Final = 5


@pytest.fixture(params=["with Redis", "without"])
async def app(
    request: pytest.FixtureRequest, redis: Server, database_url: str, tmp_path: Path
) -> AsyncIterator[App]:
    url = redis.url if request.param == "with Redis" else ""
    async with open_app(load_settings(database_url=database_url, data_dir=tmp_path, cache_url=url)) as app:
        await app.users.add_first()
        yield app


@pytest.fixture
async def apps(redis: Server, database_url: str, tmp_path: Path) -> AsyncIterator[list[App]]:
    """Two that know each other only through PostgreSQL and Redis."""
    settings = load_settings(database_url=database_url, data_dir=tmp_path, cache_url=redis.url)
    async with AsyncExitStack() as stack:
        apps = [await stack.enter_async_context(open_app(settings)) for _ in range(2)]
        await apps[0].users.add_first()
        yield apps


def reader_of(app: App) -> ProductReader:
    return ProductReader(app.products, app.store, app.cache)


async def hits(redis: Server) -> int:
    """How often a key that was asked for was there, since the start of the test."""
    answer = await redis.tell(f'EVAL "{HITS}" 0')
    return int(answer.removeprefix(b":"))


async def etag_of(api: AsyncClient, url: str) -> str:
    return (await api.get(url)).headers["etag"]


async def test_whoever_has_the_product_already_gets_no_body(api: AsyncClient) -> None:
    url = f"/products/{(await create(api))['product_id']}"
    first = await api.get(url)

    again = await api.get(url, headers={"If-None-Match": first.headers["etag"]})

    assert (again.status_code, again.content) == (304, b"")
    assert again.headers["etag"] == first.headers["etag"]
    assert again.headers["cache-control"] == first.headers["cache-control"] == "no-cache"


@pytest.mark.parametrize("header", ["*", "W/{}", '"other", {}', '{},"other"'])
async def test_a_condition_may_be_written_in_every_way_there_is(api: AsyncClient, header: str) -> None:
    url = f"/products/{(await create(api))['product_id']}"
    condition = {"If-None-Match": header.format(await etag_of(api, url))}

    assert (await api.get(url, headers=condition)).status_code == 304


async def test_the_etag_of_another_product_is_none_of_this_one(api: AsyncClient) -> None:
    one, other = [f"/products/{(await create(api))['product_id']}" for _ in range(2)]
    condition = {"If-None-Match": await etag_of(api, other)}

    assert (await api.get(one, headers=condition)).status_code == 200


async def test_a_condition_on_a_product_that_is_gone_is_not_found(api: AsyncClient) -> None:
    url = f"/products/{(await create(api))['product_id']}"
    etag = await etag_of(api, url)
    await api.delete(url)

    problem_in(await api.get(url, headers={"If-None-Match": etag}), 404)
    problem_in(await api.get(url), 404)


async def test_head_says_what_get_says(api: AsyncClient) -> None:
    url = f"/products/{(await create(api))['product_id']}"

    head, get = [await ask(url, headers={"X-Request-Id": "7"}) for ask in (api.head, api.get)]

    assert head.headers == get.headers


async def test_the_second_answer_is_the_first_one(api: AsyncClient) -> None:
    url = f"/products/{(await create(api))['product_id']}"

    assert (await api.get(url)).content == (await api.get(url)).content


async def test_every_step_of_an_image_gives_its_product_a_new_etag(
    api: AsyncClient, products: Products, images: Images
) -> None:
    product_id = (await create(api))["product_id"]
    url = f"/products/{product_id}"
    pending = await etag_of(api, url)
    (image_id,) = await image_ids(products, product_id)

    claim = await claimed(images, image_id)
    processing = await etag_of(api, url)
    assert (await read(api, url))["state"] == "processing"
    await finish(images, claim)
    ready = await etag_of(api, url)

    assert (await read(api, url))["state"] == "ready"
    assert len({pending, processing, ready}) == 3


async def test_a_write_that_changes_no_time_is_seen(api: AsyncClient, database: Database) -> None:
    product_id = (await create(api))["product_id"]
    url = f"/products/{product_id}"
    before = await etag_of(api, url)

    await database.execute("UPDATE products SET product_name = 'Suede' WHERE product_id = $1", product_id)

    assert (await read(api, url))["product_name"] == "Suede"
    assert await etag_of(api, url) != before


async def test_a_request_that_redis_keeps_waiting_is_answered_all_the_same(
    apps: list[App], redis: Server
) -> None:
    product_id = (await apps[0].products.add(a_product(1)))["product_id"]
    reader = reader_of(apps[0])
    answer = await reader.read(product_id, "")
    redis.freeze()
    try:
        started = monotonic()
        answers = await asyncio.gather(*(reader.read(product_id, "") for _ in range(100)))
        assert monotonic() - started < 1
    finally:
        redis.thaw()

    assert set(answers) == {answer}


class Traffic:
    """Reads and writes of some products through two apps, which notes what is older than it may be."""

    def __init__(self, apps: list[App], product_ids: list[int]) -> None:
        self.old: list[tuple[int, int]] = []
        self._apps = apps
        self._readers = [reader_of(app) for app in apps]
        self._turns = iter(range(OPERATIONS))
        self._changes = dict.fromkeys(product_ids, 0)  # how many have returned
        self._one_at_a_time = {product_id: asyncio.Lock() for product_id in product_ids}

    async def drive(self) -> None:
        """Take turns until there are none left."""
        product_ids = list(self._changes)
        for turn in self._turns:
            act = self._look if turn % WRITE_EVERY else self._change
            await act(turn // 3 % len(self._apps), product_ids[turn % len(product_ids)])

    async def _change(self, app: int, product_id: int) -> None:
        async with self._one_at_a_time[product_id]:
            name = str(self._changes[product_id] + 1)
            await self._apps[app].producer.change(product_id, {"product_name": name})
            self._changes[product_id] += 1

    async def _look(self, app: int, product_id: int) -> None:
        least = self._changes[product_id]
        answer = await self._readers[app].read(product_id, "")
        seen = int(ProductView.model_validate_json(answer.body or b"").product_name)
        if seen < least:
            self.old.append((seen, least))


async def test_no_answer_is_older_than_a_change_that_was_made_before(apps: list[App], redis: Server) -> None:
    added = [await apps[0].products.add(a_product(1, name="0")) for _ in range(SOME_PRODUCTS)]
    traffic = Traffic(apps, [product["product_id"] for product in added])

    await asyncio.gather(*(traffic.drive() for _ in range(CLIENTS)))

    assert traffic.old == []
    assert await hits(redis) > OPERATIONS / 10


async def test_redis_is_what_answers(apps: list[App], redis: Server) -> None:
    product_id = (await apps[0].products.add(a_product(1)))["product_id"]
    first = await reader_of(apps[0]).read(product_id, "")

    await reader_of(apps[1]).read(product_id, "")

    assert await hits(redis) == 1
    assert await reader_of(apps[1]).read(product_id, "") == first
