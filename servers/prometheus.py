"""Prometheus, which looks every second: Debian's package, or whatever prometheus and promtool are on PATH."""

import asyncio
import json
import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import httpx

from servers import ServerMissing
from servers.process import PrivateServer, find_ports

CONFIGURATION: Final = """
global: {scrape_interval: 1s, scrape_timeout: 1s}
scrape_configs:
  - job_name: packshot-api
    file_sd_configs:
      - files: [targets.json]
"""


class Prometheus(PrivateServer):
    """A Prometheus that looks at nothing until it is told what to look at."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        (self.port,) = find_ports(1)

    @property
    def url(self) -> str:
        """Where the server is."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def command(self) -> Sequence[str | Path]:
        """The server; all of its data is in the folder."""
        return (
            find_program("prometheus"),
            "--config.file=prometheus.yml",
            "--storage.tsdb.path=data",
            f"--web.listen-address=127.0.0.1:{self.port}",
        )

    @property
    def environment(self) -> Mapping[str, str]:
        """Nothing of ours but where programs are."""
        return {"PATH": os.environ["PATH"]}

    def prepare(self) -> None:
        """Write what the server reads."""
        find_program("prometheus")
        self.folder.mkdir(parents=True)
        (self.folder / "prometheus.yml").write_text(CONFIGURATION)
        (self.folder / "targets.json").write_text("[]")

    async def answers(self) -> bool:
        """Tell whether the server is ready."""
        async with httpx.AsyncClient() as client:
            try:
                return (await client.get(f"{self.url}/-/ready")).is_success
            except httpx.HTTPError:
                return False

    async def watch(self, address: str) -> None:
        """Look at `host:port` from now on, and return when it has been seen."""
        (self.folder / "targets.json").write_text(json.dumps([{"targets": [address]}]))
        while not await self.ask(f'up{{instance="{address}"}} == 1'):  # noqa: ASYNC110 - it sets no Event
            await asyncio.sleep(0.05)

    async def ask(self, query: str) -> list[dict[str, Any]]:
        """Return what a query finds; raise HTTPStatusError with its words if it is none."""
        async with httpx.AsyncClient() as client:
            answer = await client.get(f"{self.url}/api/v1/query", params={"query": query})
        answer.raise_for_status()
        return list(answer.json()["data"]["result"])


def find_program(name: str) -> str:
    """Return where prometheus or promtool is; raise ServerMissing."""
    found = shutil.which(name)
    if found is None:
        raise ServerMissing(f"There is no {name}. On Debian and Ubuntu: apt-get install prometheus")
    return found
