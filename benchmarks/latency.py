"""
How long does one picture wait for everything that is not its compressing?

A `packshot serve` with nothing else to do is asked to `POST /process-image`; the clock runs from the request
until the time at which the row says it became ready. What the row says of the step compress is taken off: it
takes a hundred times as long as the rest, and varies by more than that. The bytes were never seen before.
"""

import asyncio
from statistics import median, quantiles
from time import time
from typing import Final

from benchmarks.results import AtMost, Result
from benchmarks.supplier import pictures, supplying
from benchmarks.system import System, running, scratch
from packshot.database import Database

PICTURES: Final = 30
REST_SECONDS: Final = 0.5
POLL_SECONDS: Final = 0.05  # seldom, because it runs on these cores too

STATE: Final = """
    SELECT state, error_message, extract(epoch FROM updated_at)::float8 AS at,
           (timings ->> 'compress')::float8 AS compress_milliseconds
      FROM images WHERE image_id = $1"""


async def measure() -> list[Result]:
    """Return the milliseconds that we add to a picture."""
    with scratch() as folder:
        files = await pictures(folder)
        async with (
            supplying([file.read_bytes() for file in files]) as supplier,
            running("serve", folder) as system,
            Database.open(system.embedded.dsn, connections=1) as database,
        ):
            for url in supplier.urls(len(files)):  # the first picture waits for a child to start
                await _milliseconds(system, database, url)
            spent = []
            for url in supplier.urls(PICTURES):
                await asyncio.sleep(REST_SECONDS)
                spent.append(await _milliseconds(system, database, url))
    return [_result(spent)]


async def _milliseconds(system: System, database: Database, url: str) -> tuple[float, float]:
    """Return the time to ready, and what of it was the step compress."""
    started = time()
    image = await system.post("/process-image", {"image_url": url})
    while True:
        row = await database.fetch_row(STATE, image["id"])
        assert row
        assert row["error_message"] is None, row["error_message"]
        if row["state"] == "ready":
            return 1000 * (row["at"] - started), row["compress_milliseconds"]
        await asyncio.sleep(POLL_SECONDS)


def _result(spent: list[tuple[float, float]]) -> Result:
    overheads = [whole - compress for whole, compress in spent]
    tenths = quantiles(overheads, n=10)
    detail = (
        f"of {median(whole for whole, _ in spent):,.0f} ms; {len(spent)} pictures, "
        f"eight in ten {tenths[0]:.1f} to {tenths[-1]:.1f} ms"
    )
    return Result(
        "POST /process-image to ready, without the compressing", median(overheads), "ms", AtMost(60), detail
    )
