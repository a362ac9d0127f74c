"""
Compression, seen from the parent: a file goes in, its renditions come out, a child does the work.

Foreign bytes meet libvips only in `decoder.py`, in a process of its own that can be killed. Here is
the pool of those processes: started when needed, one picture at a time. A child can open no file, so
it is handed the source and the files for the renditions, already open, with one line of JSON; it
answers with another. A child that dies or hangs costs one attempt of one image, and a fresh one takes
the next. What a child says is data to be checked. No pixels here, and no store.
"""

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import ExitStack, asynccontextmanager, contextmanager
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from packshot.child import Child
from packshot.errors import (
    ConfigError,
    DecodeOutOfMemory,
    DecoderCrashed,
    FormatUnsupported,
    ImageDamaged,
    ImageProfileTooLarge,
    ImageSideTooLong,
    ImageTooManyBands,
    ImageTooManyFrames,
    ImageTooManyPixels,
    NotAnImage,
    PackshotError,
    ServiceUnavailable,
)
from packshot.models import Compressed, Picture, Preset, SourceLimits
from packshot.settings import Settings, cores

log = logging.getLogger(__name__)

WALLS: Final = ("seccomp", "landlock")
JOBS_PER_CHILD: Final = 500  # then it is replaced, and whatever has leaked goes with it
ERRORS: Final = {  # what a child may say
    kind.code: kind
    for kind in (
        NotAnImage,
        FormatUnsupported,
        ImageDamaged,
        ImageTooManyPixels,
        ImageSideTooLong,
        ImageTooManyFrames,
        ImageTooManyBands,
        ImageProfileTooLarge,
        DecodeOutOfMemory,
        DecoderCrashed,
    )
}


class Compressor:
    """Makes renditions in decoder children, one per core at most. An async context manager."""

    def __init__(
        self, settings: Settings, presets: tuple[Preset, ...], *, jobs_per_child: int = JOBS_PER_CHILD
    ) -> None:
        self._wanted = [(preset.name, encoding.format) for preset in presets for encoding in preset.encodings]
        job = {
            "presets": [asdict(preset) for preset in presets],
            "limits": asdict(SourceLimits(settings.max_pixels, settings.max_side, settings.max_frames)),
            # twice the deadline, because libvips may keep two threads busy; the deadline itself is ours
            "seconds": 2 * settings.decode_seconds,
        }
        self._job = json.dumps(job).encode()
        arguments = (str(settings.decode_memory_bytes), *settings.extra_formats)
        count = min(settings.workers, cores())
        self._children = [Child(arguments, settings.decode_seconds, jobs_per_child) for _ in range(count)]
        self._idle = list(self._children)  # a stack: under light load, one child does it all
        self._free = asyncio.Semaphore(count)  # first come, first served; a queue would let others push in

    async def __aenter__(self) -> Self:
        """Start a first child; raise ConfigError if it cannot or must not work on this machine."""
        try:
            walls = await self._idle[-1].start()
        except ServiceUnavailable as error:
            raise ConfigError(str(error)) from error
        log.info("decoder ready", extra=walls)
        if missing := [wall for wall in WALLS if not walls.get(wall)]:
            log.warning("decoder less confined than it could be", extra={"missing": missing})
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
        paths = [folder / f"{preset}.{format_}" for preset, format_ in self._wanted]
        async with self._child() as child:
            try:
                with _opened(source, paths) as files:
                    answer = await child.ask(self._job, files)
                return self._read(answer, paths)
            except (DecoderCrashed, DecodeOutOfMemory):
                await child.stop()
                raise

    @asynccontextmanager
    async def _child(self) -> AsyncIterator[Child]:
        async with self._free:
            child = self._idle.pop()
            try:
                yield child
            finally:
                self._idle.append(child)

    def _read(self, answer: bytes, paths: Sequence[Path]) -> Compressed:
        """Believe nothing of an answer but its form; the files are ours."""
        try:
            said = json.loads(answer)
            if "error" in said:
                raise _error(said["error"], str(said["message"])[:500], str(said["debug"]))
            told = zip(said["pictures"], paths, strict=True)
            pictures = tuple(_picture(picture, path) for picture, path in told)
            result = Compressed(_count(said["width"]), _count(said["height"]), pictures)
        except (ValueError, TypeError, LookupError, RecursionError) as error:
            raise DecoderCrashed("The decoder process gave an answer that makes no sense.") from error
        if [(picture.preset, picture.format) for picture in result.pictures] != self._wanted:
            raise DecoderCrashed("The decoder process made other renditions than it was asked for.")
        return result


@contextmanager
def _opened(source: Path, paths: Sequence[Path]) -> Iterator[list[int]]:
    """Open the source and a new file for each rendition; what goes wrong here is our trouble."""
    with ExitStack() as stack:
        try:
            files = [source.open("rb"), *(path.open("wb") for path in paths)]
        except OSError as error:
            raise ServiceUnavailable(f"The renditions cannot be written: {error}") from error
        yield [stack.enter_context(file).fileno() for file in files]


def _error(code: str, message: str, debug: str) -> PackshotError:
    """Translate what the child says is wrong; raise LookupError for what it has no right to say."""
    if code == "service_unavailable":
        return ServiceUnavailable(f"The renditions cannot be written: {message}")
    error = ERRORS[code](message)
    level = logging.ERROR if isinstance(error, DecoderCrashed) else logging.DEBUG
    log.log(level, "decoder refused a picture", extra={"reason": message, "libvips": debug})
    return error


def _picture(said: dict[str, Any], path: Path) -> Picture:
    width, height, size = (_count(said[name]) for name in ("width", "height", "bytes"))
    if size != path.stat().st_size:
        raise ValueError(f"{path.name} has another size than {size}")
    return Picture(str(said["preset"]), str(said["format"]), width, height, size, path)


def _count(value: object) -> int:
    if type(value) is not int or value < 1:
        raise ValueError(f"{value!r} is not a count")
    return value
