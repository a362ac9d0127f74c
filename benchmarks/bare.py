"""
The bare loop: decode and encode, and nothing else, in as many processes as there are cores.

    python bare.py FOLDER PICTURE...      renders the pictures whose numbers come in, until stdin ends

It is the yardstick for the whole system, so it has everything the decoder children have: the same
function with the same presets, the same environment, warm processes. All processes take numbers from
one pipe, so none waits while there is work.
"""

import asyncio
import os
import struct
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path
from time import perf_counter
from typing import Self

NUMBER = struct.Struct("=I")


class BareLoop:
    """Processes that wait for work."""

    def __init__(self, processes: Sequence[Process], numbers: int, pictures: int) -> None:
        self._processes = processes
        self._numbers = numbers
        self._pictures = pictures

    @classmethod
    @asynccontextmanager
    async def open(cls, folder: Path, pictures: Sequence[Path], processes: int) -> AsyncIterator[Self]:
        """Start the processes and let each render every picture once; `folder` is for what they write."""
        theirs, ours = os.pipe()
        async with AsyncExitStack() as stack:
            for end in (theirs, ours):
                stack.callback(os.close, end)
            started = [
                await stack.enter_async_context(_started(theirs, f"{folder}/bare-{number}", pictures))
                for number in range(processes)
            ]
            yield cls(started, ours, len(pictures))

    async def render(self, numbers: Sequence[int]) -> float:
        """Render the pictures with these numbers (any number stands for a picture); return the seconds."""
        started = perf_counter()
        os.write(self._numbers, b"".join(NUMBER.pack(number % self._pictures) for number in numbers))
        done = asyncio.Semaphore(0)
        readers = [asyncio.create_task(_count(process, done)) for process in self._processes]
        for _ in numbers:
            await done.acquire()
        seconds = perf_counter() - started
        for reader in readers:
            reader.cancel()
        return seconds


@asynccontextmanager
async def _started(stdin: int, folder: str, pictures: Sequence[Path]) -> AsyncIterator[Process]:
    from packshot.child import ENVIRONMENT  # noqa: PLC0415 - not in the children, as in the real ones

    command = (sys.executable, "-P", __file__, folder, *map(str, pictures))
    process = await asyncio.create_subprocess_exec(*command, stdin=stdin, stdout=PIPE, env=ENVIRONMENT)
    try:
        assert await _line(process) == b"ready\n", "the bare loop does not start"
        yield process
    finally:
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()


async def _count(process: Process, done: asyncio.Semaphore) -> None:
    while await _line(process):
        done.release()


async def _line(process: Process) -> bytes:
    assert process.stdout
    return await process.stdout.readline()


def main(folder: Path, pictures: Sequence[Path]) -> None:
    """Render until stdin ends."""
    render_afresh = _renderer(folder)
    for picture in pictures:
        render_afresh(picture)
    print("ready", flush=True)
    while number := os.read(0, NUMBER.size):  # a pipe gives four bytes to one reader
        render_afresh(pictures[NUMBER.unpack(number)[0]])
        print("done", flush=True)


def _renderer(folder: Path) -> Callable[[Path], None]:
    """Return what makes the files of a picture in a new folder, as a decoder child does."""
    from packshot.loading import prepare  # noqa: PLC0415 - only the children may load libvips
    from packshot.models import SourceLimits  # noqa: PLC0415 - likewise
    from packshot.presets import load_presets  # noqa: PLC0415 - likewise
    from packshot.render import render  # noqa: PLC0415 - likewise

    presets = load_presets(None)
    limits = SourceLimits(sys.maxsize, sys.maxsize, sys.maxsize)
    prepare(())
    folder.mkdir()

    def render_afresh(picture: Path) -> None:
        for made in render(picture.read_bytes(), presets, limits).encoded:
            path = folder / f"{made.preset}.{made.format}"
            path.write_bytes(made.data)
            path.unlink()  # ext4 makes who overwrites a file wait for the disk

    return render_afresh


if __name__ == "__main__":
    main(Path(sys.argv[1]), [Path(name) for name in sys.argv[2:]])
