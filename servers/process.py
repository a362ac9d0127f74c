"""
What the servers have in common: one process group each, a log, ports, and a way to know that it answers.

It does not restart a server that ends, and it knows nothing of what the server does.
"""

import asyncio
import os
import secrets
import shutil
import signal
import socket
import subprocess
from abc import abstractmethod
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any, Final, Self

import psutil

from servers import Server, ServerFailed

# The system gives ports above these to whoever connects somewhere: it could give away a port of ours
# while its server is down.
PORTS: Final = range(20_000, 32_000)
POLL_SECONDS: Final = 0.02
ANSWER_SECONDS: Final = 5
START_SECONDS: Final = 60
STOP_SECONDS: Final = 30
LAST_WORDS: Final = 20


class PrivateServer(Server):
    """A server in a folder, as one process group."""

    stop_signal = signal.SIGTERM

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.log = folder / "log"
        self._process: subprocess.Popen[bytes] | None = None

    @classmethod
    @asynccontextmanager
    async def start(cls, folder: Path) -> AsyncIterator[Self]:
        """Run a new server in `folder` for the block; raise ServerMissing if there is no program for it."""
        server = cls(folder)
        await asyncio.to_thread(server.prepare)
        try:
            await server.run_again()
            yield server
        finally:
            await server.leave()

    @property
    @abstractmethod
    def url(self) -> str:
        """Where the server is."""

    @property
    @abstractmethod
    def command(self) -> Sequence[str | Path]:
        """The command that becomes the server."""

    @property
    @abstractmethod
    def environment(self) -> Mapping[str, str]:
        """All that the server sees of the environment."""

    @property
    def account(self) -> Mapping[str, Any]:
        """Whom the server runs as, in the words of subprocess: us, unless it refuses to."""
        return {}

    @abstractmethod
    def prepare(self) -> None:
        """Write what the server reads when it starts for the first time; may block."""

    @abstractmethod
    async def answers(self) -> bool:
        """Tell whether the server speaks its protocol. An OSError means no."""

    async def run_again(self) -> None:
        """Start the server and return when it answers; raise ServerFailed if it does not."""
        self._process = self._launch()
        with suppress(TimeoutError):
            async with asyncio.timeout(START_SECONDS):
                while self._process.poll() is None:
                    if await self._answers_now():
                        return
                    await asyncio.sleep(POLL_SECONDS)
        failure = self._failed("does not come up")
        await self.kill()
        raise failure

    async def stop(self) -> None:
        """Ask the server to end and wait; raise ServerFailed if it does not."""
        await self.end_by(self.stop_signal)

    async def end_by(self, order: signal.Signals) -> None:
        """Give the server an order to end and wait; raise ServerFailed if it does not."""
        if self._process is None:
            return
        self._process.send_signal(order)
        try:
            async with asyncio.timeout(STOP_SECONDS):
                await self._until_ended()
        except TimeoutError as error:
            raise self._failed("does not stop") from error
        await self.kill()

    async def kill(self) -> None:
        """Kill all that is left of the server, and wait until it is gone."""
        family = self._signal(signal.SIGKILL)
        await self._until_ended()
        while any(map(_is_alive, family)):  # noqa: ASYNC110 - they set no Event
            await asyncio.sleep(POLL_SECONDS)
        self._process = None

    async def leave(self) -> None:
        """End the server for good."""
        await self.kill()

    def freeze(self) -> None:
        """Stop all of the server in its tracks."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let the server go on."""
        self._signal(signal.SIGCONT)

    def last_words(self) -> str:
        """Return the end of the server's log."""
        lines = self.log.read_text(errors="replace").splitlines() if self.log.exists() else []
        return "\n".join(lines[-LAST_WORDS:])

    def _launch(self) -> subprocess.Popen[bytes]:
        """Start the command, in the thread that stays: END_WITH_US means the thread, not the process."""
        with self.log.open("ab") as log:
            return subprocess.Popen(  # noqa: S603 - no shell reads the arguments
                [*END_WITH_US, *self.command],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=self.folder,
                env=self.environment,
                process_group=0,
                **self.account,
            )

    async def _answers_now(self) -> bool:
        with suppress(OSError, EOFError):  # TimeoutError is an OSError
            async with asyncio.timeout(ANSWER_SECONDS):
                return await self.answers()
        return False

    async def _until_ended(self) -> None:
        while self._process is not None and self._process.poll() is None:  # noqa: ASYNC110 - it sets no Event
            await asyncio.sleep(POLL_SECONDS)

    def _signal(self, number: signal.Signals) -> list[psutil.Process]:
        """Send a signal to the process group and to descendants that left it; return these.

        PostgreSQL's sessions and Erlang's helpers leave it. Nobody can fork between being listed and being
        signalled, because the group stands still meanwhile.
        """
        if self._process is None:
            return []
        self._signal_group(signal.SIGSTOP)
        family = _descendants(self._process.pid)
        for process in family:
            with suppress(psutil.NoSuchProcess):
                process.send_signal(number)
        self._signal_group(number)
        return family

    def _signal_group(self, number: signal.Signals) -> None:
        if self._process is not None:
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, number)

    def _failed(self, what: str) -> ServerFailed:
        return ServerFailed(f"{self.url} {what}. {self.log} ends with:\n{self.last_words()}")


def _descendants(pid: int) -> list[psutil.Process]:
    with suppress(psutil.NoSuchProcess):
        return list(psutil.Process(pid).children(recursive=True))
    return []


def _is_alive(process: psutil.Process) -> bool:
    with suppress(psutil.NoSuchProcess):
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    return False


def find_ports(count: int) -> list[int]:
    """Choose ports of 127.0.0.1 that nobody uses."""
    ports: list[int] = []
    while len(ports) < count:
        port = secrets.choice(PORTS)
        if port not in ports and _is_free(port):
            ports.append(port)
    return ports


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


def _end_with_us() -> list[str]:
    """Return the prefix of a command that Linux shall kill when we die, however we die."""
    program = shutil.which("setpriv")
    return [program, "--pdeathsig", "KILL"] if program else []


END_WITH_US: Final = _end_with_us()
