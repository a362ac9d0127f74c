"""Webhooks of a real process: registered over HTTP, and told whatever happens to the process."""

from pathlib import Path
from typing import Final

from standardwebhooks import Webhook
from tests.mail import move_times
from tests.rows import eventually
from tests.serving import Serving
from tests.supplier import Supplier

from packshot.database import Database

HOOK: Final = "/status/204"


async def told(receiver: Supplier, messages: int) -> None:
    """Return once that many messages have come in."""

    async def all_came() -> bool:
        return receiver.asked[HOOK] == messages

    await eventually(all_came)


def types_of(receiver: Supplier, secret: str) -> list[str]:
    """What the messages tell of, verified as a receiver does it."""
    requests = [request for request in receiver.requests if request.path == HOOK]
    return [Webhook(secret).verify(request.body, dict(request.headers))["type"] for request in requests]


async def test_what_a_killed_process_had_in_hand_is_told_by_the_next_one(
    database_url: str, tmp_path: Path, supplier: Supplier
) -> None:
    settings = {"database_url": database_url, "allow_webhooks": "127.0.0.1"}
    supplier.delays[HOOK] = 60
    async with Serving.start(tmp_path / "data", **settings) as serving:
        webhook = (await serving.client.post("/webhooks", json={"url": supplier.url(HOOK)})).json()
        await serving.submit(supplier.url("/status/404"))
        await told(supplier, messages=2)
        await serving.kill()

    supplier.delays.clear()
    async with Database.open(database_url) as database:
        await move_times(database, "due_at", seconds=-60)
    async with Serving.start(tmp_path / "data", **settings):
        await told(supplier, messages=4)

    assert sorted(types_of(supplier, webhook["secret"])[2:]) == ["image.failed", "product.completed"]
