"""
How much faster are a thousand products in one request than a thousand requests?

One process of `packshot api` takes the same products with two images each, one by one on ten keep-alive
connections, and in batches of a thousand on two. Both sides take turns.
"""

from typing import Final

from benchmarks.load import answers_per_second, post
from benchmarks.post_products import URLS
from benchmarks.results import AtLeast, Result, ratio
from benchmarks.system import HOST, PRODUCT, System, running, scratch

BATCH: Final = 1_000
BATCH_CONNECTIONS: Final = 2
CONNECTIONS: Final = 10
ROUNDS: Final = 5
ROUND_SECONDS: Final = 4
WARM_UP_SECONDS: Final = 1

BODY: Final = {**PRODUCT, "product_images": URLS}


async def measure() -> list[Result]:
    """Return products per second, batches divided by single requests."""
    with scratch() as folder:
        async with running("api", folder) as system:
            _batches(system, WARM_UP_SECONDS)
            _one_by_one(system, WARM_UP_SECONDS)
            rounds = [
                (_batches(system, ROUND_SECONDS), _one_by_one(system, ROUND_SECONDS)) for _ in range(ROUNDS)
            ]
    return [ratio("products per second, batches ÷ one by one", rounds, "products", AtLeast(5))]


def _batches(system: System, seconds: float) -> float:
    request = post("/products/batch", {"products": [BODY] * BATCH})
    return BATCH * answers_per_second((HOST, system.port), request, BATCH_CONNECTIONS, seconds)


def _one_by_one(system: System, seconds: float) -> float:
    return answers_per_second((HOST, system.port), post("/products", BODY), CONNECTIONS, seconds)
