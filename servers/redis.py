"""Redis, in memory only: Debian's package or whatever redis-server is on PATH."""

import asyncio
import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

from servers import ServerMissing
from servers.process import PrivateServer, find_ports


class Redis(PrivateServer):
    """A Redis without a password that forgets everything when it ends."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        (self.port,) = find_ports(1)

    @property
    def url(self) -> str:
        """Where the server is."""
        return f"redis://127.0.0.1:{self.port}"

    @property
    def command(self) -> Sequence[str | Path]:
        """The server, with all of its configuration: it reads no file."""
        options = f"--port {self.port} --bind 127.0.0.1 --dir {self.folder} --appendonly no --daemonize no"
        return _find_program(), *options.split(), "--save", ""

    @property
    def environment(self) -> Mapping[str, str]:
        """Nothing of ours but where programs are."""
        return {"PATH": os.environ["PATH"]}

    def prepare(self) -> None:
        """Make the folder."""
        _find_program()
        self.folder.mkdir(parents=True)

    async def answers(self) -> bool:
        """Tell whether the server answers a PING."""
        return await self.tell("PING") == b"+PONG"

    async def tell(self, command: str) -> bytes:
        """Send a command, as a person would type it, and return the first line of the answer."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            writer.write(f"{command}\r\n".encode())
            return (await reader.readline()).rstrip()
        finally:
            writer.close()


def _find_program() -> str:
    found = shutil.which("redis-server")
    if found is None:
        raise ServerMissing("There is no Redis. On Debian and Ubuntu: apt-get install redis-server")
    return found
