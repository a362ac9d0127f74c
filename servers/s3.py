"""
An S3 server, small and from a wheel: rclone with a folder behind it, and one key that may enter.

It ignores conditions on puts, so a test cannot prove with it that something is created only once.
"""

import asyncio
import shutil
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final
from urllib.parse import quote

from servers import ServerMissing
from servers.process import PrivateServer, find_ports

BUCKET: Final = "shop"
KEY_ID: Final = "PACKSHOTKEY"
SECRET: Final = "packshot-secret-key"  # noqa: S105 - of a server that only tests can reach
HTTP: Final = b"HTTP/1.1"

ENVIRONMENT: Final[Mapping[str, str]] = {"AWS_ACCESS_KEY_ID": KEY_ID, "AWS_SECRET_ACCESS_KEY": SECRET}


class S3(PrivateServer):
    """An S3 server with an empty bucket; `ENVIRONMENT` holds the key."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        (self.port,) = find_ports(1)

    @property
    def url(self) -> str:
        """Where the bucket is."""
        return self.url_at(self.port)

    @property
    def bucket(self) -> Path:
        """The folder with what is in the bucket."""
        return self.folder / "buckets" / BUCKET

    @property
    def command(self) -> Sequence[str | Path]:
        """The server."""
        login = f"--auth-key={KEY_ID},{SECRET}"
        address = f"--addr=127.0.0.1:{self.port}"
        return _find_program(), "serve", "s3", login, address, self.bucket.parent

    @property
    def environment(self) -> Mapping[str, str]:
        """The folder as home; nobody's own configuration."""
        return {
            "HOME": f"{self.folder}",
            "RCLONE_CONFIG": "/dev/null",
            "RCLONE_CACHE_DIR": f"{self.folder}/cache",
            "GOMAXPROCS": "1",
        }

    def url_at(self, port: int) -> str:
        """Return the bucket's address behind another port, which leads here."""
        return (
            f"s3://{BUCKET}/pictures?region=us-east-1&endpoint={quote(f'http://127.0.0.1:{port}', safe='')}"
        )

    def prepare(self) -> None:
        """Make the bucket."""
        _find_program()
        self.bucket.mkdir(parents=True)

    async def answers(self) -> bool:
        """Tell whether the server speaks HTTP, if only to refuse."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            writer.write(b"GET /shop HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
            return await reader.readexactly(len(HTTP)) == HTTP
        finally:
            writer.close()


def _find_program() -> str:
    found = shutil.which("rclone", path=Path(sys.executable).parent) or shutil.which("rclone")
    if found is None:
        raise ServerMissing("There is no rclone, which serves S3; the development environment brings it.")
    return found
