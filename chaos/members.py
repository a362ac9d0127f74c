"""
The processes of Packshot, each on a machine of its own: one data folder each, and no lock in common.

A process that dies is started again a moment later, as systemd would do it. Nothing here decides who
dies.
"""

import asyncio
import os
import signal
import sys
from asyncio.subprocess import DEVNULL, Process
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final

import psutil
from servers.process import END_WITH_US

from chaos.worker import DOOM

RESTART_SECONDS: Final = 1
POLL_SECONDS: Final = 0.02
STOP_SECONDS: Final = 30  # promised
STANDSTILL_SECONDS: Final = 120
ENDED_WELL: Final = (0, -signal.SIGTERM)  # the latter while it was only starting
API: Final = ("packshot", "api")
WORKER: Final = ("chaos.worker",)


class Member:
    """One process that runs again and again, and what can happen to it."""

    def __init__(self, module: tuple[str, ...], environment: Mapping[str, str], log: Path) -> None:
        self.doomed: asyncio.Future[Process] | None = None  # a life that will end by itself
        self._doom = ""
        self._command = (*END_WITH_US, sys.executable, "-m", *module)
        self._environment = environment
        self._log = log
        self._process: Process | None = None
        self._may_run = asyncio.Event()
        self._may_run.set()

    @property
    def pid(self) -> int:
        """The process as it is now, or was last."""
        return self._process.pid if self._process else 0

    @property
    def is_alive(self) -> bool:
        """Tell whether the process runs."""
        return self._process is not None and self._process.returncode is None

    async def keep_running(self) -> None:
        """Start the process again whenever it ends, until cancelled; then nothing is left of it."""
        try:
            while True:
                await self._may_run.wait()
                self._process = await self._launch()
                await self._process.wait()
                await asyncio.sleep(RESTART_SECONDS)
        finally:
            self._signal(signal.SIGKILL)

    async def kill(self) -> int:
        """Kill the process, not its children: these must notice; return its id."""
        process = self._running()
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()
        return process.pid

    def condemn(self, doom: str) -> None:
        """Let the next life end by itself at a step."""
        self._doom = doom
        self.doomed = asyncio.get_running_loop().create_future()

    async def doomsday(self) -> int:
        """Wait until the life that was condemned has ended, and return its process id."""
        assert self.doomed, "nobody condemned it"
        process = await self.doomed
        await process.wait()
        self.doomed = None
        return process.pid

    async def standstill(self) -> None:
        """Wait until the life that was condemned has stopped in its tracks."""
        assert self.doomed, "nobody condemned it"
        process = psutil.Process((await self.doomed).pid)
        async with asyncio.timeout(STANDSTILL_SECONDS):
            while process.status() != psutil.STATUS_STOPPED:
                await asyncio.sleep(POLL_SECONDS)
        self.doomed = None

    async def stop(self) -> None:
        """Ask the process to end, wait, and let it stay away until `go`; it must end well, and in time."""
        self._may_run.clear()
        process = self._running()
        with suppress(ProcessLookupError):
            process.terminate()
        async with asyncio.timeout(STOP_SECONDS):
            code = await process.wait()
        assert code in ENDED_WELL, f"a process that was asked to end did so with {code}"

    def go(self) -> None:
        """Let it run again."""
        self._may_run.set()

    def freeze(self) -> None:
        """Stop the process in its tracks, as one that hangs."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on."""
        self._signal(signal.SIGCONT)

    def _running(self) -> Process:
        assert self._process, "it was never started"
        return self._process

    async def _launch(self) -> Process:
        environment = {**self._environment, DOOM: self._doom} if self._doom else self._environment
        with self._log.open("ab") as log:
            process = await asyncio.create_subprocess_exec(
                *self._command,
                env=environment,
                cwd=self._log.parent,
                stdin=DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        if self.doomed and self._doom:
            self.doomed.set_result(process)
        self._doom = ""
        return process

    def _signal(self, number: signal.Signals) -> None:
        if self._process:
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, number)
