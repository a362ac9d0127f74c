"""
A Packshot of our own: a real process on a free port, in a folder that is removed afterwards.

The embedded PostgreSQL is shared by all Packshot processes with one data folder, and the last to leave
stops it. We come first and leave last, so it ends whatever happens to the process that is measured.
"""

import asyncio
import os
import shutil
import signal
import socket
import sys
from asyncio.subprocess import DEVNULL, Process
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory, TemporaryFile
from typing import IO, Any, Final

import aiohttp

import packshot
from packshot.database import Database
from packshot.postgres import Embedded, embedded_postgres

HOST: Final = "127.0.0.1"
STOP_SECONDS: Final = 30
POLL_SECONDS: Final = 0.01
PACKSHOT: Final = (sys.executable, "-m", "packshot")
AT_WORK: Final = "SELECT 1 FROM workers WHERE slots > 0"

PRODUCT: Final = {
    "user_id": 1,
    "product_name": "Leather shoe, brown",
    "product_description": "A shoe for the left foot, and one for the right.",
    "product_price": "79.90",
}


@dataclass(frozen=True, slots=True)
class System:
    """A running Packshot, and how to talk to it."""

    process: Process
    embedded: Embedded
    port: int
    http: aiohttp.ClientSession

    async def post(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """Send JSON and return the JSON of the answer; raise ClientResponseError if it is refused."""
        async with self.http.post(path, json=body, raise_for_status=True) as response:
            answer: dict[str, Any] = await response.json()
        return answer

    async def submit(self, urls: list[str]) -> int:
        """Create a product with these images and return its id."""
        product = await self.post("/products", {**PRODUCT, "product_images": urls})
        return int(product["product_id"])


@contextmanager
def scratch() -> Iterator[Path]:
    """Make a folder for a benchmark's files, and remove whatever grew in it."""
    with TemporaryDirectory(prefix="packshot-bench-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        if os.geteuid() == 0:
            folder.chmod(0o755)  # it is ours and empty; PostgreSQL runs as another user then
        try:
            yield folder
        finally:
            shutil.rmtree((folder / "data" / "postgres").resolve(), ignore_errors=True)  # may lie elsewhere


@asynccontextmanager
async def running(command: str, folder: Path, **settings: str) -> AsyncIterator[System]:
    """Run `packshot serve` or `packshot api` in `folder` for the block, and wait until it answers."""
    data_dir, port = folder / "data", free_port()
    env = environment(data_dir, port, **settings)
    async with (
        embedded_postgres(data_dir) as embedded,
        answering(*PACKSHOT, command, cwd=folder, env=env) as (process, http),
    ):
        yield System(process, embedded, port, http)


@asynccontextmanager
async def working(count: int, folder: Path, database: Database, **settings: str) -> AsyncIterator[None]:
    """Run that many `packshot work` beside `running` for the block, and wait until they are at work."""
    env = environment(folder / "data", free_port(), **settings)
    async with AsyncExitStack() as stack:
        for _ in range(count):
            process = await asyncio.create_subprocess_exec(
                *PACKSHOT, "work", cwd=folder, env=env, stdout=DEVNULL, stderr=DEVNULL, start_new_session=True
            )
            stack.push_async_callback(_stop, process)
        while len(await database.fetch(AT_WORK)) < count:  # noqa: ASYNC110 - other processes set no Event
            await asyncio.sleep(POLL_SECONDS)
        yield


@asynccontextmanager
async def answering(
    *command: str, cwd: Path, env: Mapping[str, str], seconds: float = 30
) -> AsyncIterator[tuple[Process, aiohttp.ClientSession]]:
    """Run a command that starts the API, for the block, from the moment when it can do its work.

    Raises ChildProcessError with the command's last words if it ends before.
    """
    with TemporaryFile() as log:
        process = await asyncio.create_subprocess_exec(
            *command, cwd=cwd, env=env, stdout=log, stderr=log, start_new_session=True
        )
        try:
            async with aiohttp.ClientSession(f"http://{HOST}:{env['PACKSHOT_PORT']}") as http:
                async with asyncio.timeout(seconds):
                    if not await _is_ready(http, process):
                        raise ChildProcessError(f"{' '.join(command)} ended:\n{_tail(log)}")
                yield process, http
        finally:
            await _stop(process)


def environment(data_dir: Path, port: int, **settings: str) -> dict[str, str]:
    """Return our environment with settings that keep a Packshot apart; all others are as delivered."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("PACKSHOT_")}
    return {
        **inherited,
        "PYTHONPATH": str(Path(packshot.__file__).parents[1]),
        "PACKSHOT_DATA_DIR": str(data_dir),
        "PACKSHOT_PORT": str(port),
        "PACKSHOT_ALLOW_SOURCES": HOST,
        **{f"PACKSHOT_{name.upper()}": value for name, value in settings.items()},
    }


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.create_server((HOST, 0)) as probe:
        return int(probe.getsockname()[1])


async def stop_orphaned_postgres(data_dir: Path) -> None:
    """Stop what is left when all who used it were killed: as its last user."""
    if (data_dir / "postgres" / "cluster" / "postmaster.pid").exists():
        async with embedded_postgres(data_dir):
            pass


async def _is_ready(http: aiohttp.ClientSession, process: Process) -> bool:
    """Wait until the API answers (True) or the process has ended."""
    while process.returncode is None:
        with suppress(aiohttp.ClientError):
            async with http.get("/readyz") as response:
                if response.ok:
                    return True
        await asyncio.sleep(POLL_SECONDS)
    return False


async def _stop(process: Process) -> None:
    """End the process and all of its group, politely first, and wait until they are gone."""
    for order in (signal.SIGINT, signal.SIGKILL):
        with suppress(ProcessLookupError, TimeoutError):
            os.killpg(process.pid, order)
            async with asyncio.timeout(STOP_SECONDS):
                await process.wait()
                while True:  # signal 0 only asks, and fails when nobody is left
                    os.killpg(process.pid, 0)
                    await asyncio.sleep(POLL_SECONDS)


def _tail(log: IO[bytes]) -> str:
    log.seek(0)
    return log.read().decode(errors="replace")[-2000:]
