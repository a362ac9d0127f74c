"""A worker alone, watched from outside: it shows how it is, and nothing else."""

from pathlib import Path

import httpx
from servers.process import find_ports
from tests.console import running, wait_for_line
from tests.figures import Figures


async def test_a_worker_shows_its_health_and_its_figures_where_it_is_told_to(
    tmp_path: Path, database_url: str
) -> None:
    (port,) = find_ports(1)
    settings = {"database_url": database_url, "metrics_port": port, "workers": 3}
    with running("work", cwd=tmp_path, **settings) as worker:
        address = wait_for_line(worker, r"http://\S+")
        async with httpx.AsyncClient(base_url=address) as client:
            health = [
                (await client.get(path)).status_code for path in ("/healthz", "/readyz", "/products", "/docs")
            ]
            figures = Figures((await client.get("/metrics")).text)

    assert address == f"http://127.0.0.1:{port}"
    assert health == [200, 200, 404, 404]
    assert figures("packshot_slots") == 3
