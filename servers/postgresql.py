"""
PostgreSQL as a separate server with a URL, made of the programs that Packshot embeds.

It listens on TCP, where everybody on this machine is let in, and it does not wait for disks: it survives
being killed, not a power cut. The embedded server is packshot/postgres.py, and tests have that already.
"""

import os
import signal
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import asyncpg

from packshot.cluster import ENVIRONMENT, Cluster, open_cluster
from servers.process import PrivateServer, find_ports

SETTINGS: Final = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "shared_buffers": "32MB",
    "dynamic_shared_memory_type": "mmap",  # files in its folder; a killed server leaves others behind
    "fsync": "off",
    "full_page_writes": "off",
    "timezone": "UTC",
    "log_timezone": "UTC",
}


class PostgreSQL(PrivateServer):
    """A PostgreSQL server with an empty database `packshot`."""

    stop_signal = signal.SIGINT  # "fast": sessions end, and everything is written

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        (self.port,) = find_ports(1)

    @property
    def url(self) -> str:
        """Where the server is."""
        return f"postgresql://packshot@127.0.0.1:{self.port}/packshot?sslmode=disable"

    @property
    def command(self) -> Sequence[str | Path]:
        """The server with its settings."""
        settings = [f"--{name}={value}" for name, value in SETTINGS.items()]
        return self._cluster.program("postgres"), "-D", self._cluster.data, f"--port={self.port}", *settings

    @property
    def environment(self) -> Mapping[str, str]:
        """As little as the embedded server sees."""
        return ENVIRONMENT

    @property
    def account(self) -> Mapping[str, Any]:
        """Somebody else for root, as whom PostgreSQL refuses to run."""
        user = self._cluster.account
        root = {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
        return root if os.geteuid() == 0 else {}

    def prepare(self) -> None:
        """Make the database."""
        self._cluster.make_data()
        (self._cluster.data / "pg_hba.conf").write_text("host all all 127.0.0.1/32 trust\n")

    async def answers(self) -> bool:
        """Tell whether the server answers a query."""
        try:
            connection = await asyncpg.connect(self.url)
        except (asyncpg.CannotConnectNowError, asyncpg.PostgresConnectionError):
            return False
        try:
            return bool(await connection.fetchval("SELECT true"))
        finally:
            await connection.close()

    async def restart_immediately(self) -> None:
        """Restart like `pg_ctl restart -m immediate`: sessions are cut off, and the server recovers."""
        await self.end_by(signal.SIGQUIT)
        await self.run_again()

    async def leave(self) -> None:
        """End the server for good, by its own hand: shared memory of a killed one stays in the kernel."""
        self.thaw()
        try:
            await self.end_by(signal.SIGQUIT)
        finally:
            await self.kill()

    @cached_property
    def _cluster(self) -> Cluster:
        return open_cluster(self.folder)
