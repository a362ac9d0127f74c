"""One running server for all tests that only talk to it, and a supplier with every bad habit."""

from collections.abc import AsyncIterator
from itertools import count
from pathlib import Path
from typing import Final

import pytest
from tests.serving import Serving
from tests.supplier import Supplier

FREE: Final = count(1)


@pytest.fixture(scope="session")
async def serving(session_folder: Path) -> AsyncIterator[Serving]:
    data_dir = session_folder / "e2e"
    limits = {"download_seconds": 1, "max_attempts": 2, "retry_seconds": 0.1, "workers": 16}
    async with Serving.start(data_dir, allow_sources="127.0.0.1,127.0.1.0/24", **limits) as serving:
        yield serving


@pytest.fixture
async def supplier() -> AsyncIterator[Supplier]:
    async with Supplier() as supplier:
        yield supplier


@pytest.fixture
async def busy_supplier() -> AsyncIterator[Supplier]:
    """One with an address that nobody else has had: when it asks for a pause, that is not for others."""
    async with Supplier(address=f"127.0.1.{next(FREE)}") as supplier:
        yield supplier
