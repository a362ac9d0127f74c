"""
How much memory does the whole thing need, and does it grow?

PSS (each process's proportional share of every page) is summed over `packshot serve`, its decoder children
and all of PostgreSQL, at rest: fresh, after it has made the pictures, and after thousands of tiny ones. A
child's own peak (VmHWM) is read after the pictures. What there is after the first thousand tiny ones is
compared with the end; pages shared between processes are left out of that, because they are PostgreSQL's
buffers, 32 MB and never more, which it fills once and keeps.
"""

import asyncio
from collections import Counter
from pathlib import Path
from typing import Final

import psutil

from benchmarks.results import AtMost, Result
from benchmarks.supplier import Supplier, pictures, supplying, tiny_picture
from benchmarks.system import System, running, scratch
from packshot.products import MAX_IMAGES
from packshot.settings import cores

MB: Final = 1_000_000
FEW: Final = 1_000
MANY: Final = 5_000
PICTURES: Final = 50
REST_SECONDS: Final = 13  # the children give memory back after ten
SAMPLES: Final = 3  # a second apart; the least counts, because PostgreSQL starts a vacuum when it likes
POLL_SECONDS: Final = 0.2
DECODER: Final = "packshot.decoder"


async def measure() -> list[Result]:
    """Return the megabytes at rest, a child's peak, and the growth over thousands of images."""
    with scratch() as folder:
        files = await pictures(folder)
        async with (
            supplying([file.read_bytes() for file in files]) as supplier,
            supplying([tiny_picture()]) as tiny,
            running("serve", folder) as system,
        ):
            fresh, _ = await _at_rest(system)
            await _process(system, supplier, PICTURES)
            used, _ = await _at_rest(system)
            peak = max(_kilobytes(child, "status")["VmHWM"] for child in _children(system)) * 1024 / MB
            _, few = await _after(system, tiny, FEW)
            long_used, many = await _after(system, tiny, MANY - FEW)
    whole = f"{fresh:.0f} MB fresh, {used:.0f} after {PICTURES} pictures, {long_used:.0f} after {MANY:,} more"
    growth = f"{few:.0f} MB, then {many:.0f} MB, without shared pages"
    return [
        Result("serve at rest with PostgreSQL", max(fresh, used, long_used), "MB", AtMost(300), whole),
        Result("a decoder child's peak", peak, "MB", AtMost(150), f"{PICTURES} pictures, {cores()} children"),
        Result(f"growth from {FEW:,} to {MANY:,} images", 100 * (many / few - 1), "%", AtMost(10), growth),
    ]


async def _after(system: System, supplier: Supplier, count: int) -> tuple[float, float]:
    """Return what there is at rest after so many images, with every child alive."""
    await _process(system, supplier, count)
    await _process(system, supplier, 4 * cores())  # a child is replaced after some hundred pictures
    return await _at_rest(system)


async def _process(system: System, supplier: Supplier, count: int) -> None:
    """Have `count` images made, and wait until every one is ready."""
    urls = supplier.urls(count)
    for start in range(0, count, MAX_IMAGES):
        product_id = await system.submit(urls[start : start + MAX_IMAGES])
        while (state := await _state(system, product_id)) != "ready":
            assert state != "failed", f"an image of product {product_id} failed"
            await asyncio.sleep(POLL_SECONDS)


async def _state(system: System, product_id: int) -> str:
    async with system.http.get(f"/products/{product_id}", raise_for_status=True) as response:
        return str((await response.json())["state"])


async def _at_rest(system: System) -> tuple[float, float]:
    """Return megabytes in all, and without pages that processes share."""
    await asyncio.sleep(REST_SECONDS)
    samples = []
    for _ in range(SAMPLES):
        await asyncio.sleep(1)
        shares = [_kilobytes(process, "smaps_rollup") for process in _tree(system)]
        whole, shared = (sum(share[name] for share in shares) * 1024 / MB for name in ("Pss", "Pss_Shmem"))
        samples.append((whole, whole - shared))
    return min(samples)


def _tree(system: System) -> list[psutil.Process]:
    """Return the processes of `serve` and of PostgreSQL, which is nobody's child."""
    postmaster = int((system.embedded.folder / "cluster" / "postmaster.pid").read_text().split()[0])
    parents = [psutil.Process(system.process.pid), psutil.Process(postmaster)]
    return [process for parent in parents for process in (parent, *parent.children(recursive=True))]


def _children(system: System) -> list[psutil.Process]:
    return [process for process in _tree(system) if DECODER in process.cmdline()]


def _kilobytes(process: psutil.Process, file: str) -> Counter[str]:
    """Read lines like `VmHWM:  1234 kB`; a process that has just ended needs nothing."""
    try:
        lines = Path(f"/proc/{process.pid}/{file}").read_text().splitlines()
    except (FileNotFoundError, ProcessLookupError):
        return Counter()
    words = (line.split() for line in lines if line.endswith(" kB"))
    return Counter({name.rstrip(":"): int(value) for name, value, _ in words})
