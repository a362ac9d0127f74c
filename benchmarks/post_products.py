"""
What do HTTP, validation and Python cost on top of the SQL?

One process of `packshot api` is asked for new products with two images each, on a few keep-alive
connections. pgbench runs the API's own statement with the same values, prepared, on as many connections,
against the same PostgreSQL. Both sides take turns and commit every product to the disk.
"""

import asyncio
import re
from asyncio.subprocess import PIPE, STDOUT
from pathlib import Path
from typing import Final

from benchmarks.load import answers_per_second, post
from benchmarks.results import AtLeast, Result, ratio
from benchmarks.system import HOST, PRODUCT, System, running, scratch
from packshot.cluster import open_cluster
from packshot.products import ADD
from packshot.settings import Settings

CONNECTIONS: Final = 10
ROUNDS: Final = 5
ROUND_SECONDS: Final = 4
WARM_UP_SECONDS: Final = 1

URLS: Final = ["https://shop.example/shoes/left.jpg", "https://shop.example/shoes/right.jpg?size=full"]


async def measure() -> list[Result]:
    """Return products per second, ours divided by pgbench's."""
    with scratch() as folder:
        async with running("api", folder) as system:
            script = _script(folder)
            _ours(system, WARM_UP_SECONDS)
            await _theirs(system, folder, script, WARM_UP_SECONDS)
            rounds = [
                (_ours(system, ROUND_SECONDS), await _theirs(system, folder, script, ROUND_SECONDS))
                for _ in range(ROUNDS)
            ]
    return [ratio("POST /products per second ÷ pgbench", rounds, "products", AtLeast(0.20))]


def _ours(system: System, seconds: float) -> float:
    request = post("/products", {**PRODUCT, "product_images": URLS})
    return answers_per_second((HOST, system.port), request, CONNECTIONS, seconds)


async def _theirs(system: System, folder: Path, script: list[str], seconds: int) -> float:
    program = open_cluster(folder / "data").program("pgbench")
    options = (f"--client={CONNECTIONS}", f"--time={seconds}", "--protocol=prepared", "--no-vacuum", *script)
    process = await asyncio.create_subprocess_exec(
        program, *options, system.embedded.dsn, stdout=PIPE, stderr=STDOUT
    )
    output = (await process.communicate())[0].decode()
    found = re.search(r"^tps = ([\d.]+)", output, re.MULTILINE)
    assert process.returncode == 0, f"pgbench failed:\n{output}"
    assert found, f"pgbench said nothing of its speed:\n{output}"
    return float(found[1])


def _script(folder: Path) -> list[str]:
    """Write the statement with pgbench's names for its parameters; return the options that go with it."""
    values = {
        "user_id": PRODUCT["user_id"],
        "name": PRODUCT["product_name"],
        "description": PRODUCT["product_description"],
        "urls": "{" + ",".join(f'"{url}"' for url in URLS) + "}",
        "price": PRODUCT["product_price"],
        "max_attempts": Settings.model_fields["max_attempts"].default,
        "request_id": "0123456789abcdef0123456789abcdef",
        "traceparent": "00-0123456789abcdef0123456789abcdef-0123456789abcdef-01",
    }
    names = list(values)
    script = folder / "add.sql"
    script.write_text(re.sub(r"\$(\d)", lambda number: f":{names[int(number[1]) - 1]}", ADD) + ";\n")
    return [f"--file={script}", *(f"--define={name}={value}" for name, value in values.items())]
