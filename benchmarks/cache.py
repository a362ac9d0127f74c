"""
What does Redis save a reader of `GET /products/{id}`, and what does a 304 save?

Two processes of `packshot api` share a PostgreSQL; one of them has a Redis on this machine. Both are asked
for the same product on a few keep-alive connections, in turns. Its images are ready, each with six
renditions. With Redis the product's version still comes from PostgreSQL on each request, so this is the price
of shaping the answer and of the larger query, and no more.
"""

from contextlib import AsyncExitStack
from dataclasses import dataclass
from decimal import Decimal
from hashlib import sha256
from typing import Final
from uuid import uuid4

from servers.redis import Redis

from benchmarks.load import answers_per_second, get
from benchmarks.results import AtLeast, Result, ratio
from benchmarks.system import HOST, System, running, scratch
from packshot.database import Database
from packshot.images import Images
from packshot.models import Product, Rendered, Rendition, Source
from packshot.presets import load_presets, recipe, store_key
from packshot.products import Products

CONNECTIONS: Final = 10
ROUNDS: Final = 5
ROUND_SECONDS: Final = 1.0
WARM_UP_SECONDS: Final = 0.5
IMAGES: Final = (1, 5, 20)
REQUIRED_FOR: Final = 5


@dataclass(frozen=True, slots=True)
class Sides:
    """The API with Redis and without."""

    cached: System
    plain: System


async def measure() -> list[Result]:
    """Return answers per second with Redis divided by those without, and 304s by answers."""
    with scratch() as folder:
        async with AsyncExitStack() as stack:
            redis = await stack.enter_async_context(Redis.start(folder / "redis"))
            plain = await stack.enter_async_context(running("api", folder))
            cached = await stack.enter_async_context(running("api", folder, cache_url=redis.url))
            database = await stack.enter_async_context(Database.open(plain.embedded.dsn))
            results = []
            for count in IMAGES:
                path = f"/products/{await _ready_product(database, count)}"
                results += await _compare(Sides(cached, plain), path, count)
    return results


async def _compare(sides: Sides, path: str, images: int) -> list[Result]:
    async with sides.plain.http.get(path) as response:
        known = get(path, response.headers["ETag"])
    for side in (sides.cached, sides.plain):
        _ask(side, get(path), WARM_UP_SECONDS)
    hits, unchanged = [], []
    for _ in range(ROUNDS):
        plain = _ask(sides.plain, get(path))
        hits.append((_ask(sides.cached, get(path)), plain))
        unchanged.append((_ask(sides.plain, known), plain))
    required = AtLeast(1.5) if images == REQUIRED_FOR else None
    return [
        ratio(f"GET a product of {images} images, Redis ÷ without", hits, "answers", required),
        ratio(f"304 ÷ GET, {images} images, without Redis", unchanged, "answers", None),
    ]


def _ask(side: System, request: bytes, seconds: float = ROUND_SECONDS) -> float:
    return answers_per_second((HOST, side.port), request, CONNECTIONS, seconds)


async def _ready_product(database: Database, count: int) -> int:
    """Write a product as it is when all is done; only its files are not there."""
    products = Products(database, max_attempts=5)
    images = Images(database, uuid4(), lease_seconds=60, max_attempts=5)
    urls = tuple(f"https://shop.example/shoes/{number}.jpg" for number in range(count))
    row = await products.add(Product(1, "Leather shoe, brown", "For the left foot.", urls, Decimal("79.90")))
    for image in row["images"]:
        await _finish(images, image["image_id"])
    return int(row["product_id"])


async def _finish(images: Images, image_id: int) -> None:
    claim = await images.claim(image_id)
    assert claim
    source = Source(sha256(str(image_id).encode()).hexdigest(), 1_000_000, "jpeg")
    made = tuple(
        Rendition(*wanted, store_key(source.sha256, wanted[1], wanted[0], wanted[2]), 800, 600, 40_000)
        for preset in load_presets(None)
        for encoding in preset.encodings
        for wanted in [(recipe(preset, encoding), preset.name, encoding.format)]
    )
    await images.note_source(claim, source)
    await images.finish(claim, Rendered(1600, 1200, made), f"/store/{made[0].key}", {"download": 20.1})
