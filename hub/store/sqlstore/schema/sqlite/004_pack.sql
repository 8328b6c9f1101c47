-- Old records and visits, a stretch of a journal in a row: whole batches that were
-- stored in one month of UTC, first to last. Their rows of record, checkpoint and
-- visit are gone. Not WITHOUT ROWID: a blob must not widen the keys.
CREATE TABLE pack (
    source     INTEGER NOT NULL,
    first      INTEGER NOT NULL,
    last       INTEGER NOT NULL,
    records    INTEGER NOT NULL, -- in it: those in quarantine stay there
    rated      INTEGER NOT NULL, -- visits whose first press lies in the stretch
    first_day  INTEGER NOT NULL, -- of storing
    last_day   INTEGER NOT NULL,
    first_boot INTEGER NOT NULL, -- of its visits; 1 to 0: it has none
    last_boot  INTEGER NOT NULL,
    before     BLOB    NOT NULL, -- the running hash in front of first
    hash       BLOB    NOT NULL, -- and after last
    asked      BLOB    NOT NULL, -- what its visits answer, as varints
    visits     BLOB    NOT NULL,
    bodies     BLOB    NOT NULL,
    PRIMARY KEY (source, first)
);

-- It rises whenever something is packed, or a month of records goes.
ALTER TABLE term ADD COLUMN packing INTEGER NOT NULL DEFAULT 0;
