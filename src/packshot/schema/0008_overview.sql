-- What people look at: counts that are at hand at any time, and a log of what changed. The triggers write down
-- each change beside the change itself; `ledger.py` adds them up. It all follows from other tables.

CREATE FUNCTION source_host(url text) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE AS
$$ SELECT left(lower(coalesce(substring(url FROM '^[^:/?#]*://(\[[^]]*\]|[^/?#:]*)'), '')), 253) $$;

-- `subject` is a state of images, or `products`. Whoever reads this remembers a snapshot, and asks for what
-- it does not show: so nothing is missed and nothing taken twice, in whichever order transactions commit.
CREATE TABLE changes (
    xid              xid8 NOT NULL DEFAULT pg_current_xact_id(),
    at               timestamptz NOT NULL DEFAULT now(),
    product_id       int,
    subject          text NOT NULL,
    amount           int NOT NULL,
    error_code       text,
    host             text,
    source_bytes     bigint,
    rendition_bytes  bigint
);
CREATE INDEX changes_in_order ON changes (xid);

-- Failed images are counted by code and host. The bytes are those of ready images and of their main renditions.
CREATE TABLE tallies (
    subject          text NOT NULL,
    error_code       text NOT NULL,
    host             text NOT NULL,
    amount           bigint NOT NULL,
    source_bytes     bigint NOT NULL,
    rendition_bytes  bigint NOT NULL,
    first_at         timestamptz,
    last_at          timestamptz,
    PRIMARY KEY (subject, error_code, host)
);

CREATE TABLE ready_minutes (
    minute  timestamptz PRIMARY KEY,
    images  bigint NOT NULL
);

-- One row. The tallies hold what `seen` shows; null asks for everything to be counted anew.
CREATE TABLE tallied (
    only_one    boolean PRIMARY KEY DEFAULT true CHECK (only_one),
    seen        pg_snapshot,
    counted_at  timestamptz NOT NULL DEFAULT now()
);
INSERT INTO tallied DEFAULT VALUES;

CREATE FUNCTION note_move() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO changes (product_id, subject, amount, error_code, host, source_bytes, rendition_bytes) VALUES
        (OLD.product_id, OLD.state, -1,
         CASE WHEN OLD.state = 'failed' THEN OLD.error_code END,
         CASE WHEN OLD.state = 'failed' THEN source_host(OLD.source_url) END,
         CASE WHEN OLD.state = 'ready' THEN -OLD.source_bytes END,
         CASE WHEN OLD.state = 'ready' THEN
              -(SELECT bytes FROM renditions WHERE key = OLD.rendition_keys[1] LIMIT 1) END),
        (NEW.product_id, NEW.state, 1,
         CASE WHEN NEW.state = 'failed' THEN NEW.error_code END,
         CASE WHEN NEW.state = 'failed' THEN source_host(NEW.source_url) END,
         CASE WHEN NEW.state = 'ready' THEN NEW.source_bytes END,
         CASE WHEN NEW.state = 'ready' THEN
              (SELECT bytes FROM renditions WHERE key = NEW.rendition_keys[1] LIMIT 1) END);
    RETURN NULL;
END $$;

CREATE FUNCTION note_images() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    sign int := CASE TG_OP WHEN 'INSERT' THEN 1 ELSE -1 END;
BEGIN
    INSERT INTO changes (product_id, subject, amount, error_code, host, source_bytes, rendition_bytes)
    SELECT product_id, state, sign * count(*),
           CASE WHEN state = 'failed' THEN error_code END,
           CASE WHEN state = 'failed' THEN source_host(source_url) END,
           sign * sum(source_bytes) FILTER (WHERE state = 'ready'),
           sign * sum((SELECT bytes FROM renditions WHERE key = rendition_keys[1] LIMIT 1))
                  FILTER (WHERE state = 'ready')
      FROM these GROUP BY 1, 2, 4, 5;
    RETURN NULL;
END $$;

CREATE FUNCTION note_products() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO changes (product_id, subject, amount)
    SELECT product_id, 'products', CASE TG_OP WHEN 'INSERT' THEN 1 ELSE -1 END FROM these;
    RETURN NULL;
END $$;

CREATE FUNCTION note_edit() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO changes (product_id, subject, amount) VALUES (NEW.product_id, 'products', 0);
    RETURN NULL;
END $$;

CREATE TRIGGER moved AFTER UPDATE OF state, rendition_keys ON images FOR EACH ROW
    WHEN (OLD.state <> NEW.state OR OLD.rendition_keys[1] IS DISTINCT FROM NEW.rendition_keys[1])
    EXECUTE FUNCTION note_move();
CREATE TRIGGER added AFTER INSERT ON images REFERENCING NEW TABLE AS these
    FOR EACH STATEMENT EXECUTE FUNCTION note_images();
CREATE TRIGGER removed AFTER DELETE ON images REFERENCING OLD TABLE AS these
    FOR EACH STATEMENT EXECUTE FUNCTION note_images();
CREATE TRIGGER added AFTER INSERT ON products REFERENCING NEW TABLE AS these
    FOR EACH STATEMENT EXECUTE FUNCTION note_products();
CREATE TRIGGER removed AFTER DELETE ON products REFERENCING OLD TABLE AS these
    FOR EACH STATEMENT EXECUTE FUNCTION note_products();
-- A result writes another column, so this is not in its way.
CREATE TRIGGER edited AFTER UPDATE OF product_name ON products FOR EACH ROW EXECUTE FUNCTION note_edit();
