-- The first answer to each Idempotency-Key, as it was sent. `owner` is the access key's id, 0 without one: nobody
-- is answered with what somebody else asked for.
CREATE TABLE idempotent_answers (
    owner        int NOT NULL,
    key          text NOT NULL,
    fingerprint  bytea NOT NULL,
    status       smallint NOT NULL,
    location     text,
    body         bytea NOT NULL,
    created_at   timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (owner, key)
);
CREATE INDEX idempotent_answers_by_age ON idempotent_answers (created_at);
