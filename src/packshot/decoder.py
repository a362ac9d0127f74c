"""
The decoder child: the only process in which foreign bytes meet libvips.

    python -m packshot.decoder BYTES SECONDS [FORMAT...]    jobs in, JSON lines out, until the parent is gone

`compress.py` starts it and gives it a deadline. Its greeting tells the version of libvips and which
walls stand (`sandbox.py`); behind them it can open nothing. So a job is a message on the socket that
is its stdin: one JSON text, and with it the descriptors of the source and of a file for each rendition.
What it works on is in `render.py`.
"""

import json
import os
import resource
import select
import socket
import sys
import traceback
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager, suppress
from ctypes import CDLL
from dataclasses import asdict
from typing import Any, Final

from packshot.errors import ConfigError, DecoderCrashed, ImageError
from packshot.loading import prepare
from packshot.models import Encoding, Preset, SourceLimits
from packshot.render import Rendering, render
from packshot.resize import reserve
from packshot.sandbox import confine

MOST_JOB_BYTES: Final = 65_536
MOST_DESCRIPTORS: Final = 200
FIRST_OF_OTHERS: Final = 3  # descriptors 0 to 2 are ours
IDLE_SECONDS: Final = 10  # then memory goes back to the system, and the next picture takes 0.1 s longer


def main(memory_bytes: int, cpu_seconds: int, extra_formats: Sequence[str]) -> None:
    """Answer jobs until the parent closes the socket."""
    # some event loops let descriptors of the parent through
    os.closerange(FIRST_OF_OTHERS, resource.getrlimit(resource.RLIMIT_NOFILE)[0])
    jobs = socket.socket(fileno=0)
    answers = os.dup(1)
    os.dup2(2, 1)  # whatever a library prints must not look like an answer
    try:
        greeting = _prepared(memory_bytes, cpu_seconds, extra_formats)
    except (ConfigError, OSError, RuntimeError) as error:
        _say(answers, {"refused": str(error)})
        return
    _say(answers, greeting)
    while (job := _next_job(jobs))[0]:
        text, descriptors = job
        with _closing(descriptors):
            answer = _answer(json.loads(text), *descriptors, extra_formats=extra_formats)
        _say(answers, answer)


def _prepared(memory_bytes: int, cpu_seconds: int, extra_formats: Sequence[str]) -> dict[str, Any]:
    """Have what cannot be had later, put the walls up, and say what stands."""
    version = prepare(extra_formats)
    reserve()
    return {"libvips": version, **asdict(confine(memory_bytes, cpu_seconds))}


def _next_job(jobs: socket.socket) -> tuple[bytes, list[int]]:
    """Wait for a message and its descriptors; both are empty when the parent is gone."""
    if not select.select([jobs], [], [], IDLE_SECONDS)[0]:
        with suppress(AttributeError):  # glibc only
            CDLL(None).malloc_trim(0)
    text, descriptors, _, _ = socket.recv_fds(jobs, MOST_JOB_BYTES, MOST_DESCRIPTORS)
    return text, descriptors


@contextmanager
def _closing(descriptors: Collection[int]) -> Iterator[None]:
    try:
        yield
    finally:
        for descriptor in descriptors:
            os.close(descriptor)


def _say(answers: int, said: dict[str, Any]) -> None:
    os.write(answers, json.dumps(said).encode() + b"\n")


def _answer(job: dict[str, Any], source: int, *outputs: int, extra_formats: Sequence[str]) -> dict[str, Any]:
    presets = [_preset(preset) for preset in job["presets"]]
    try:
        rendering = render(_read(source), presets, SourceLimits(**job["limits"]), extra_formats)
        return _written(rendering, outputs)
    except ImageError as error:
        return {"error": error.code, "message": str(error), "debug": str(error.__cause__)[:500]}
    except Exception:  # noqa: BLE001 - a bug must reach the log of the parent, not kill the child in silence
        message = "The decoder failed in a way that nobody has foreseen."
        return {"error": DecoderCrashed.code, "message": message, "debug": traceback.format_exc()[-2000:]}


def _preset(said: dict[str, Any]) -> Preset:
    encodings = tuple(Encoding(**one) for one in said["encodings"])
    return Preset(**said | {"encodings": encodings, "aspect": tuple(said["aspect"])})


def _read(descriptor: int) -> bytes:
    return os.pread(descriptor, os.lseek(descriptor, 0, os.SEEK_END), 0)


def _written(rendering: Rendering, outputs: Sequence[int]) -> dict[str, Any]:
    """Write each rendition into its file, and tell what they are."""
    pictures = []
    for one, output in zip(rendering.encoded, outputs, strict=True):
        _write(output, one.data)
        told = {"preset": one.preset, "format": one.format, "width": one.width, "height": one.height}
        pictures.append({**told, "bytes": len(one.data), "quality": one.quality, "score": one.score})
    facts = asdict(rendering.facts) if rendering.facts else None
    return {"width": rendering.width, "height": rendering.height, "pictures": pictures, "facts": facts}


def _write(descriptor: int, data: bytes) -> None:
    left = memoryview(data)
    while left:
        left = left[os.write(descriptor, left) :]


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3:])
