-- Of a journal: bytes of its bad records that are in quarantine, and the version
-- of the program that last read it again to free some.
ALTER TABLE source ADD COLUMN quarantined INTEGER NOT NULL DEFAULT 0;
ALTER TABLE source ADD COLUMN read_by TEXT NOT NULL DEFAULT '';
UPDATE source SET quarantined = (SELECT coalesce(sum(length(body)), 0) FROM quarantine q WHERE q.source = source.id);
