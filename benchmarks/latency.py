"""
How long does one picture wait for everything that is not its pixels?

An idle `packshot serve` is asked to `POST /process-image`; the clock runs from the request until the time at
which the row says it became ready. The bare loop renders the same picture in one process. Each picture comes
several times, with other bytes, and on both sides the fastest counts, because a second of compressing varies
by more than what we look for. The figure is the median over the pictures.
"""

import asyncio
from collections.abc import Sequence
from statistics import median
from time import time
from typing import Final

from benchmarks.bare import BareLoop
from benchmarks.results import AtMost, Result
from benchmarks.supplier import pictures, supplying
from benchmarks.system import System, running, scratch
from packshot.database import Database

ROUNDS: Final = 6
REST_SECONDS: Final = 0.5
POLL_SECONDS: Final = 0.05  # seldom, because it runs on these cores too

STATE: Final = """
    SELECT state, error_message, extract(epoch FROM updated_at)::float8 AS at FROM images
     WHERE image_id = $1"""


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
            ours, theirs = [], []
            for number, url in enumerate(supplier.urls(ROUNDS * len(files))):
                await asyncio.sleep(REST_SECONDS)
                ours.append(await _seconds_to_ready(system, database, url))
                await asyncio.sleep(REST_SECONDS)
                theirs.append(await bare.render([number]))
    return [_result(_fastest(ours, len(files)), _fastest(theirs, len(files)))]


async def _seconds_to_ready(system: System, database: Database, url: str) -> float:
    started = time()
    image = await system.post("/process-image", {"image_url": url})
    while True:
        row = await database.fetch_row(STATE, image["id"])
        assert row
        assert row["error_message"] is None, row["error_message"]
        if row["state"] == "ready":
            return float(row["at"]) - started
        await asyncio.sleep(POLL_SECONDS)


def _fastest(seconds: Sequence[float], pictures: int) -> list[float]:
    """Return the milliseconds of the fastest round of each picture; they take turns."""
    return [1000 * min(seconds[number::pictures]) for number in range(pictures)]


def _result(ours: Sequence[float], theirs: Sequence[float]) -> Result:
    overheads = [mine - bare for mine, bare in zip(ours, theirs, strict=True)]
    detail = (
        f"{median(ours):.0f} minus {median(theirs):.0f} ms; {len(ours)} pictures, "
        f"{min(overheads):.0f} to {max(overheads):.0f} ms; {ROUNDS} rounds"
    )
    return Result("POST /process-image to ready minus bare loop", median(overheads), "ms", AtMost(60), detail)
