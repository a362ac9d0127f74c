"""
Many products at once, in one statement: one way to the database and one commit, however many there are.

Products do not depend on each other. All that the rows can still say against one is that there is no such
user; who is found is locked against being deleted, so nothing can come in between.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Self

from packshot.database import Connection, Database
from packshot.models import Product
from packshot.telemetry import origin

ADD_ALL: Final = """
    WITH wanted AS MATERIALIZED (
        SELECT * FROM json_to_recordset($1) AS w(
            number int, user_id int, product_name text, product_description text, product_images text[],
            product_price numeric)
    ), known AS MATERIALIZED (
        SELECT id FROM users WHERE id IN (SELECT user_id FROM wanted) ORDER BY id FOR KEY SHARE
    ), fit AS MATERIALIZED (
        SELECT nextval(pg_get_serial_sequence('products', 'product_id'))::int AS product_id, wanted.*
          FROM wanted JOIN known ON id = user_id
         WHERE NOT $3 OR NOT EXISTS (SELECT FROM wanted WHERE user_id NOT IN (SELECT id FROM known))
         ORDER BY number
    ), stored AS (
        INSERT INTO products (product_id, user_id, product_name, product_description, product_images,
                              product_price, compressed_product_images)
        SELECT product_id, user_id, product_name, product_description, product_images, product_price,
               array_fill(NULL::text, ARRAY[cardinality(product_images)])
          FROM fit
    ), added AS (
        INSERT INTO images (product_id, position, source_url, max_attempts, request_id, traceparent)
        SELECT product_id, ordinality - 1, url, $2, $4, $5
          FROM fit, unnest(product_images) WITH ORDINALITY AS u(url, ordinality)
         ORDER BY product_id, ordinality
    )
    SELECT product_id, known.id IS NOT NULL AS has_user
      FROM wanted LEFT JOIN known ON known.id = wanted.user_id LEFT JOIN fit USING (number)
     ORDER BY wanted.number"""


@dataclass(frozen=True, slots=True)
class Added:
    """What became of one product: its id, unless it or, all or nothing, another has no user."""

    product_id: int | None
    has_user: bool


class Batches:
    """Products and their images, added by the thousand."""

    def __init__(self, database: Database | Connection, *, max_attempts: int) -> None:
        self._database = database
        self._max_attempts = max_attempts

    def within(self, connection: Connection) -> Self:
        """Return the same, inside the transaction of `connection`."""
        return type(self)(connection, max_attempts=self._max_attempts)

    async def add(self, products: Sequence[Product], *, all_or_nothing: bool) -> list[Added]:
        """Store the products whose user there is, with one pending image per URL; in their order."""
        wanted = [_record(number, product) for number, product in enumerate(products)]
        rows = await self._database.fetch(ADD_ALL, wanted, self._max_attempts, all_or_nothing, *origin())
        return [Added(**row) for row in rows]


def _record(number: int, product: Product) -> dict[str, object]:
    return {
        "number": number,
        "user_id": product.user_id,
        "product_name": product.product_name,
        "product_description": product.product_description,
        "product_images": product.product_images,
        "product_price": str(product.product_price),
    }
