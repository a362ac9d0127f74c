"""
One decoder process, seen from its parent: started when needed, asked, killed when in doubt.

A job goes over a socket, because open files can travel with it; the answer comes back as a line. The
process is told nothing else: its environment is written here, and no descriptor is inherited.
"""

import asyncio
import json
import os
import signal
import socket
import sys
import time
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import Sequence
from contextlib import suppress
from math import ceil
from pathlib import Path
from typing import Any, Final, cast

from packshot.errors import (
    DecodeOutOfMemory,
    DecoderCrashed,
    DecodeTimeout,
    ImageError,
    ServiceUnavailable,
)

COMMAND: Final = (sys.executable, "-P", "-m", "packshot.decoder")
ENVIRONMENT: Final = {  # all that a child is told: no secrets
    "PYTHONPATH": str(Path(__file__).parents[1]),
    "VIPS_BLOCK_UNTRUSTED": "1",
    "VIPS_CONCURRENCY": "1",
    "OPENBLAS_NUM_THREADS": "1",  # numpy's; walls stand around a single thread only
    "VIPS_DISC_THRESHOLD": "1000g",  # large pictures stay in memory: a child can open no temporary file
    # glibc: keep memory from picture to picture (an eighth of all time is saved); the child trims when idle
    "MALLOC_ARENA_MAX": "1",
    "MALLOC_MMAP_THRESHOLD_": "33554432",
    "MALLOC_TRIM_THRESHOLD_": "67108864",
    "GLIBC_TUNABLES": "glibc.malloc.hugetlb=1",  # large pages, where there are some: saves a fifteenth more
}
START_SECONDS: Final = 30  # far more than any machine needs to load libvips
CPU_SECONDS: Final = 300  # that a child may use before its last job
CPU_FACTOR: Final = 2  # of the deadline, because libvips may keep two threads busy
CPU_OF_A_PROCESS: Final = 2  # CPUCLOCK_SCHED; the clock of a process is made of this and its number
FAREWELL_SECONDS: Final = 1  # a child that has closed its mouth is gone by then
MOST_ANSWER_BYTES: Final = 65_536


class Child:
    """A decoder process, replaced when it has died, hung or done `most_jobs`; `seconds` are for one job."""

    def __init__(
        self, memory_bytes: int, extra_formats: Sequence[str], seconds: float, most_jobs: int
    ) -> None:
        self._memory_bytes = memory_bytes
        self._extra_formats = extra_formats
        self._seconds = seconds
        self._most_jobs = most_jobs
        self._cpu_seconds = ceil(CPU_SECONDS + CPU_FACTOR * seconds)
        self._jobs = 0
        self._process: Process | None = None
        self._line: socket.socket | None = None

    async def start(self) -> dict[str, Any]:
        """Begin a new process and return its greeting; raise ServiceUnavailable if it does not work."""
        await self.stop()
        self._jobs = 0
        try:
            async with asyncio.timeout(START_SECONDS):
                return await _greeting(await self._spawn())
        except OSError as error:
            await self.stop()
            reason = str(error) or "it is silent"
            raise ServiceUnavailable(f"No decoder process can be started: {reason}") from error
        except BaseException:
            await self.stop()
            raise

    async def ask(self, job: bytes, files: Sequence[int]) -> bytes:
        """Return the child's answer to a job and its open files.

        Raises DecodeTimeout or DecoderCrashed for this job, ServiceUnavailable if there is no child.
        """
        try:
            if self._process is None or not _lives(self._process) or self._is_worn_out(self._process):
                await self.start()
            answer = await self._exchange(cast("Process", self._process), job, files)
        except BaseException:  # also when cancelled: the late answer would be taken for the next one's
            await self.stop()
            raise
        self._jobs += 1
        if self._jobs >= self._most_jobs:
            await self.stop()
        return answer

    async def stop(self) -> None:
        """Kill the process, if there is one, and wait until it is gone."""
        if self._line is not None:
            self._line.close()
        process, self._process = self._process, None
        if process is not None:
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()

    def _is_worn_out(self, process: Process) -> bool:
        """Say whether the next job might end in the limit on processor time, which is for the whole life."""
        return _used_seconds(process) > self._cpu_seconds - CPU_FACTOR * self._seconds - 1

    async def _spawn(self) -> Process:
        self._line, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._line.setblocking(False)
        with theirs:
            self._process = process = await asyncio.create_subprocess_exec(
                *COMMAND,
                str(self._memory_bytes),
                str(self._cpu_seconds),
                *self._extra_formats,
                stdin=theirs.fileno(),
                stdout=PIPE,
                stderr=DEVNULL,
                limit=MOST_ANSWER_BYTES,
                env=ENVIRONMENT,
                cwd="/",
                start_new_session=True,  # Ctrl-C in a terminal is for us
            )
        return process

    async def _exchange(self, process: Process, job: bytes, files: Sequence[int]) -> bytes:
        with suppress(OSError):  # it has just died; what follows says how
            socket.send_fds(cast("socket.socket", self._line), [job], files)
        try:
            async with asyncio.timeout(self._seconds):
                answer = await _stdout(process).readline()
        except TimeoutError:
            limit = f"{self._seconds:g} seconds"
            raise DecodeTimeout(f"Decoding and compressing took longer than {limit}.") from None
        except ValueError as error:  # the line is longer than the limit
            raise DecoderCrashed("The decoder process does not stop talking.") from error
        if not answer:
            raise _death(await _last_words(process))
        return answer


def _lives(process: Process) -> bool:
    """Ask the system, because the event loop hears of a death at rest only a little later."""
    with suppress(ChildProcessError):
        return os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None
    return False


def _death(words: str) -> ImageError:
    """Say what the end of a process means; GLib, below libvips, ends it when it gets no memory."""
    if words == "SIGTRAP":
        return DecodeOutOfMemory("The picture needs more memory than PACKSHOT_DECODE_MEMORY_BYTES.")
    return DecoderCrashed(f"The decoder process died on this picture ({words}).")


def _used_seconds(process: Process) -> float:
    """Return the processor time that a process has used."""
    with suppress(OSError):  # it has just died
        return time.clock_gettime(~process.pid << 3 | CPU_OF_A_PROCESS)
    return 0


def _stdout(process: Process) -> asyncio.StreamReader:
    return cast("asyncio.StreamReader", process.stdout)


async def _greeting(process: Process) -> dict[str, Any]:
    """Return what a new child says of itself."""
    try:
        said = dict(json.loads(await _stdout(process).readline()))
    except (ValueError, TypeError):
        said = {"refused": await _last_words(process)}
    if "refused" in said:
        raise ServiceUnavailable(f"The decoder process does not start: {said['refused']}")
    return said


async def _last_words(process: Process) -> str:
    """Say how a process that has closed its stdout ended."""
    with suppress(TimeoutError):
        async with asyncio.timeout(FAREWELL_SECONDS):
            code = await process.wait()
            return signal.Signals(-code).name if code < 0 else f"exit status {code}"
    return "it closed its output but lives"
