"""The promise again, with servers of their own and many processes: the short version of `make chaos`."""

import asyncio
import sys
from asyncio.subprocess import PIPE
from pathlib import Path
from typing import Final

import pytest
from servers import ServerMissing
from tests.real_servers import needed

ROOT: Final = Path(__file__).parents[2]
MISSING: Final = 2


@pytest.mark.timeout(600)
async def test_a_few_faults_of_every_kind_lose_nothing() -> None:
    chaos = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "chaos", "--short", cwd=ROOT, stdout=PIPE, stderr=PIPE
    )
    table, details = (said.decode() for said in await chaos.communicate())

    with needed():
        if chaos.returncode == MISSING:
            raise ServerMissing(details)
    assert chaos.returncode == 0, f"{details}\n{table}"
