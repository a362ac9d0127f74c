-- What people look at: counts that are at hand at any time, and a log of what changed. The triggers write down
-- each change beside the change itself; `ledger.py` adds them up. It all follows from other tables.

-- OR REPLACE, because who has many millions of rows makes it before, for the index of 0009: docs/deployment.md.
CREATE OR REPLACE FUNCTION source_host(url text) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE AS
$$ SELECT left(lower(coalesce(substring(url FROM '^[^:/?#]*://(\[[^]]*\]|[^/?#:]*)'), '')), 253) $$;

-- `entered` and `left_state` are states of images, or `products`. Whoever reads this remembers a snapshot, and
-- asks for what it does not show: so nothing is missed and nothing taken twice, in whichever order
-- transactions commit.
CREATE TABLE changes (
    xid              xid8 NOT NULL DEFAULT pg_current_xact_id(),
    at               timestamptz NOT NULL DEFAULT now(),
    product_id       int,
    entered          text,
    left_state       text,
    amount           int NOT NULL DEFAULT 1,
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

CREATE FUNCTION main_bytes(keys text[]) RETURNS bigint LANGUAGE sql STABLE AS
$$ SELECT bytes FROM renditions WHERE key = keys[1] LIMIT 1 $$;

-- The first branch is a claim's, which must cost next to nothing.
CREATE FUNCTION note_move() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.state IN ('pending', 'processing') AND NEW.state IN ('pending', 'processing') THEN
        INSERT INTO changes (product_id, entered, left_state) VALUES (NEW.product_id, NEW.state, OLD.state);
    ELSIF 'ready' IN (OLD.state, NEW.state) THEN
        INSERT INTO changes (product_id, entered, left_state, amount, source_bytes, rendition_bytes) VALUES
            (NEW.product_id, NEW.state, OLD.state, (NEW.state <> OLD.state)::int,
             CASE WHEN NEW.state = 'ready' THEN NEW.source_bytes ELSE 0 END
             - CASE WHEN OLD.state = 'ready' THEN OLD.source_bytes ELSE 0 END,
             CASE WHEN NEW.state = 'ready' THEN coalesce(main_bytes(NEW.rendition_keys), 0) ELSE 0 END
             - CASE WHEN OLD.state = 'ready' THEN coalesce(main_bytes(OLD.rendition_keys), 0) ELSE 0 END);
    ELSE
        INSERT INTO changes (product_id, entered, left_state, error_code, host) VALUES
            (NEW.product_id, NEW.state, OLD.state,
             CASE WHEN NEW.state = 'failed' THEN NEW.error_code ELSE OLD.error_code END,
             source_host(NEW.source_url));
    END IF;
    RETURN NULL;
END $$;

CREATE FUNCTION note_images() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    sign int := CASE TG_OP WHEN 'INSERT' THEN 1 ELSE -1 END;
BEGIN
    INSERT INTO changes (product_id, entered, amount, error_code, host, source_bytes, rendition_bytes)
    SELECT product_id, state, sign * count(*),
           CASE WHEN state = 'failed' THEN error_code END,
           CASE WHEN state = 'failed' THEN source_host(source_url) END,
           sign * sum(source_bytes) FILTER (WHERE state = 'ready'),
           sign * sum(main_bytes(rendition_keys)) FILTER (WHERE state = 'ready')
      FROM these GROUP BY 1, 2, 4, 5;
    RETURN NULL;
END $$;

CREATE FUNCTION note_products() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO changes (product_id, entered, amount)
    SELECT product_id, 'products', CASE TG_OP WHEN 'INSERT' THEN 1 ELSE -1 END FROM these;
    RETURN NULL;
END $$;

CREATE FUNCTION note_edit() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO changes (product_id, entered, amount) VALUES (NEW.product_id, 'products', 0);
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
