"""
How long does somebody wait who has just heard of us?

The repository is cloned (what is committed, that is) and `make run` is called, with nothing there before:
it makes the environment, the database, and answers. The clock stops when the first image is ready. Then
it is stopped and started again, until it answers. Packages come from wherever this machine gets them, so
a slow network or an empty cache shows in the first figure; without a network there is none.
"""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from time import perf_counter
from typing import Final

import aiohttp

from benchmarks.results import AtMost, Result
from benchmarks.supplier import supplying, tiny_picture
from benchmarks.system import answering, environment, free_port, scratch, stop_orphaned_postgres

REPOSITORY: Final = Path(__file__).parents[1]
PATIENCE_SECONDS: Final = 600
POLL_SECONDS: Final = 0.02
OFFLINE: Final = re.compile(
    r"name resolution|name or service|network is unreachable|connection refused|dns error|timed out"
    r"|error sending request|could not find a version",
    re.IGNORECASE,
)
# What a stranger's shell does not have: our own environment, and the `make` that called us.
FAMILIAR: Final = ("PYTHONPATH", "VIRTUAL_ENV", "MAKEFLAGS", "MAKELEVEL", "MFLAGS")

FIRST: Final = "git clone, make run, first image"
SECOND: Final = "second make run, until it answers"


async def measure() -> list[Result]:
    """Return the seconds of a first and of a second start."""
    with scratch() as folder:
        try:
            first = await _first_start(folder)
        except ChildProcessError as error:
            if not OFFLINE.search(str(error)):
                raise
            return [_result(name, None, "the packages cannot be had: no network") for name in (FIRST, SECOND)]
        second = await _second_start(folder)
    return [_result(FIRST, first, ""), _result(SECOND, second, "")]


def _result(question: str, seconds: float | None, detail: str) -> Result:
    return Result(question, seconds, "s", AtMost(60 if question == FIRST else 3), detail)


async def _first_start(folder: Path) -> float:
    async with supplying([tiny_picture()]) as supplier:
        started = perf_counter()
        await _clone(folder)
        async with _make_run(folder) as http:
            await _first_image(http, *supplier.urls(1))
            return perf_counter() - started


async def _second_start(folder: Path) -> float:
    started = perf_counter()
    async with _make_run(folder):
        return perf_counter() - started


async def _clone(folder: Path) -> None:
    command = ("git", "clone", "--quiet", REPOSITORY, folder / "clone")
    process = await asyncio.create_subprocess_exec(*command)
    assert await process.wait() == 0, f"{REPOSITORY} cannot be cloned"


@asynccontextmanager
async def _make_run(folder: Path) -> AsyncIterator[aiohttp.ClientSession]:
    ours = environment(folder / "data", free_port())
    env = {name: value for name, value in ours.items() if name not in FAMILIAR}
    try:
        async with answering(
            "make", "run", cwd=folder / "clone", env=env, seconds=PATIENCE_SECONDS
        ) as started:
            yield started[1]
    finally:
        await stop_orphaned_postgres(folder / "data")


async def _first_image(http: aiohttp.ClientSession, url: str) -> None:
    async with http.post("/process-image", json={"image_url": url}, raise_for_status=True) as response:
        image = await response.json()
    while image["state"] != "ready":
        assert image["error"] is None, image["error"]
        await asyncio.sleep(POLL_SECONDS)
        async with http.get(f"/images/{image['id']}", raise_for_status=True) as response:
            image = await response.json()
