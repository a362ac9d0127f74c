"""
Rows for tests: what a product, a source and its renditions look like, and images on their way.

Everything goes through the real modules; only time is moved by hand, in SQL.
"""

import asyncio
from collections.abc import Awaitable, Callable
from decimal import Decimal
from hashlib import sha256
from pathlib import Path
from typing import Final
from uuid import uuid4

from packshot.database import Database
from packshot.images import Images
from packshot.lifecycle import GiveUp
from packshot.models import Claim, Product, Rendered, Rendition, Source
from packshot.products import Products

DEADLINE_SECONDS: Final = 10
FORMATS: Final = {"avif": "avif", "jpeg": "jpg"}


def a_product(user_id: int, *urls: str, name: str = "Shoe", price: str = "19.90") -> Product:
    return Product(user_id, name, "Left and right.", urls, Decimal(price))


def a_source(data: bytes = b"picture") -> Source:
    return Source(sha256(data).hexdigest(), len(data), "png")


def keys_of(source: Source) -> list[str]:
    return [f"{source.sha256[:2]}/{source.sha256}/large-0123456789abcdef.{end}" for end in FORMATS.values()]


def renditions_of(source: Source) -> Rendered:
    """One preset in two formats, as a pipeline would hand them over."""
    renditions = [
        Rendition("0123456789abcdef", "large", format_, key, 800, 600, 4321)
        for format_, key in zip(FORMATS, keys_of(source), strict=True)
    ]
    return Rendered(1600, 1200, tuple(renditions))


def another_worker(database: Database, *, lease_seconds: float = 60, max_attempts: int = 5) -> Images:
    return Images(database, uuid4(), lease_seconds=lease_seconds, max_attempts=max_attempts)


async def image_ids(products: Products, product_id: int) -> list[int]:
    return [image["image_id"] for image in (await products.get(product_id))["images"]]


async def an_image(images: Images, url: str = "https://shop.example/shoe.png") -> int:
    return int((await images.add(url))["image_id"])


async def claimed(images: Images, image_id: int) -> Claim:
    claim = await images.claim(image_id)
    assert claim is not None
    return claim


async def fail(
    images: Images, image_id: int, code: str = "source_gone", message: str = "The server says 404."
) -> int:
    """Give an image up; return its id."""
    await images.give_up(await claimed(images, image_id), GiveUp(code, message))
    return image_id


async def finish(images: Images, claim: Claim, data: bytes = b"picture") -> str:
    """Take the claim all the way to ready; return the location in the product."""
    source = a_source(data)
    location = f"/store/{keys_of(source)[0]}"
    await images.note_source(claim, source)
    await images.finish(claim, renditions_of(source), location, {"download": 1.5})
    return location


async def state_of(images: Images, image_id: int) -> str:
    return str((await images.get(image_id))["state"])


async def move_time(database: Database, column: str, seconds: float, image_id: int | None = None) -> None:
    """Move a time of one image, or of all, by that many seconds."""
    sql = f"UPDATE images SET {column} = {column} + make_interval(secs => $1)"  # noqa: S608 - our own columns
    await database.execute(f"{sql} WHERE $2::bigint IS NULL OR image_id = $2", seconds, image_id)


async def somebody_waits(database: Database, how_many: int = 1) -> bool:
    """Tell whether that many sessions wait for a lock."""
    return len(await database.fetch("SELECT FROM pg_locks WHERE NOT granted")) == how_many


async def eventually(
    condition: Callable[[], Awaitable[bool]], deadline_seconds: float = DEADLINE_SECONDS
) -> None:
    """Return once the condition holds; fail if it does not come true in time."""
    async with asyncio.timeout(deadline_seconds):
        while not await condition():  # noqa: ASYNC110 - the database has no event to wait for
            await asyncio.sleep(0.005)


def files_in(folder: Path) -> list[Path]:
    """All files in a folder and its folders, but for a desk's lock."""
    return [path for path in folder.rglob("*") if path.is_file() and path.name != "lock"]
