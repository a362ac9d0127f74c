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
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Final, Self

from servers import ServerFailed

# The system gives ports above these to whoever connects somewhere: it could give away a port of ours
# while its server is down.
PORTS: Final = range(20_000, 32_000)
POLL_SECONDS: Final = 0.02
ANSWER_SECONDS: Final = 5
START_SECONDS: Final = 60
STOP_SECONDS: Final = 30
LAST_WORDS: Final = 20


class PrivateServer(ABC):
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
            await server.kill()

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

    @abstractmethod
    def prepare(self) -> None:
        """Write what the server reads when it starts for the first time; may block."""

    @abstractmethod
    async def answers(self) -> bool:
        """Tell whether the server speaks its protocol. An OSError means no."""

    async def run_again(self) -> None:
        """Start the server and return when it answers; raise ServerFailed if it does not."""
        self._process = self.launch()
        with suppress(TimeoutError):
            async with asyncio.timeout(START_SECONDS):
                while self._process.poll() is None:
                    if await self._answers_now():
                        return
                    await asyncio.sleep(POLL_SECONDS)
        await self.kill()
        raise ServerFailed(f"{self.url} does not come up. {self.log} ends with:\n{self.last_words()}")

    async def stop(self) -> None:
        """Ask the server to end and wait; raise ServerFailed if it does not."""
        if self._process is None:
            return
        self._process.send_signal(self.stop_signal)
        try:
            async with asyncio.timeout(STOP_SECONDS):
                await self._end()
        except TimeoutError as error:
            raise ServerFailed(
                f"{self.url} does not stop. {self.log} ends with:\n{self.last_words()}"
            ) from error
        await self.kill()

    async def kill(self) -> None:
        """Kill all that is left of the server, and wait for it."""
        self._signal(signal.SIGKILL)
        await self._end()
        self._process = None

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

    def launch(self) -> subprocess.Popen[bytes]:
        """Start the command. It must happen in a thread that stays: the kernel ends the server with it."""
        with self.log.open("ab") as log:
            return subprocess.Popen(  # noqa: S603 - no shell reads the arguments
                [*END_WITH_US, *self.command],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=self.folder,
                env=self.environment,
                process_group=0,
            )

    async def _answers_now(self) -> bool:
        with suppress(OSError, EOFError):  # TimeoutError is an OSError
            async with asyncio.timeout(ANSWER_SECONDS):
                return await self.answers()
        return False

    async def _end(self) -> None:
        while self._process is not None and self._process.poll() is None:  # noqa: ASYNC110 - it sets no Event
            await asyncio.sleep(POLL_SECONDS)

    def _signal(self, number: signal.Signals) -> None:
        if self._process is not None:
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, number)


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
