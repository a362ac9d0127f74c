"""
What do the walls around the decoder cost, and how fast is a picture refused?

The same pictures go through the pool of children, with the walls and without: the children without them
are the same program, in which `confine` does nothing. Both sides take turns on the same cores. Header
checks are what is done with each file before anything is decoded: its format, whether it is whole, its
size. One process does them, in memory, on the same pictures.
"""

import asyncio
import sys
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import mkdtemp
from time import perf_counter
from typing import Final
from unittest.mock import patch

from benchmarks.results import AtLeast, Result, ratio
from benchmarks.supplier import pictures
from benchmarks.system import scratch
from packshot import child
from packshot.compress import Compressor
from packshot.presets import load_presets
from packshot.settings import cores, load_settings

ROUNDS: Final = 9
ROUND_SECONDS: Final = 4.0
CHECKS: Final = 3000
WITHOUT_WALLS: Final = """
import sys
from packshot import decoder
from packshot.sandbox import Walls
decoder.confine = lambda *limits: Walls(0, False, True)
decoder.main(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3:])
"""
CHECK: Final = """
import sys
from pathlib import Path
from time import perf_counter
from packshot.loading import check, prepare
from packshot.models import SourceLimits
prepare(())
limits = SourceLimits(50_000_000, 16_384, 1_000)
files = [Path(name).read_bytes() for name in sys.argv[2:]]
started = perf_counter()
for number in range(int(sys.argv[1])):
    check(files[number % len(files)], limits)
print(int(sys.argv[1]) / (perf_counter() - started))
"""


async def measure() -> list[Result]:
    """Return images per second with the walls divided by those without, and header checks per second."""
    with scratch() as folder:
        files = await pictures(folder)
        async with _pool(child.COMMAND) as walled, _pool((sys.executable, "-c", WITHOUT_WALLS)) as open_:
            await _seconds(open_, files, folder)
            count = max(1, round(ROUND_SECONDS / await _seconds(walled, files, folder))) * len(files)
            sources = [files[number % len(files)] for number in range(count)]
            rounds = []
            for _ in range(ROUNDS):
                with_walls = count / await _seconds(walled, sources, folder)
                rounds.append((with_walls, count / await _seconds(open_, sources, folder)))
        checks = await _checks(files)
    detail = f"{CHECKS:,} checks of {len(files)} pictures of several megapixels in one process"
    return [
        ratio("images per second with walls ÷ without", rounds, "images", AtLeast(0.97)),
        Result("header checks", checks, "checks/s", None, detail),
    ]


@asynccontextmanager
async def _pool(command: Sequence[str]) -> AsyncIterator[Compressor]:
    """Open a pool whose children are all started by that command."""
    pool = Compressor(load_settings(), load_presets(None), jobs_per_child=sys.maxsize)
    with patch.object(child, "COMMAND", command):
        async with pool:
            await asyncio.gather(*(one.start() for one in pool._children))  # noqa: SLF001 - before they are needed
            yield pool


async def _seconds(pool: Compressor, sources: Sequence[Path], folder: Path) -> float:
    """Return how long the pool takes for the pictures, with all cores at work."""
    waiting = iter(sources)
    desks = [Path(mkdtemp(dir=folder)) for _ in range(2 * cores())]
    started = perf_counter()
    await asyncio.gather(*(_work(pool, waiting, desk) for desk in desks))
    return perf_counter() - started


async def _work(pool: Compressor, waiting: Iterator[Path], folder: Path) -> None:
    for source in waiting:
        for picture in (await pool.compress(source, folder)).pictures:
            picture.path.unlink()


async def _checks(files: Sequence[Path]) -> float:
    command = (sys.executable, "-c", CHECK, str(CHECKS), *map(str, files))
    process = await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.PIPE, env=child.ENVIRONMENT
    )
    told, _ = await process.communicate()
    return float(told)
