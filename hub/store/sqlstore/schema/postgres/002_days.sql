-- Roll-ups, the second level: days in the zone of the site, numbered from
-- 1970-01-01 on its calendar. Each is the sum of its cells. The day leads the key:
-- what all sites count today lies together, to be added to and to be ranked.
CREATE TABLE day (
    day   integer NOT NULL,
    asked integer NOT NULL,
    s0 integer NOT NULL, s1 integer NOT NULL, s2 integer NOT NULL, s3 integer NOT NULL,
    s4 integer NOT NULL, s5 integer NOT NULL, s6 integer NOT NULL, s7 integer NOT NULL,
    s8 integer NOT NULL, s9 integer NOT NULL, s10 integer NOT NULL,
    test integer NOT NULL, technician integer NOT NULL, cleaning integer NOT NULL,
    stuck integer NOT NULL, closed integer NOT NULL, play integer NOT NULL,
    undated integer NOT NULL,
    presses integer NOT NULL, aside_presses integer NOT NULL,
    mixed integer NOT NULL, insistent integer NOT NULL,
    PRIMARY KEY (day, asked)
) WITH (fillfactor = 50);

-- The zone in which the days of a site stand, and what the zone database said of
-- it (rollup.Calendar.Rules; 0: they are to be summed anew). Who means another
-- reads cells. A site without a row has no days yet.
CREATE TABLE day_zone (
    rules bigint NOT NULL,
    site  text COLLATE "C" PRIMARY KEY,
    zone  text NOT NULL
) WITH (fillfactor = 70);

-- It rises whenever days of a site that had some stand in another zone.
ALTER TABLE term ADD COLUMN zoning bigint NOT NULL DEFAULT 0;

-- One row: how far the rebuild that was asked for last has come.
CREATE TABLE rebuild (
    done  bigint  NOT NULL,
    total bigint  NOT NULL,
    one   integer PRIMARY KEY CHECK (one = 1),
    id    text    NOT NULL, -- of the request
    phase text    NOT NULL, -- ingest.Phase
    why   text    NOT NULL  -- what could not be done
) WITH (fillfactor = 50);
