"""
Compression, seen from the parent: a file goes in, its renditions come out, a child does the work.

Foreign bytes meet libvips only in `decoder.py`, in a process of its own that can be killed. Here is
the pool of those processes: started when needed, one picture at a time. A child can open no file, so
it is handed the source, open, and sheets of memory for the renditions, with one line of JSON; it
answers with another, and what is on the sheets is copied. A child that dies or hangs costs one attempt
of one image, and a fresh one takes the next. What a child says is data to be checked. No pixels here,
and no store.
"""

import asyncio
import fcntl
import json
import logging
import os
import re
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import ExitStack, asynccontextmanager, contextmanager, suppress
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
    ImageError,
    ImageProfileTooLarge,
    ImageSideTooLong,
    ImageTooManyBands,
    ImageTooManyFrames,
    ImageTooManyPixels,
    NotAnImage,
    ServiceUnavailable,
)
from packshot.models import Compressed, Facts, Picture, Preset, SourceLimits
from packshot.presets import STAND_INS
from packshot.settings import Settings, cores

log = logging.getLogger(__name__)

WALLS: Final = ("seccomp", "landlock", "unprivileged")
LARGEST_COUNT: Final = 2**31 - 1  # what a row can hold
MOST_MESSAGE_CHARACTERS: Final = 500
BEST_SCORE: Final = 100
LEAST_SCORE: Final = -10_000  # of noise beside a picture; SSIMULACRA2 has no end
COLOUR: Final = re.compile("#[0-9a-f]{6}")
PLACEHOLDER: Final = re.compile("[A-Za-z0-9+/]{1,60}={0,2}")
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
        self._presets = presets
        self._limits = SourceLimits(settings.max_pixels, settings.max_side, settings.max_frames)
        self._children = [
            Child(
                settings.decode_memory_bytes, settings.extra_formats, settings.decode_seconds, jobs_per_child
            )
            for _ in range(min(settings.workers, cores()))
        ]
        self._idle = list(self._children)  # a stack: under light load, one child does it all
        # first come, first served; a queue would let others push in
        self._free = asyncio.Semaphore(len(self._children))

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

    async def compress(self, source: Path, folder: Path, presets: Sequence[Preset] = ()) -> Compressed:
        """Write the renditions of `source` that `presets` name, or all, into `folder`, in their order.

        Raises ImageError for what is wrong with this picture, ServiceUnavailable when no child can be
        started or nothing can be written. A cancelled call leaves no child at work.
        """
        presets = presets or self._presets
        wanted = [(preset.name, encoding.format) for preset in presets for encoding in preset.encodings]
        job = {"presets": [asdict(preset) for preset in presets], "limits": asdict(self._limits)}
        async with self._child() as child:
            try:
                with _handed_out(source, len(wanted)) as (file, sheets):
                    answer = await child.ask(json.dumps(job).encode(), [file, *sheets])
                    compressed = _read(answer, wanted, folder)
                    for sheet, picture in zip(sheets, compressed.pictures, strict=True):
                        await asyncio.to_thread(_keep, sheet, picture)
            except (DecoderCrashed, DecodeOutOfMemory):
                await child.stop()
                raise
        return compressed

    @asynccontextmanager
    async def _child(self) -> AsyncIterator[Child]:
        async with self._free:
            child = self._idle.pop()
            try:
                yield child
            finally:
                self._idle.append(child)


def _read(answer: bytes, wanted: Sequence[tuple[str, str]], folder: Path) -> Compressed:
    """Believe nothing of an answer but its form; the files are ours."""
    try:
        said = json.loads(answer)
        if "error" in said:
            raise _error(said["error"], str(said["message"]), str(said["debug"]))
        told = zip(said["pictures"], wanted, strict=True)
        pictures = tuple(_picture(picture, folder / f"{name}.{format_}") for picture, (name, format_) in told)
        size = _count(said["width"]), _count(said["height"])
        result = Compressed(*size, pictures, _facts(said.get("facts")))
    except (ValueError, TypeError, LookupError, RecursionError, OverflowError) as error:
        raise DecoderCrashed("The decoder process gave an answer that makes no sense.") from error
    if not all(_is_wanted(*both) for both in zip(pictures, wanted, strict=True)):
        raise DecoderCrashed("The decoder process made other renditions than it was asked for.")
    return result


def _is_wanted(picture: Picture, wanted: tuple[str, str]) -> bool:
    name, format_ = wanted
    return picture.preset == name and picture.format in (format_, STAND_INS.get(format_))


@contextmanager
def _handed_out(source: Path, count: int) -> Iterator[tuple[int, list[int]]]:
    """Open the source, and as many sheets of memory to write renditions on.

    A child may keep what it was given. So it is never given a file that will be shown to anybody, and a
    sheet can hold nothing any more once it is taken back.
    """
    with ExitStack() as stack:
        try:
            file = stack.enter_context(source.open("rb"))
            sheets = [stack.enter_context(_sheet()) for _ in range(count)]
        except OSError as error:
            raise ServiceUnavailable(f"The decoder cannot be given its files: {error}") from error
        yield file.fileno(), sheets


@contextmanager
def _sheet() -> Iterator[int]:
    sheet = os.memfd_create("rendition", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    try:
        yield sheet
    finally:
        with suppress(OSError):  # a child that is not behind its walls might have sealed it
            fcntl.fcntl(sheet, fcntl.F_ADD_SEALS, fcntl.F_SEAL_GROW)
            os.ftruncate(sheet, 0)
        os.close(sheet)


def _keep(sheet: int, picture: Picture) -> None:
    """Copy what the child wrote into a file of ours: as much as it says, no more and no less."""
    try:
        fcntl.fcntl(sheet, fcntl.F_ADD_SEALS, fcntl.F_SEAL_GROW)
        is_as_told = os.fstat(sheet).st_size == picture.bytes
        data = os.pread(sheet, picture.bytes, 0) if is_as_told else b""
    except OSError as error:
        raise DecoderCrashed("The decoder process does not give back what it was handed.") from error
    if len(data) != picture.bytes:
        raise DecoderCrashed("The decoder process wrote less or more than it says.")
    try:
        picture.path.write_bytes(data)
    except OSError as error:
        raise ServiceUnavailable(f"The renditions cannot be written: {error}") from error


def _error(code: str, message: str, debug: str) -> ImageError:
    """Translate what the child says is wrong; raise LookupError for what it has no right to say."""
    readable = "".join(
        letter if letter.isprintable() else "?" for letter in message[:MOST_MESSAGE_CHARACTERS]
    )
    error = ERRORS[code](readable)
    level = logging.ERROR if isinstance(error, DecoderCrashed) else logging.DEBUG
    log.log(level, "decoder refused a picture", extra={"reason": readable, "libvips": debug})
    return error


def _picture(said: dict[str, Any], path: Path) -> Picture:
    width, height, size = (_count(said[name]) for name in ("width", "height", "bytes"))
    quality, score = said.get("quality"), said.get("score")
    return Picture(
        str(said["preset"]),
        str(said["format"]),
        width,
        height,
        size,
        path,
        None if quality is None else _count(quality, most=100),
        None if score is None else _number(score, LEAST_SCORE, BEST_SCORE),
    )


def _facts(said: dict[str, Any] | None) -> Facts | None:
    if said is None:
        return None
    if type(said["has_transparency"]) is not bool:
        raise ValueError("has_transparency is not true or false")
    return Facts(
        _text(said["colour"], COLOUR),
        _text(said["placeholder"], PLACEHOLDER),
        said["has_transparency"],
        _number(said["whiteness"], 0, 1),
        _number(said["sharpness"], 0, 1),
    )


def _count(value: object, *, most: int = LARGEST_COUNT) -> int:
    if type(value) is not int or not 1 <= value <= most:
        raise ValueError(f"{value!r} is not a count")
    return value


def _number(value: object, least: float, most: float) -> float:
    if isinstance(value, int | float) and not isinstance(value, bool) and least <= value <= most:
        return float(value)
    raise ValueError(f"{value!r} is not a number from {least} to {most}")


def _text(value: str, form: re.Pattern[str]) -> str:
    if not form.fullmatch(value):
        raise ValueError(f"{value!r} is not what it should be")
    return value
