"""A real `packshot api` under everything at once: its memory stays flat, and others are served."""

import resource
from collections.abc import Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Final

import psutil
import pytest
from tests.callers import Caller, ask, request, served_promptly
from tests.console import running, wait_for_line

from packshot.daemon import MAX_OPEN_FILES

FEW_FILES: Final = 256
MEGABYTE: Final = 1_000_000
HALF_A_BODY: Final = [request("POST /users", "Content-Length: 6000000"), b" " * 5_900_000]
HALF_A_HEAD: Final = [b"GET / HTTP/1.1\r\nHost: x\r\nX-A: " + b"a" * 20_000]
HEAVY: Final = (
    request("POST /products", body=b"[" + b"[]," * 1_900_000 + b"[]]"),
    request("POST /products", body=b"{" + b",".join(b'"%x":1' % key for key in range(500_000)) + b"}"),
    request("POST /products", body=b'{"product_images": [' + b"1," * 2_900_000 + b"1]}"),
    request("GET /healthz", "X-Endless: " + "a" * 5_000_000),
    request("GET /" + "a" * 5_000_000),
)


@pytest.fixture
def few_files() -> Iterator[int]:
    """Processes that are started now may open few files at first; yields what they may at most."""
    now, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(now, FEW_FILES), most))
    yield most
    resource.setrlimit(resource.RLIMIT_NOFILE, (now, most))


@pytest.fixture
def process(database_url: str, tmp_path: Path) -> Iterator[tuple[psutil.Process, int]]:
    settings = {"database_url": database_url, "data_dir": tmp_path / "data", "port": 0}
    with running("api", cwd=tmp_path, **settings) as process:
        port = int(wait_for_line(process, r"http://\S+").rpartition(":")[2])
        yield psutil.Process(process.pid), port


async def megabytes(process: psutil.Process, port: int) -> float:
    """What the process has in memory, once it has done what it was asked before."""
    assert await served_promptly(port)
    return float(process.memory_info().rss / MEGABYTE)


async def flood(crowd: AsyncExitStack, port: int) -> None:
    """Send what is too much, and much that is never finished."""
    for pieces in [HALF_A_BODY] * 40 + [HALF_A_HEAD] * 100:
        caller = await crowd.enter_async_context(Caller.calling(port))
        await caller.say(*pieces)
    for said in HEAVY:
        assert (await ask(port, said)).status in (400, 414, 431)


async def test_memory_stays_flat_whatever_is_sent(process: tuple[psutil.Process, int]) -> None:
    program, port = process
    async with AsyncExitStack() as crowd:
        empty = await megabytes(program, port)
        await flood(crowd, port)
        once = await megabytes(program, port)
        await flood(crowd, port)
        await flood(crowd, port)

        assert once - empty < 300  # the bodies alone would be more, if they were kept
        assert await megabytes(program, port) - once < 60


async def test_a_server_may_open_as_many_files_as_the_machine_lets_it(
    few_files: int, process: tuple[psutil.Process, int]
) -> None:
    program, _ = process

    assert program.rlimit(psutil.RLIMIT_NOFILE) == (min(few_files, MAX_OPEN_FILES), few_files)
