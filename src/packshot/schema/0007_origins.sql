-- What brought an image here, or back to work: the request's id, and its place in a trace (W3C traceparent). It is in the
-- row and not in the message, because messages may be lost.
ALTER TABLE images ADD COLUMN request_id text, ADD COLUMN traceparent text;
