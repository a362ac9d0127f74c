"""
The embedded PostgreSQL: start, stop, nothing else.

All Packshot processes with one data folder share its server: the first starts it, the last to leave
stops it. `gate.lock` is held while one of them starts or stops; `users.lock` is shared by all for as
long as they use the server, and the kernel drops it for a process that is killed. The server is
nobody's child: it outlives a kill -9 of whoever started it, and the next process finds it.

There is no TCP, and the socket takes the OS user who runs Packshot and nobody else. Where the files
lie is cluster.py's business, what is in the database is database.py's. A server that dies is not
started again before the next process arrives.
"""

import asyncio
import fcntl
import os
import signal
import socket
import subprocess
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final
from urllib.parse import quote

from packshot.cluster import Cluster, explained, open_cluster
from packshot.errors import ServiceUnavailable

NO_PID: Final = b"4194305"  # Linux counts to 4194304
POLL_SECONDS: Final = 0.01
START_SECONDS: Final = 120  # recovery after a crash takes its time
START_TRIES: Final = 10  # sessions of a killed server may be at work a little longer, and it has to wait
RETRY_SECONDS: Final = 0.5
STOP_SECONDS: Final = 30

# Memory counts. Data count more: fsync, full_page_writes and synchronous_commit stay on.
SETTINGS: Final = {
    "listen_addresses": "",
    "port": "5432",
    "unix_socket_permissions": "0700",
    "max_connections": "60",
    "shared_buffers": "32MB",
    "maintenance_work_mem": "32MB",
    "effective_cache_size": "256MB",
    "random_page_cost": "1.1",
    "jit": "off",
    "io_method": "sync",  # no I/O workers, no parallel workers, no replication: five processes at rest
    "max_parallel_workers_per_gather": "0",
    "max_logical_replication_workers": "0",
    "autovacuum_worker_slots": "2",
    "autovacuum_max_workers": "2",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "max_wal_size": "512MB",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_min_messages": "log",  # a failed statement is its client's to report
    "log_checkpoints": "off",
}


@dataclass(frozen=True, slots=True)
class Embedded:
    """A running server: a URL for any PostgreSQL client, and the folder where its files really lie."""

    dsn: str
    folder: Path


@dataclass(frozen=True, slots=True)
class _Server:
    """What a server says of itself in postmaster.pid."""

    pid: int
    socket_folder: Path
    status: str

    @property
    def dsn(self) -> str:
        host = quote(os.fsencode(self.socket_folder), safe="")
        return f"postgresql://packshot@/packshot?host={host}&port=5432"


@asynccontextmanager
async def embedded_postgres(data_dir: Path) -> AsyncIterator[Embedded]:
    """Keep the server of `data_dir` running for the block, together with whoever else uses it.

    Raises ConfigError if the folder cannot be used, ServiceUnavailable if the server does not come up.
    """
    with explained(data_dir):
        cluster = await asyncio.to_thread(open_cluster, data_dir)
        users = cluster.open("users.lock")
    with users:
        with explained(data_dir):
            server = await _join(cluster, users)
        try:
            yield Embedded(server.dsn, cluster.folder)
        finally:
            await _leave(cluster, users)


async def _join(cluster: Cluster, users: IO[bytes]) -> _Server:
    """Take part in the server. A start that is called off is finished first: its thread cannot be stopped."""
    async with _gate(cluster):
        fcntl.flock(users, fcntl.LOCK_SH)
        starting = asyncio.create_task(_find_or_start(cluster))
        try:
            return await asyncio.shield(starting)
        except BaseException:
            await asyncio.gather(starting, return_exceptions=True)
            await _stop_if_last(cluster, users)
            raise


async def _leave(cluster: Cluster, users: IO[bytes]) -> None:
    async with _gate(cluster):
        await _stop_if_last(cluster, users)


@asynccontextmanager
async def _gate(cluster: Cluster) -> AsyncIterator[None]:
    """Let one process at a time start or stop the server."""
    with cluster.open("gate.lock") as gate:
        try:
            async with asyncio.timeout(START_SECONDS + STOP_SECONDS):
                await _until(lambda: _try_lock(gate))
        except TimeoutError as error:
            raise ServiceUnavailable(f"Another process has been holding {gate.name} for too long.") from error
        yield


def _try_lock(file: IO[bytes]) -> bool:
    with suppress(BlockingIOError):
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return True
    return False


async def _find_or_start(cluster: Cluster) -> _Server:
    with suppress(TimeoutError):
        async with asyncio.timeout(START_SECONDS):
            for _ in range(START_TRIES):
                if server := await _find(cluster) or await _start(cluster):
                    return server
                await asyncio.sleep(RETRY_SECONDS)
    last_words = "\n".join(cluster.log.read_text(errors="replace").splitlines()[-10:])
    raise ServiceUnavailable(f"PostgreSQL in {cluster.folder} does not come up. It says:\n{last_words}")


async def _find(cluster: Cluster) -> _Server | None:
    """Return the running server, after waiting for one that is still coming up or going down."""
    while server := _read_pid_file(cluster):
        if server.status == "ready" and _answers(server):
            return server
        if not _is_postmaster(server.pid, cluster):
            break
        await asyncio.sleep(POLL_SECONDS)
    return None


async def _start(cluster: Cluster) -> _Server | None:
    """Start a server and wait for it; None if it ends before it is ready."""
    pid = await asyncio.to_thread(_launch, cluster)
    while _is_alive(pid):
        if server := await _find(cluster):
            return server
        await asyncio.sleep(POLL_SECONDS)
    return None


def _read_pid_file(cluster: Cluster) -> _Server | None:
    try:
        lines = os.fsdecode((cluster.data / "postmaster.pid").read_bytes()).split("\n")
    except FileNotFoundError:
        return None
    return _Server(int(lines[0]), Path(lines[4]), lines[7].strip()) if len(lines) > 7 else None  # noqa: PLR2004 - as in pidfile.h


def _answers(server: _Server) -> bool:
    with socket.socket(socket.AF_UNIX) as probe:
        probe.settimeout(1)
        return probe.connect_ex(os.fspath(server.socket_folder / ".s.PGSQL.5432")) == 0


def _is_postmaster(pid: int, cluster: Cluster) -> bool:
    """Tell by its command line: the number alone may be another process's by now."""
    try:
        command = Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False
    return os.fsencode(cluster.data) in command.split(b"\0")


def _is_alive(pid: int) -> bool:
    """Tell whether the process has not ended; a zombie has, even if nobody takes note of it."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


def _launch(cluster: Cluster) -> int:
    """Start a server and return its pid; it may end at any moment."""
    cluster.make_data()
    _disown_pid_file(cluster)
    socket_folder = str(cluster.make_socket_folder()).replace('"', '""')
    settings = [f"--{name}={value}" for name, value in SETTINGS.items()]
    arguments = ["-D", os.fspath(cluster.data), "-k", f'"{socket_folder}"', *settings]
    # The shell ends at once, and what it leaves behind is a child of nobody.
    shell = ("/bin/sh", "-c", '"$@" >&2 & echo $!', "sh")
    with cluster.open_log() as log:
        result = cluster.run(
            *shell, cluster.program("postgres"), *arguments, stdout=subprocess.PIPE, stderr=log
        )
    return int(result.stdout)


def _disown_pid_file(cluster: Cluster) -> None:
    """Let a dead server's pid file name no process, if its number is somebody else's by now.

    PostgreSQL would take that process for itself and not start; in a container, where numbers begin
    at 1 each time, that happens. The rest of the file stays: by it PostgreSQL looks for orphans of the
    dead server that may still be writing.
    """
    pid_file = cluster.data / "postmaster.pid"
    with suppress(FileNotFoundError):
        pid, _, rest = pid_file.read_bytes().partition(b"\n")
        if Path("/proc", os.fsdecode(pid)).exists():
            pid_file.write_bytes(NO_PID + b"\n" + rest)


async def _stop_if_last(cluster: Cluster, users: IO[bytes]) -> None:
    if _try_lock(users):
        await _stop(cluster)
    fcntl.flock(users, fcntl.LOCK_UN)


async def _stop(cluster: Cluster) -> None:
    """Let the server end its sessions and write everything; if that takes too long, stop it at once.

    Nothing is lost then either: it recovers at the next start.
    """
    server = _read_pid_file(cluster)
    if server is None:
        return
    for order in (signal.SIGINT, signal.SIGQUIT):
        with suppress(TimeoutError, ProcessLookupError):
            async with asyncio.timeout(STOP_SECONDS):
                await _kill(server.pid, order, cluster)
    if server.socket_folder.parent != cluster.folder:
        with suppress(OSError):
            server.socket_folder.rmdir()


async def _kill(pid: int, order: signal.Signals, cluster: Cluster) -> None:
    if _is_postmaster(pid, cluster):
        os.kill(pid, order)
    await _until(lambda: not _is_postmaster(pid, cluster))


async def _until(is_true: Callable[[], bool]) -> None:
    while not is_true():  # noqa: ASYNC110 - other processes set no Event
        await asyncio.sleep(POLL_SECONDS)
