"""
What do access keys, the log and the metrics cost a request?

Two processes of `packshot api`, each with a database of its own, are asked the same in turns. One asks for a
key, writes a JSON line for each request, and counts it. The other has no keys, writes
errors only, and lacks the journal, which makes lines and counts: as Packshot was before it had any of that.
"""

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

from benchmarks.load import answers_per_second, get, post
from benchmarks.results import AtLeast, Result, ratio
from benchmarks.system import HOST, PRODUCT, answering, environment, free_port, scratch
from packshot.database import Database
from packshot.keys import Keys, Scope
from packshot.postgres import embedded_postgres

CONNECTIONS: Final = 10
ROUNDS: Final = 7
ROUND_SECONDS: Final = 1.5
WARM_UP_SECONDS: Final = 0.5
REQUIRED: Final = AtLeast(0.85)
AS_IT_IS: Final = (sys.executable, "-m", "packshot", "api")
BARE: Final = (
    sys.executable,
    "-c",
    (
        "import sys, packshot.web.api as api; api.Journal = lambda app: app; sys.argv[1:] = ['api'];"
        " from packshot.cli import main; main()"
    ),
)
URLS: Final = ["https://shop.example/shoes/left.jpg", "https://shop.example/shoes/right.jpg?size=full"]


class Side:
    """One of the two: its port, and the key that it asks for."""

    def __init__(self, port: int, key: str) -> None:
        self._port = port
        self._head = f"Authorization: Bearer {key}\r\n".encode() if key else b""

    def ask(self, request: bytes, seconds: float = ROUND_SECONDS) -> float:
        """Return answers per second."""
        head, _, body = request.partition(b"\r\n\r\n")
        whole = head + b"\r\n" + self._head + b"\r\n" + body
        return answers_per_second((HOST, self._port), whole, CONNECTIONS, seconds)


async def measure() -> list[Result]:
    """Return requests per second with all of it divided by those without."""
    with scratch() as ours, scratch() as theirs:
        async with _side(ours, AS_IT_IS, keys=True) as on, _side(theirs, BARE, keys=False) as off:
            new = post("/products", {**PRODUCT, "product_images": URLS})
            return [
                _compare("POST /products", new, on, off),
                _compare("GET /products/{id}", get("/products/1"), on, off),
            ]


def _compare(question: str, request: bytes, on: Side, off: Side) -> Result:
    for side in (on, off):
        side.ask(request, WARM_UP_SECONDS)
    rounds = [(on.ask(request), off.ask(request)) for _ in range(ROUNDS)]
    return ratio(f"{question} with keys, log and metrics ÷ without", rounds, "answers", REQUIRED)


@asynccontextmanager
async def _side(folder: Path, command: tuple[str, ...], *, keys: bool) -> AsyncIterator[Side]:
    data_dir, port = folder / "data", free_port()
    env = environment(data_dir, port, log_level="info" if keys else "error")
    async with embedded_postgres(data_dir) as embedded:
        async with Database.open(embedded.dsn) as database:
            key = (await Keys(database).create("benchmark", Scope.WRITE))[0] if keys else ""
        async with answering(*command, cwd=folder, env=env):
            yield Side(port, key)
