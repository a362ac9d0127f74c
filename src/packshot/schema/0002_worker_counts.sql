-- How often something happened to a worker that should not: results that came too late, messages that
-- nobody understands. The names are the program's.
ALTER TABLE workers ADD COLUMN counts jsonb NOT NULL DEFAULT '{}';
