"""
What does the way through a message queue cost, with all servers on this machine?

Images per second, as in `throughput`, with `packshot serve` on RabbitMQ and then on Kafka. Messages per
second: a broker alone with a publisher and a taker in one process, the messages as the sweeper sends
them, the clock from the first publish to the last delivery.
"""

import asyncio
from time import perf_counter
from typing import Final

from servers.kafka import Kafka
from servers.rabbitmq import RabbitMQ

from benchmarks.bare import BareLoop
from benchmarks.results import AtLeast, Result, ratio
from benchmarks.supplier import pictures, supplying
from benchmarks.system import running, scratch
from benchmarks.throughput import end_to_end
from packshot.brokers import Broker, open_broker
from packshot.database import Database
from packshot.models import Hint
from packshot.settings import cores

SERVERS: Final = {"RabbitMQ": RabbitMQ, "Kafka": Kafka}
ROUNDS: Final = 5
ROUND_SECONDS: Final = 6.0
MESSAGES: Final = 20_000
BATCH: Final = 500
SLOTS: Final = 16


async def measure() -> list[Result]:
    """Return images per second divided by the bare loop's, and messages per second, for each broker."""
    results = []
    for name, server in SERVERS.items():
        with scratch() as folder:
            async with server.start(folder / "server") as started:
                results.append(await _images(name, started.url))
                results.append(await _messages(name, started.url))  # last: some may come again
    return results


async def _messages(name: str, url: str) -> Result:
    broker = open_broker(url, SLOTS, lambda _: None)
    taking = asyncio.create_task(_take(broker, MESSAGES))
    while not broker.room():  # noqa: ASYNC110 - it sets no Event
        await asyncio.sleep(0.01)
    started = perf_counter()
    for first in range(1, MESSAGES, BATCH):
        await broker.publish([Hint(image_id, image_id) for image_id in range(first, first + BATCH)])
    published = perf_counter() - started
    await taking
    through = perf_counter() - started
    await broker.close()
    detail = f"{MESSAGES:,} messages; published and confirmed at {MESSAGES / published:,.0f}/s"
    return Result(f"messages through {name}", MESSAGES / through, "messages/s", None, detail)


async def _take(broker: Broker, count: int) -> None:
    async for delivery in broker.deliveries():
        await delivery.done()
        count -= 1
        if not count:
            return


async def _images(name: str, url: str) -> Result:
    with scratch() as folder:
        files = await pictures(folder)
        async with (
            supplying([file.read_bytes() for file in files]) as supplier,
            running("serve", folder, broker_url=url) as system,
            Database.open(system.embedded.dsn, connections=1) as database,
            BareLoop.open(folder, files, cores()) as bare,
        ):
            await end_to_end(system, database, supplier.urls(max(len(files), 4 * cores())))
            seconds = await bare.render(range(len(files)))
            count = max(1, round(ROUND_SECONDS / seconds)) * len(files)
            rounds = []
            for _ in range(ROUNDS):
                ours = await end_to_end(system, database, supplier.urls(count))
                rounds.append((count / ours, count / await bare.render(range(count))))
    return ratio(f"images per second with {name} ÷ bare loop", rounds, "images", AtLeast(0.85))
