"""The benchmark beside pgbench, which runs a statement of ours by itself."""

import pytest
from benchmarks import post_products


async def test_pgbench_runs_the_statement_that_the_api_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("ROUNDS", "ROUND_SECONDS"):
        monkeypatch.setattr(post_products, name, 1)

    (result,) = await post_products.measure()

    assert result.figure
