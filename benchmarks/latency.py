"""
How long does one picture wait for everything that is not its pixels?

An idle `packshot serve` is asked to `POST /process-image`; the clock runs from the request until the row
says "ready", which we ask PostgreSQL every two milliseconds. The bare loop then renders the same picture
in one process. The figure is the median difference, over pictures whose bytes were never seen before.
Before each one, the system rests long enough for its children to have given back their memory.
"""

import asyncio
from statistics import median, quantiles
from time import perf_counter
from typing import Final

from benchmarks.bare import BareLoop
from benchmarks.results import AtMost, Result
from benchmarks.supplier import pictures, supplying
from benchmarks.system import System, running, scratch
from packshot.database import Database

PICTURES: Final = 30
REST_SECONDS: Final = 1.2
POLL_SECONDS: Final = 0.002

STATE: Final = "SELECT state, error_message FROM images WHERE image_id = $1"


async def measure() -> list[Result]:
    """Return the milliseconds that we add to a picture."""
    with scratch() as folder:
        files = await pictures(folder)
        async with (
            supplying([file.read_bytes() for file in files]) as supplier,
            running("serve", folder) as system,
            Database.open(system.embedded.dsn, connections=1) as database,
            BareLoop.open(folder, files, processes=1) as bare,
        ):
            for url in supplier.urls(len(files)):  # the first picture waits for a child to start
                await _seconds_to_ready(system, database, url)
            rounds = []
            for number, url in enumerate(supplier.urls(PICTURES)):
                await asyncio.sleep(REST_SECONDS)
                rounds.append((await _seconds_to_ready(system, database, url), await bare.render([number])))
    return [_result(rounds)]


async def _seconds_to_ready(system: System, database: Database, url: str) -> float:
    started = perf_counter()
    image = await system.post("/process-image", {"image_url": url})
    while True:
        row = await database.fetch_row(STATE, image["id"])
        assert row
        assert row["error_message"] is None, row["error_message"]
        if row["state"] == "ready":
            return perf_counter() - started
        await asyncio.sleep(POLL_SECONDS)


def _result(rounds: list[tuple[float, float]]) -> Result:
    overheads = [1000 * (ours - bare) for ours, bare in rounds]
    ours, bare = (1000 * median(side) for side in zip(*rounds, strict=True))
    tenths = quantiles(overheads, n=10)
    detail = (
        f"{ours:.0f} minus {bare:.0f} ms; {len(rounds)} pictures, "
        f"eight in ten {tenths[0]:.0f} to {tenths[-1]:.0f} ms"
    )
    return Result("POST /process-image to ready minus bare loop", median(overheads), "ms", AtMost(60), detail)
