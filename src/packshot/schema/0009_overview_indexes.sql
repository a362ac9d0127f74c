-- For lists: of failed images by code and host, of products by the states of their images, and of products by what
-- is asked of each. Who has many millions of rows builds them before, CONCURRENTLY.
CREATE INDEX IF NOT EXISTS images_failed_of ON images (error_code, source_host(source_url), image_id)
    INCLUDE (product_id) WHERE state = 'failed';
CREATE INDEX IF NOT EXISTS images_not_ready ON images (state, product_id) WHERE state <> 'ready';
CREATE INDEX IF NOT EXISTS products_listed ON products (product_id)
    INCLUDE (user_id, product_price, product_name);
