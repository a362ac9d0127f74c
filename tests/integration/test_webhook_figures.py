"""What is counted of messages to receivers."""

import asyncio

from tests.lifelines import a_lifeline
from tests.mail import a_courier, guarded, put_out, webhooks_of
from tests.rows import eventually
from tests.supplier import Supplier

from packshot.database import Database
from packshot.stores import Store


async def test_each_attempt_is_counted_by_how_it_ended(database: Database, store: Store) -> None:
    counted: list[str] = []

    async def all_are_counted() -> bool:
        return len(counted) == 3

    async with Supplier() as receiver, a_courier(database, store, guarded(), counted.append) as courier:
        for status in (200, 500, 410):
            await webhooks_of(database).add(receiver.url(f"/status/{status}"))
        await put_out(database)
        async with asyncio.TaskGroup() as tasks:
            going = tasks.create_task(courier.run(a_lifeline()))
            await eventually(all_are_counted)
            going.cancel()

    assert sorted(counted) == ["delivered", "failed", "retry"]
