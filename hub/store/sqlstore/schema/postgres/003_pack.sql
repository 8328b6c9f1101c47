-- Old records and visits, a stretch of a journal in a row: whole batches that were
-- stored in one month of UTC, first to last. Their rows of record, checkpoint and
-- visit are gone.
CREATE TABLE pack (
    first      bigint  NOT NULL,
    last       bigint  NOT NULL,
    first_boot bigint  NOT NULL, -- of its visits; 1 to 0: it has none
    last_boot  bigint  NOT NULL,
    source     integer NOT NULL,
    records    integer NOT NULL, -- in it: those in quarantine stay there
    rated      integer NOT NULL, -- visits whose first press lies in the stretch
    first_day  integer NOT NULL, -- of storing
    last_day   integer NOT NULL,
    before     bytea   NOT NULL, -- the running hash in front of first
    hash       bytea   NOT NULL, -- and after last
    asked      bytea   NOT NULL, -- what its visits answer, as varints
    visits     bytea   NOT NULL,
    bodies     bytea   NOT NULL,
    PRIMARY KEY (source, first)
);
-- They are compressed already.
ALTER TABLE pack ALTER COLUMN visits SET STORAGE EXTERNAL, ALTER COLUMN bodies SET STORAGE EXTERNAL;

-- It rises whenever something is packed, or a month of records goes.
ALTER TABLE term ADD COLUMN packing bigint NOT NULL DEFAULT 0;
