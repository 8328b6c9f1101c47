-- Roll-ups, the second level: days in the zone of the site, numbered from
-- 1970-01-01 on its calendar. Each is the sum of its cells. The day leads the key:
-- what all sites count today lies together, to be added to and to be ranked.
CREATE TABLE day (
    day   INTEGER NOT NULL,
    asked INTEGER NOT NULL,
    s0 INTEGER NOT NULL, s1 INTEGER NOT NULL, s2 INTEGER NOT NULL, s3 INTEGER NOT NULL,
    s4 INTEGER NOT NULL, s5 INTEGER NOT NULL, s6 INTEGER NOT NULL, s7 INTEGER NOT NULL,
    s8 INTEGER NOT NULL, s9 INTEGER NOT NULL, s10 INTEGER NOT NULL,
    test INTEGER NOT NULL, technician INTEGER NOT NULL, cleaning INTEGER NOT NULL,
    stuck INTEGER NOT NULL, closed INTEGER NOT NULL, play INTEGER NOT NULL,
    undated INTEGER NOT NULL,
    presses INTEGER NOT NULL, aside_presses INTEGER NOT NULL,
    mixed INTEGER NOT NULL, insistent INTEGER NOT NULL,
    PRIMARY KEY (day, asked)
) WITHOUT ROWID;

-- The zone in which the days of a site stand, and what the zone database said of
-- it (rollup.Calendar.Rules; 0: they are to be summed anew). Who means another
-- reads cells. A site without a row has no days yet.
CREATE TABLE day_zone (
    site  TEXT PRIMARY KEY,
    zone  TEXT    NOT NULL,
    rules INTEGER NOT NULL
) WITHOUT ROWID;

-- It rises whenever days of a site that had some stand in another zone.
ALTER TABLE term ADD COLUMN zoning INTEGER NOT NULL DEFAULT 0;

-- One row: how far the rebuild that was asked for last has come.
CREATE TABLE rebuild (
    one   INTEGER PRIMARY KEY CHECK (one = 1),
    id    TEXT    NOT NULL, -- of the request
    phase TEXT    NOT NULL, -- ingest.Phase
    done  INTEGER NOT NULL,
    total INTEGER NOT NULL,
    why   TEXT    NOT NULL  -- what could not be done
);
