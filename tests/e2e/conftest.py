"""One running server for all tests that only talk to it, and a supplier with every bad habit."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.serving import Serving
from tests.supplier import Supplier


@pytest.fixture(scope="session")
async def serving(session_folder: Path) -> AsyncIterator[Serving]:
    data_dir = session_folder / "e2e"
    limits = {"download_seconds": 1, "max_attempts": 2, "retry_seconds": 0.1, "workers": 16}
    async with Serving.start(data_dir, **limits) as serving:
        yield serving


@pytest.fixture
async def supplier() -> AsyncIterator[Supplier]:
    async with Supplier() as supplier:
        yield supplier
