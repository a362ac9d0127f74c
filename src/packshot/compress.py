"""
Compression, seen from the parent: a file goes in, its renditions come out, a child does the work.

Foreign bytes meet libvips only in `decoder.py`, in a process of its own that can be killed. Here is
the pool of those processes: started when first needed, one picture at a time, one JSON line each
way. A child that dies or hangs costs one attempt of one image, and a fresh one takes the next.
What a child says is data to be checked. No pixels here, and no store.
"""

import asyncio
import json
import logging
import os
import signal
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self, cast

from packshot.errors import (
    DecoderCrashed,
    DecodeTimeout,
    FormatUnsupported,
    ImageDamaged,
    ImageTooManyPixels,
    NotAnImage,
    PackshotError,
    ServiceUnavailable,
)
from packshot.models import Compressed, Picture, Preset
from packshot.settings import Settings, cores

log = logging.getLogger(__name__)

COMMAND: Final = (sys.executable, "-P", "-m", "packshot.decoder")
ENVIRONMENT: Final = {  # all that a child is told: no secrets
    "PYTHONPATH": str(Path(__file__).parents[1]),
    "VIPS_BLOCK_UNTRUSTED": "1",
    "VIPS_CONCURRENCY": "1",
    # glibc: keep memory from picture to picture (an eighth of all time is saved); the child trims when idle
    "MALLOC_ARENA_MAX": "1",
    "MALLOC_MMAP_THRESHOLD_": "33554432",
    "MALLOC_TRIM_THRESHOLD_": "67108864",
}
READY: Final = b"ready\n"
START_SECONDS: Final = 30  # far more than any machine needs to load libvips
FAREWELL_SECONDS: Final = 1  # a child that has closed its mouth is gone by then
MOST_ANSWER_BYTES: Final = 65_536
JOBS_PER_CHILD: Final = 500  # then it is replaced, and whatever has leaked goes with it
ERRORS: Final = {
    kind.code: kind
    for kind in (NotAnImage, FormatUnsupported, ImageDamaged, ImageTooManyPixels, DecoderCrashed)
}


class Compressor:
    """Makes renditions in decoder children, one per core at most. An async context manager."""

    def __init__(
        self, settings: Settings, presets: tuple[Preset, ...], *, jobs_per_child: int = JOBS_PER_CHILD
    ) -> None:
        self._wanted = [(preset.name, encoding.format) for preset in presets for encoding in preset.encodings]
        self._job = {
            "presets": [asdict(preset) for preset in presets],
            "max_pixels": settings.max_pixels,
            # twice the deadline, because libvips may keep two threads busy; the deadline itself is ours
            "limits": {"memory_bytes": settings.decode_memory_bytes, "seconds": 2 * settings.decode_seconds},
        }
        count = min(settings.workers, cores())
        self._children = [Child(settings.decode_seconds, jobs_per_child) for _ in range(count)]
        self._idle: asyncio.LifoQueue[Child] = asyncio.LifoQueue()  # under light load, one child does it all
        for child in self._children:
            self._idle.put_nowait(child)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await asyncio.gather(*(child.stop() for child in self._children))

    async def compress(self, source: Path, folder: Path) -> Compressed:
        """Write the renditions of `source` into `folder`, in the order of the presets.

        Raises ImageError for what is wrong with this picture, ServiceUnavailable when no child can be
        started or nothing can be written. A cancelled call leaves no child at work.
        """
        child = await self._idle.get()
        try:
            return self._read(await child.ask(self._line(source, folder)), folder)
        except DecoderCrashed:
            await child.stop()
            raise
        finally:
            self._idle.put_nowait(child)

    def _line(self, source: Path, folder: Path) -> bytes:
        job = {**self._job, "source": str(source.absolute()), "folder": str(folder.absolute())}
        return json.dumps(job).encode() + b"\n"

    def _read(self, answer: bytes, folder: Path) -> Compressed:
        """Believe nothing of an answer but its form; the paths are ours."""
        try:
            said = json.loads(answer)
            if "error" in said:
                raise _error(said["error"], str(said["message"])[:500], str(said["debug"]))
            pictures = tuple(_picture(picture, folder) for picture in said["pictures"])
            result = Compressed(_count(said["width"]), _count(said["height"]), pictures)
        except (ValueError, TypeError, LookupError, RecursionError) as error:
            raise DecoderCrashed("The decoder process gave an answer that makes no sense.") from error
        if [(picture.preset, picture.format) for picture in result.pictures] != self._wanted:
            raise DecoderCrashed("The decoder process made other renditions than it was asked for.")
        return result


class Child:
    """One decoder process: started when needed, replaced when it has died, hung or done its share."""

    def __init__(self, seconds: float, most_jobs: int) -> None:
        self._seconds = seconds
        self._most_jobs = most_jobs
        self._jobs = 0
        self._process: Process | None = None

    async def ask(self, job: bytes) -> bytes:
        """Return the child's answer to one line of JSON; raise DecodeTimeout or DecoderCrashed."""
        try:
            process = await self._start()
            answer = await self._exchange(process, job)
        except BaseException:  # also when cancelled: the late answer would be taken for the next one's
            await self.stop()
            raise
        self._jobs += 1
        if self._jobs >= self._most_jobs:
            await self.stop()
        return answer

    async def stop(self) -> None:
        """Kill the process, if there is one, and wait until it is gone."""
        process, self._process = self._process, None
        if process is not None:
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()

    async def _start(self) -> Process:
        if self._process is not None and _lives(self._process):
            return self._process
        await self.stop()
        self._jobs = 0
        try:
            self._process = process = await asyncio.create_subprocess_exec(
                *COMMAND,
                stdin=PIPE,
                stdout=PIPE,
                stderr=DEVNULL,
                limit=MOST_ANSWER_BYTES,
                env=ENVIRONMENT,
                cwd="/",
                start_new_session=True,  # Ctrl-C in a terminal is for us
            )
            async with asyncio.timeout(START_SECONDS):
                greeting = await _stdout(process).readline()
        except OSError as error:
            raise ServiceUnavailable(
                f"No decoder process can be started: {error or 'it is silent'}"
            ) from error
        if greeting != READY:
            raise ServiceUnavailable(f"The decoder process does not start ({await _last_words(process)}).")
        return process

    async def _exchange(self, process: Process, job: bytes) -> bytes:
        try:
            async with asyncio.timeout(self._seconds):
                cast("asyncio.StreamWriter", process.stdin).write(job)
                answer = await _stdout(process).readline()
        except TimeoutError:
            raise DecodeTimeout(
                f"Decoding and compressing took longer than {self._seconds:g} seconds."
            ) from None
        except ValueError as error:  # the line is longer than the limit
            raise DecoderCrashed("The decoder process does not stop talking.") from error
        if not answer:
            raise DecoderCrashed(f"The decoder process died on this picture ({await _last_words(process)}).")
        return answer


def _lives(process: Process) -> bool:
    """Ask the system, because the event loop hears of a death at rest only a little later."""
    with suppress(ChildProcessError):
        return os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None
    return False


def _stdout(process: Process) -> asyncio.StreamReader:
    return cast("asyncio.StreamReader", process.stdout)


async def _last_words(process: Process) -> str:
    """Say how a process that has closed its stdout ended."""
    with suppress(TimeoutError):
        async with asyncio.timeout(FAREWELL_SECONDS):
            code = await process.wait()
            return signal.Signals(-code).name if code < 0 else f"exit status {code}"
    return "it closed its output but lives"


def _error(code: str, message: str, debug: str) -> PackshotError:
    """Translate what the child says is wrong; raise LookupError for what it has no right to say."""
    if code == "service_unavailable":
        return ServiceUnavailable(f"The renditions cannot be written: {message}")
    error = ERRORS[code](message)
    level = logging.ERROR if isinstance(error, DecoderCrashed) else logging.DEBUG
    log.log(level, "decoder refused a picture", extra={"reason": message, "libvips": debug})
    return error


def _picture(said: dict[str, Any], folder: Path) -> Picture:
    preset, format_ = str(said["preset"]), str(said["format"])
    width, height, size = (_count(said[name]) for name in ("width", "height", "bytes"))
    return Picture(preset, format_, width, height, size, folder / f"{preset}.{format_}")


def _count(value: object) -> int:
    if type(value) is not int or value < 1:
        raise ValueError(f"{value!r} is not a count")
    return value
