-- How good a rendition is (the encoder's quality, the SSIMULACRA2 that it reached; null where nothing was lost,
-- or nothing was measured), and what is known of a picture besides its size.
ALTER TABLE renditions ADD COLUMN quality smallint, ADD COLUMN score real;
ALTER TABLE images ADD COLUMN facts jsonb NOT NULL DEFAULT '{}';

-- One unique constraint, so that two workers that make the same rendition at the same moment meet in it. The key
-- follows from these columns.
ALTER TABLE renditions DROP CONSTRAINT renditions_key_key;
CREATE INDEX renditions_of_key ON renditions (key);
