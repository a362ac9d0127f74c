"""A large catalogue, filled in one go. One image in ten has failed, one in twenty waits."""

from typing import Final

import asyncpg

from packshot.database import Database
from packshot.ledger import Ledger

PRODUCTS: Final = 100_000
IMAGES_EACH: Final = 5

FILL_PRODUCTS: Final = """
    INSERT INTO products (user_id, product_name, product_description, product_images, product_price,
                          compressed_product_images)
    SELECT 1, (ARRAY['Leather boot', 'Wool scarf', 'Desk lamp', 'Blue mug'])[1 + n % 4] || ' no. ' || n,
           repeat('Described at some length. ', 10),
           ARRAY(SELECT 'https://supplier-' || n % 50 || '.example/' || n || '-' || k || '.jpg'
                   FROM generate_series(1, $2::int) AS k),
           n % 1000 + 0.90, array_fill(NULL::text, ARRAY[$2::int])
      FROM generate_series(1, $1::int) AS n"""

# Random digits, because hashes are: renditions are looked up all over their table.
FILL_RENDITIONS: Final = """
    INSERT INTO renditions (source_sha256, recipe, preset, format, key, width, height, bytes, quality, score)
    SELECT hash, '0123456789abcdef', preset, format,
           left(hash, 2) || '/' || hash || '/' || preset || '-0123456789abcdef.' || format,
           800, 600, 20000 + n % 1000, 60, 80.5
      FROM generate_series(1, $1::int) AS n,
           LATERAL (SELECT encode(sha256(n::text::bytea), 'hex')) AS h (hash),
           unnest(ARRAY['large', 'medium', 'thumb']) AS preset, unnest(ARRAY['avif', 'jpeg']) AS format"""

FILL_IMAGES: Final = """
    INSERT INTO images (product_id, position, source_url, state, attempt, max_attempts, error_code,
                        error_message, source_sha256, source_bytes, source_width, source_height,
                        source_format, rendition_keys, timings, facts)
    SELECT p.product_id, k - 1, product_images[k], state, (state <> 'pending')::int, 5,
           CASE state WHEN 'failed' THEN (ARRAY['source_gone', 'not_an_image'])[1 + product_id % 2] END,
           CASE state WHEN 'failed' THEN 'The server sent a text instead of a picture.' END,
           CASE state WHEN 'ready' THEN hash END, CASE state WHEN 'ready' THEN 100000 + n % 5000 END,
           CASE state WHEN 'ready' THEN 1600 END, CASE state WHEN 'ready' THEN 1200 END,
           CASE state WHEN 'ready' THEN 'jpeg' END,
           CASE state WHEN 'ready' THEN ARRAY(
               SELECT left(hash, 2) || '/' || hash || '/' || preset || '-0123456789abcdef.' || format
                 FROM unnest(ARRAY['large', 'medium', 'thumb']) AS preset,
                      unnest(ARRAY['avif', 'jpeg']) AS format) ELSE '{}' END,
           '{"download": 0.5, "compress": 0.75}',
           CASE state WHEN 'ready' THEN '{"colour": "#e1dcd4", "placeholder": "MggKDYKUd4efh4dld1iIi2lgmAeW",
               "has_transparency": false, "whiteness": 0.5, "sharpness": 0.3}'::jsonb ELSE '{}' END
      FROM products p, generate_series(1, $1::int) AS k,
           LATERAL (SELECT (p.product_id - 1) * $1 + k) AS i (n),
           LATERAL (SELECT encode(sha256(n::text::bytea), 'hex'),
                           CASE WHEN n % 10 = 3 THEN 'failed' WHEN n % 20 = 7 THEN 'pending'
                                ELSE 'ready' END) AS s (hash, state)"""


async def fill(dsn: str) -> None:
    """Fill an empty database, and count what is in it."""
    connection = await asyncpg.connect(dsn)  # without the time limit that commands have
    await connection.execute("INSERT INTO users (name) VALUES ('First user')")
    await connection.execute(FILL_PRODUCTS, PRODUCTS, IMAGES_EACH)
    await connection.execute(FILL_RENDITIONS, PRODUCTS * IMAGES_EACH)
    await connection.execute(FILL_IMAGES, IMAGES_EACH)
    await connection.execute("VACUUM ANALYZE")
    await connection.execute("UPDATE tallied SET seen = NULL")
    await connection.execute("TRUNCATE changes")
    await connection.close()
    async with Database.open(dsn) as database:
        await Ledger(database).count_all()
