"""
What do the queue, the database, the download and the store cost on top of the pixels?

A product with many images is sent to `packshot serve` over HTTP; the clock runs from the request to the
commit of the last image. The bare loop renders the same pictures with the same presets on the same cores,
as often. Both sides take turns; each has done every picture once before the first round. The file server
runs on these cores too, and costs us what it costs.
"""

import asyncio
import time
from typing import Final

from benchmarks.bare import BareLoop
from benchmarks.results import AtLeast, Result, ratio
from benchmarks.supplier import Supplier, pictures, supplying
from benchmarks.system import System, running, scratch
from packshot.database import Database
from packshot.products import MAX_IMAGES
from packshot.settings import cores

ROUNDS: Final = 7
ROUND_SECONDS: Final = 6.0
POLL_SECONDS: Final = 0.25  # seldom, because it runs on these cores too; the time is taken from the rows

UNFINISHED: Final = "SELECT 1 FROM images WHERE state IN ('pending', 'processing') LIMIT 1"
OUTCOME: Final = """
    SELECT extract(epoch FROM max(updated_at))::float8 AS finished_at, max(error_message) AS failure
      FROM images WHERE product_id = ANY($1)"""


async def measure() -> list[Result]:
    """Return images per second, ours divided by the bare loop's."""
    with scratch() as folder:
        files = await pictures(folder)
        async with (
            supplying([file.read_bytes() for file in files]) as supplier,
            running("serve", folder) as system,
            Database.open(system.embedded.dsn, connections=1) as database,
            BareLoop.open(folder, files, cores()) as bare,
        ):
            await end_to_end(system, database, supplier.urls(max(len(files), 4 * cores())))
            count = await _enough(bare, len(files))
            rounds = [await _round(system, database, supplier, bare, count) for _ in range(ROUNDS)]
    return [ratio("images per second ÷ bare loop", rounds, "images", AtLeast(0.90))]


async def _enough(bare: BareLoop, pictures: int) -> int:
    """Return how many images keep the cores busy for a round; each picture as often as the others."""
    seconds = await bare.render(range(pictures))
    return max(1, round(ROUND_SECONDS / seconds)) * pictures


async def _round(
    system: System, database: Database, supplier: Supplier, bare: BareLoop, count: int
) -> tuple[float, float]:
    ours = await end_to_end(system, database, supplier.urls(count))
    return count / ours, count / await bare.render(range(count))


async def end_to_end(system: System, database: Database, urls: list[str]) -> float:
    """Submit products and return the seconds until the last image is ready."""
    started = time.time()  # the clock that the database has
    batches = [urls[start : start + MAX_IMAGES] for start in range(0, len(urls), MAX_IMAGES)]
    products = [await system.submit(batch) for batch in batches]
    while await database.fetch_row(UNFINISHED):  # noqa: ASYNC110 - another process sets no Event
        await asyncio.sleep(POLL_SECONDS)
    outcome = await database.fetch_row(OUTCOME, products)
    assert outcome
    assert outcome["failure"] is None, outcome["failure"]
    return float(outcome["finished_at"]) - started
