"""`Idempotency-Key`: a request that is sent again has one effect, and one answer."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from httpx import AsyncClient, Response
from tests.shop import URL, a_product, problem_in, wrong_fields

from packshot.app import App
from packshot.database import ConstraintViolated, Database
from packshot.first_answers import LOCK
from packshot.keys import Scope

KEY = {"Idempotency-Key": '"8e03978e-40d5-43e8-bc93-6894a57f9324"'}
CREATE = ("/products", a_product())
SUBMISSIONS = [
    CREATE,
    ("/products/batch", {"products": [a_product()]}),
    ("/process-image", {"image_url": URL}),
]


async def send(api: AsyncClient, body: object = None, path: str = "/products", **headers: str) -> Response:
    return await api.post(path, json=body or a_product(), headers={**KEY, **headers})


async def count(app: App) -> int:
    return int((await app.backlog.summary())["products"])


async def age(database: Database, hours: float) -> None:
    sql = "UPDATE idempotent_answers SET created_at = created_at - make_interval(secs => $1)"
    await database.execute(sql, hours * 3600)


async def kept(database: Database) -> set[str]:
    return {row["key"] for row in await database.fetch("SELECT key FROM idempotent_answers")}


@asynccontextmanager
async def in_flight(database: Database) -> AsyncIterator[None]:
    """Somebody else, maybe in another process, is answering the first request."""
    async with database.transaction() as connection:
        await connection.execute(LOCK, 0, KEY["Idempotency-Key"])
        yield


@pytest.mark.parametrize(("path", "body"), SUBMISSIONS, ids=lambda value: str(value)[:14])
async def test_the_same_request_gets_the_first_answer_word_for_word(
    api: AsyncClient, path: str, body: dict[str, Any]
) -> None:
    first = await send(api, body, path)
    again = await send(api, body, path)

    assert first.is_success
    assert (again.status_code, again.content) == (first.status_code, first.content)
    for header in ("location", "content-type"):
        assert again.headers.get(header) == first.headers.get(header)


async def test_an_answer_says_whether_it_is_a_repeated_one(api: AsyncClient) -> None:
    first = await send(api)
    again = await send(api)

    assert "idempotent-replayed" not in first.headers
    assert again.headers["idempotent-replayed"] == "true"


async def test_a_request_that_is_sent_again_has_one_effect(api: AsyncClient, app: App) -> None:
    for _ in range(3):
        await send(api)

    assert await count(app) == 1


async def test_an_image_added_to_a_product_is_added_once(api: AsyncClient) -> None:
    product_id = (await send(api)).json()["product_id"]
    body = {"image_url": URL + "?side", "product_id": product_id}

    for _ in range(2):
        await send(api, body, "/process-image", **{"Idempotency-Key": "side"})

    assert len((await api.get(f"/products/{product_id}")).json()["images"]) == 2


async def test_without_a_key_each_request_is_one_of_its_own(api: AsyncClient, app: App) -> None:
    for _ in range(2):
        await api.post("/products", json=a_product())

    assert await count(app) == 2
    assert await kept(app.database) == set()


@pytest.mark.parametrize(
    ("path", "body"),
    [("/products", a_product(product_price="1")), ("/process-image", a_product())],
    ids=["another body", "another path"],
)
async def test_the_key_of_another_request_is_refused(
    api: AsyncClient, app: App, path: str, body: dict[str, Any]
) -> None:
    await send(api)

    assert wrong_fields(await send(api, body, path)) == ["idempotency-key"]
    assert await count(app) == 1


async def test_several_keys_for_one_request_are_refused(api: AsyncClient, app: App) -> None:
    headers = [("Idempotency-Key", "one"), ("Idempotency-Key", "two")]

    answer = await api.post("/products", json=a_product(), headers=headers)

    assert wrong_fields(answer) == ["idempotency-key"]
    assert await count(app) == 0


async def test_while_the_first_request_is_in_flight_the_second_one_does_not_wait(
    api: AsyncClient, app: App
) -> None:
    async with in_flight(app.database):
        answer = await send(api)

    assert "not been answered yet" in problem_in(answer, 409)["detail"]
    assert answer.headers["retry-after"] == "1"
    assert await count(app) == 0


async def test_of_many_at_once_one_is_done_and_the_others_repeat_it_or_are_told_to_wait(
    api: AsyncClient, app: App
) -> None:
    answers = await asyncio.gather(*(send(api) for _ in range(8)))

    assert {answer.status_code for answer in answers} <= {201, 409}
    assert len({answer.content for answer in answers if answer.is_success}) == 1
    assert await count(app) == 1


async def test_what_was_answered_is_repeated_even_to_many_at_once(api: AsyncClient, app: App) -> None:
    first = await send(api)

    async with in_flight(app.database):
        again = await send(api)

    assert again.content == first.content


async def test_what_was_refused_can_be_tried_again(api: AsyncClient, app: App) -> None:
    stranger = a_product(user_id=2)
    assert wrong_fields(await send(api, stranger)) == ["user_id"]
    await app.users.add("Grace")

    assert (await send(api, stranger)).status_code == 201


async def test_what_was_refused_does_not_hold_the_key(api: AsyncClient) -> None:
    assert wrong_fields(await send(api, a_product(product_price=-1))) == ["product_price"]

    assert (await send(api)).status_code == 201


@pytest.mark.parametrize(("path", "body"), SUBMISSIONS, ids=lambda value: str(value)[:14])
async def test_what_was_done_is_undone_if_its_answer_cannot_be_kept(
    api: AsyncClient, app: App, path: str, body: dict[str, Any]
) -> None:
    await app.database.execute("ALTER TABLE idempotent_answers ADD CONSTRAINT is_full CHECK (false)")
    try:
        with pytest.raises(ConstraintViolated, match="is_full"):
            await send(api, body, path)
    finally:
        await app.database.execute("ALTER TABLE idempotent_answers DROP CONSTRAINT is_full")

    assert await count(app) == 0
    assert await app.database.fetch("SELECT FROM images") == []


@pytest.mark.parametrize("key", ["", "x" * 256, "two words", "tab\t.", "größe"])
async def test_a_key_that_is_too_long_or_not_printable_is_refused(
    api: AsyncClient, app: App, key: str
) -> None:
    answer = await api.post("/products", json=a_product(), headers=[(b"Idempotency-Key", key.encode())])

    assert wrong_fields(answer) == ["idempotency-key"]
    assert await kept(app.database) == set()


async def test_the_longest_key_is_taken(api: AsyncClient) -> None:
    assert (await send(api, **{"Idempotency-Key": "~" * 255})).status_code == 201


async def test_after_a_day_a_key_is_new(api: AsyncClient, app: App) -> None:
    await send(api)
    await age(app.database, 23.9)
    assert "idempotent-replayed" in (await send(api)).headers
    await age(app.database, 0.2)

    assert "idempotent-replayed" not in (await send(api, a_product(product_price="1"))).headers
    assert await count(app) == 2


async def test_a_new_answer_takes_old_ones_away(api: AsyncClient, app: App) -> None:
    await send(api, **{"Idempotency-Key": "old"})
    await age(app.database, 25)

    await send(api, **{"Idempotency-Key": "new"})

    assert await kept(app.database) == {"new"}


async def test_a_product_is_announced_once_it_is_committed(api: AsyncClient, app: App) -> None:
    announced: list[bool] = []
    app.producer.wake = lambda: announced.append(True)

    async with in_flight(app.database):
        await send(api)
    assert announced == []

    await send(api)
    assert announced == [True]


async def test_the_key_of_somebody_else_is_another_one(api: AsyncClient, app: App) -> None:
    secrets = [(await app.keyring.keys.create(name, Scope.WRITE))[0] for name in ("Ada", "Grace")]

    for secret in secrets:
        await send(api, Authorization=f"Bearer {secret}")

    assert await count(app) == 2


async def test_the_body_is_compared_as_it_was_sent(api: AsyncClient) -> None:
    text = json.dumps(a_product())
    first = await api.post("/products", content=text, headers=KEY)
    other = await api.post("/products", content=text + " ", headers=KEY)

    assert first.status_code == 201
    assert wrong_fields(other) == ["idempotency-key"]
