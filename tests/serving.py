"""`packshot serve` as a user starts it: a process of its own, with its own data folder and port."""

import asyncio
import os
import re
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import NamedTemporaryFile
from time import monotonic
from typing import IO, Any, Final

import httpx

ENDED: Final = ("ready", "failed")
DEADLINE_SECONDS: Final = 60


class Serving:
    """A running `packshot serve`, and a client that talks to it."""

    def __init__(self, process: Process, client: httpx.AsyncClient, log: Path) -> None:
        self.process = process
        self.client = client
        self.log = log

    @classmethod
    @asynccontextmanager
    async def start(
        cls, data_dir: Path, release: Path | None = None, /, **settings: object
    ) -> AsyncIterator["Serving"]:
        """Start it and wait until it says where it listens; stop it as Ctrl-C does, if it still runs.

        `release` is a folder with the program of another release.
        """
        wanted = {"data_dir": data_dir, "port": 0, "allow_sources": "127.0.0.1", **settings}
        environment = {f"PACKSHOT_{name.upper()}": str(value) for name, value in wanted.items()}
        if release:
            environment["PYTHONPATH"] = str(release)
        with NamedTemporaryFile(dir=data_dir.parent, suffix=".log", delete=False) as log:
            process = await _spawn(environment, log.file)
            try:
                async with httpx.AsyncClient(base_url=await _address(process), timeout=30) as client:
                    yield cls(process, client, Path(log.name))
            finally:
                await _stop(process)

    async def kill(self) -> None:
        """Kill the process as nothing can prevent."""
        self.process.kill()
        await self.process.wait()

    async def interrupt(self) -> int:
        """Press Ctrl-C and return the exit code."""
        self.process.send_signal(signal.SIGINT)
        return await self.process.wait()

    async def submit(self, *urls: str) -> int:
        """Create a product of these images and return its id."""
        body = {"user_id": 1, "product_name": "Shoe", "product_images": urls, "product_price": "19.90"}
        answer = await self.client.post("/products", json=body)
        assert answer.status_code == 201, answer.text
        return int(answer.json()["product_id"])

    async def product(self, product_id: int) -> dict[str, Any]:
        """Read a product."""
        answer: dict[str, Any] = (await self.client.get(f"/products/{product_id}")).raise_for_status().json()
        return answer

    async def ended(self, product_id: int) -> dict[str, Any]:
        """Wait until every image of the product has ended, and return the product."""
        return await self.when(product_id, lambda images: all(image["state"] in ENDED for image in images))

    async def when(self, product_id: int, is_reached: Any) -> dict[str, Any]:  # noqa: ANN401 - a predicate
        """Wait until `is_reached(images)`, and return the product."""
        deadline = monotonic() + DEADLINE_SECONDS
        while not is_reached((product := await self.product(product_id))["images"]):
            assert monotonic() < deadline, [_summary(image) for image in product["images"]]
            await asyncio.sleep(0.02)
        return product

    async def outcomes(self, urls: Sequence[str]) -> list[str]:
        """Submit a product and return each image's error code, or `ready`."""
        product = await self.ended(await self.submit(*urls))
        return [image["error"]["code"] if image["error"] else image["state"] for image in product["images"]]


async def _spawn(environment: dict[str, str], log: IO[bytes]) -> Process:
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "packshot",
        "serve",
        env={**os.environ, **environment},
        stdout=PIPE,
        stderr=log,
    )


async def _address(process: Process) -> str:
    assert process.stdout
    async for line in process.stdout:
        if found := re.search(rb"http://\S+", line):
            return found[0].decode()
    raise AssertionError(f"serve ended with {await process.wait()} before it listened")


async def _stop(process: Process) -> None:
    if process.returncode is None:
        process.send_signal(signal.SIGINT)
        await asyncio.wait_for(process.wait(), DEADLINE_SECONDS)


def _summary(image: dict[str, Any]) -> tuple[Any, ...]:
    return image["id"], image["state"], image["attempt"], image["error"]
