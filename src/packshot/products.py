"""
The queries about products: a product's row, its images, and the state that follows from them.

A product's state is never stored: two images that finish together would each see the other
unfinished. It is derived on every read.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final, Self

from packshot.database import Connection, ConstraintViolated, Database, Row
from packshot.errors import Conflict, InvalidInput, NotFound
from packshot.images import DETAILS as IMAGE_DETAILS
from packshot.lifecycle import ENDED, ImageState, Reorder, reorder
from packshot.models import Product
from packshot.telemetry import origin

MAX_IMAGES: Final = 200

# Work to do wins over work done; among finished images one failure makes the product failed,
# because somebody has to look at it. A product without images has nothing left to do: ready.
STATE: Final = """
    SELECT CASE WHEN bool_and(i.state = 'pending') THEN 'pending'
                WHEN bool_or(i.state IN ('pending', 'processing')) THEN 'processing'
                WHEN bool_or(i.state = 'failed') THEN 'failed'
                ELSE 'ready' END
      FROM images i WHERE i.product_id = p.product_id"""

PARTS: Final = f"""
    p.*, ({STATE}) AS state, coalesce((
        SELECT json_agg(i ORDER BY i.position)
          FROM ({IMAGE_DETAILS} WHERE i.product_id = p.product_id) i), '[]') AS images"""  # noqa: S608 - put together from constants

DETAILS: Final = f"SELECT {PARTS} FROM products p"  # noqa: S608 - put together from constants

# Every write of a row gives it a new xmin and another place (ctid), whoever writes it. These come round
# again, after four billion transactions or from a backup; with the time beside them they cannot.
VERSION: Final = """
    SELECT encode(sha256(convert_to(concat_ws(' ', p.xmin, p.ctid, extract(epoch FROM p.updated_at), (
               SELECT string_agg(concat_ws(' ', i.image_id, i.xmin, i.ctid, extract(epoch FROM i.updated_at)),
                                 ',' ORDER BY i.image_id)
                 FROM images i WHERE i.product_id = p.product_id)), 'UTF8')), 'hex') AS version"""

# First the ids, from an index alone: a row is wide, and most are not on this page.
PAGE: Final = f"""
    {DETAILS} WHERE p.product_id = ANY(ARRAY(
        SELECT p.product_id FROM products p WHERE {{where}} ORDER BY p.product_id DESC LIMIT $1))
     ORDER BY p.product_id DESC"""  # noqa: S608 - put together from constants

CURRENT: Final = f"{VERSION}, {PARTS} FROM products p WHERE p.product_id = $1"

ADD: Final = """
    WITH product AS (
        INSERT INTO products (user_id, product_name, product_description, product_images, product_price,
                              compressed_product_images)
        VALUES ($1, $2, $3, $4, $5, array_fill(NULL::text, ARRAY[cardinality($4::text[])]))
        RETURNING *
    ), added AS (
        INSERT INTO images (product_id, position, source_url, max_attempts, request_id, traceparent)
        SELECT product_id, ordinality - 1, url, $6, $7, $8
          FROM product, unnest($4::text[]) WITH ORDINALITY AS u(url, ordinality)
        RETURNING *, '[]'::json AS renditions
    )
    SELECT p.*, CASE WHEN cardinality($4::text[]) = 0 THEN 'ready' ELSE 'pending' END AS state,
           coalesce((SELECT json_agg(i ORDER BY i.position) FROM added i), '[]') AS images
      FROM product p"""

CHANGE: Final = """
    UPDATE products
       SET user_id = $2, product_name = $3, product_description = $4, product_images = $5,
           product_price = $6, compressed_product_images = $7, updated_at = now()
     WHERE product_id = $1"""

MOVE_IMAGES: Final = """
    UPDATE images SET position = moved.position
      FROM unnest($1::bigint[], $2::int[]) AS moved(image_id, position)
     WHERE images.image_id = moved.image_id"""

ADD_IMAGES: Final = """
    INSERT INTO images (product_id, position, source_url, max_attempts, request_id, traceparent)
    SELECT $1, position, url, $4, $5, $6 FROM unnest($2::int[], $3::text[]) AS added(position, url)
    RETURNING image_id"""


# The same states, as conditions that an index of the images that are not ready can answer.
OPEN: Final = "SELECT FROM images i WHERE i.product_id = p.product_id AND i.state IN"
PENDING: Final = """
    (SELECT count(*) FROM images i WHERE i.product_id = p.product_id AND i.state = 'pending')"""
IS_IN_STATE: Final = {
    ImageState.PENDING: f"EXISTS ({OPEN} ('pending')) AND {PENDING} = cardinality(p.product_images)",
    ImageState.PROCESSING: f"EXISTS ({OPEN} ('pending', 'processing'))"
    f" AND {PENDING} < cardinality(p.product_images)",
    ImageState.FAILED: f"EXISTS ({OPEN} ('failed')) AND NOT EXISTS ({OPEN} ('pending', 'processing'))",
    ImageState.READY: f"NOT EXISTS ({OPEN} ('pending', 'processing', 'failed'))",
}
HAS_FAILED_WITH: Final = f"EXISTS ({OPEN} ('failed') AND i.error_code = {{}})"


@dataclass(frozen=True, slots=True)
class Filters:
    """What a list of products is narrowed down to; `before` is the last product_id already seen."""

    user_id: int | None = None
    min_price: Decimal | None = None
    max_price: Decimal | None = None
    product_name: str | None = None
    state: str | None = None
    error_code: str | None = None
    before: int | None = None

    def where(self, first: int) -> tuple[str, list[object]]:
        """Return the condition, in SQL whose parameters begin with number `first`, and the parameters."""
        name = None if self.product_name is None else f"%{_escape_like(self.product_name)}%"
        wanted = {
            "p.user_id = {}": self.user_id,
            "p.product_price >= {}": self.min_price,
            "p.product_price <= {}": self.max_price,
            "p.product_name ILIKE {}": name,
            HAS_FAILED_WITH: self.error_code,
            "p.product_id < {}": self.before,
        }
        used = {sql: value for sql, value in wanted.items() if value is not None}
        conditions = [sql.format(f"${number}") for number, sql in enumerate(used, first)]
        if self.state is not None:
            conditions.append(IS_IN_STATE[ImageState(self.state)])
        return " AND ".join(conditions) or "true", [*used.values()]


class Products:
    """The rows of products. The images of a product are added, moved and removed with it."""

    def __init__(self, database: Database | Connection, *, max_attempts: int) -> None:
        self._database = database
        self._max_attempts = max_attempts

    def within(self, connection: Connection) -> Self:
        """Return the same, inside the transaction of `connection`."""
        return type(self)(connection, max_attempts=self._max_attempts)

    async def add(self, product: Product) -> Row:
        """Store a product and one pending image per URL; raise InvalidInput for an unknown user."""
        with_images = (
            product.user_id,
            product.product_name,
            product.product_description,
            product.product_images,
            product.product_price,
            self._max_attempts,
            *origin(),
        )
        try:
            row = await self._database.fetch_row(ADD, *with_images)
        except ConstraintViolated as error:
            raise _explained(error, product.user_id) from error
        assert row is not None  # noqa: S101 - RETURNING always returns
        return row

    async def get(self, product_id: int) -> Row:
        """Return the row with its state and images; raise NotFound."""
        row = await self._database.fetch_row(f"{DETAILS} WHERE p.product_id = $1", product_id)
        return _found(row, product_id)

    async def version(self, product_id: int) -> str:
        """Return what changes with every write of the product or of one of its images; raise NotFound."""
        sql = f"{VERSION} FROM products p WHERE p.product_id = $1"
        return str(_found(await self._database.fetch_row(sql, product_id), product_id)["version"])

    async def get_versioned(self, product_id: int) -> tuple[str, Row]:
        """Return the version and the row as `get` does, of one moment; raise NotFound."""
        row = _found(await self._database.fetch_row(CURRENT, product_id), product_id)
        return str(row["version"]), row

    async def page(self, filters: Filters, limit: int) -> Sequence[Row]:
        """Return up to `limit` rows with state and images, newest first."""
        where, values = filters.where(first=2)
        sql = PAGE.format(where=where)
        return await self._database.fetch(sql, limit, *values)

    async def change(
        self, product_id: int, changes: Mapping[str, Any], seen: Sequence[str] | None = None
    ) -> list[str]:
        """Write `changes` (columns and their new values); return the sources that lost an image.

        Raise Conflict if `seen`, the images that whoever changes them has read, are others now.

        An image whose URL stays keeps its row and its result, wherever it moves. Whoever removes the last
        image that was to be done has completed the product.
        """
        async with self._database.transaction() as connection:
            product = dict(await _lock(connection, product_id))
            if seen is not None and list(seen) != product["product_images"]:
                raise Conflict(f"The images of product {product_id} were changed by somebody else meanwhile.")
            images = await _images(connection, product_id)
            plan = reorder(
                [(image["image_id"], image["source_url"]) for image in images],
                list(changes.get("product_images", product["product_images"])),
            )
            product |= {**changes, "compressed_product_images": _locations(product, images, plan)}
            await self._follow(connection, product_id, plan)
            await _write(connection, product)
            if _left_to_do(images, plan.removed):
                await connection.execute("SELECT put_out_completion($1)", product_id)
        return _sources(images, plan.removed)

    async def add_image(self, product_id: int, url: str) -> int:
        """Append one image to a product and return its id; raise NotFound or InvalidInput."""
        async with self._database.transaction() as connection:
            product = dict(await _lock(connection, product_id))
            if len(product["product_images"]) >= MAX_IMAGES:
                message = (
                    f"Product {product_id} has {MAX_IMAGES} images already, which is the most there can be."
                )
                raise InvalidInput("product_id", message)
            added = await connection.fetch_row(
                ADD_IMAGES, product_id, [len(product["product_images"])], [url], self._max_attempts, *origin()
            )
            product["product_images"] = [*product["product_images"], url]
            product["compressed_product_images"] = [*product["compressed_product_images"], None]
            await _write(connection, product)
        return int(_found(added, product_id)["image_id"])

    async def remove(self, product_id: int) -> list[str]:
        """Delete a product with its images; return the sources that lost an image."""
        async with self._database.transaction() as connection:
            await _lock(connection, product_id)
            images = await _images(connection, product_id)
            await connection.execute("DELETE FROM products WHERE product_id = $1", product_id)
        return _sources(images, [image["image_id"] for image in images])

    async def _follow(self, connection: Connection, product_id: int, plan: Reorder) -> None:
        await connection.execute("DELETE FROM images WHERE image_id = ANY($1)", plan.removed)
        await connection.execute(MOVE_IMAGES, plan.kept.values(), plan.kept.keys())
        await connection.execute(
            ADD_IMAGES, product_id, plan.added.keys(), plan.added.values(), self._max_attempts, *origin()
        )


async def _lock(connection: Connection, product_id: int) -> Row:
    row = await connection.fetch_row("SELECT * FROM products WHERE product_id = $1 FOR UPDATE", product_id)
    return _found(row, product_id)


async def _images(connection: Connection, product_id: int) -> Sequence[Row]:
    return await connection.fetch(
        "SELECT image_id, position, source_url, source_sha256, state FROM images"
        " WHERE product_id = $1 ORDER BY image_id FOR UPDATE",
        product_id,
    )


async def _write(connection: Connection, product: Mapping[str, Any]) -> None:
    columns = (
        "product_id user_id product_name product_description product_images product_price"
        " compressed_product_images"
    )
    try:
        await connection.execute(CHANGE, *(product[column] for column in columns.split()))
    except ConstraintViolated as error:
        raise _explained(error, product["user_id"]) from error


def _locations(product: Row, images: Sequence[Row], plan: Reorder) -> list[str | None]:
    old = {image["image_id"]: product["compressed_product_images"][image["position"]] for image in images}
    return [
        old[plan.kept[position]] if position in plan.kept else None
        for position in range(len(plan.kept) + len(plan.added))
    ]


def _left_to_do(images: Sequence[Row], removed: Sequence[int]) -> bool:
    return any(image["image_id"] in removed and image["state"] not in ENDED for image in images)


def _sources(images: Sequence[Row], removed: Sequence[int]) -> list[str]:
    return sorted({image["source_sha256"] for image in images if image["image_id"] in removed} - {None})


def _found(row: Row | None, product_id: int) -> Row:
    if row is None:
        raise NotFound(f"There is no product {product_id}.")
    return row


def _explained(error: ConstraintViolated, user_id: int) -> Exception:
    unknown_user = error.name == "products_user_id_fkey"
    return InvalidInput("user_id", f"There is no user {user_id}.") if unknown_user else error


def _escape_like(text: str) -> str:
    return text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
