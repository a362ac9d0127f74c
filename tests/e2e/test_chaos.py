"""The promise again, with servers of their own and many processes: the short version of `make chaos`."""

import asyncio
import sys
from asyncio.subprocess import PIPE
from contextlib import suppress
from pathlib import Path
from typing import Final

import pytest
from servers import ServerMissing
from servers.process import END_WITH_US
from tests.real_servers import needed

ROOT: Final = Path(__file__).parents[2]
MISSING: Final = 2


@pytest.mark.timeout(600)
async def test_a_few_faults_of_every_kind_lose_nothing() -> None:
    command = (*END_WITH_US, sys.executable, "-m", "chaos", "--short")
    chaos = await asyncio.create_subprocess_exec(*command, cwd=ROOT, stdout=PIPE, stderr=PIPE)
    try:
        table, details = (said.decode() for said in await chaos.communicate())
    finally:
        with suppress(ProcessLookupError):
            chaos.terminate()

    with needed():
        if chaos.returncode == MISSING:
            raise ServerMissing(details)
    assert chaos.returncode == 0, f"{details}\n{table}"
