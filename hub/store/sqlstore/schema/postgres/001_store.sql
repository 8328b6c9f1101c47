-- The store, as SQLite has it after its step 002. Ids of kiosks, sites and so on
-- are texts of at most 40 characters, compared by their bytes; instants are Unix
-- milliseconds; a seq is at least 1. Wide columns come first: PostgreSQL pads.
-- Tables whose rows change all the time leave room on their pages, so that a
-- change touches no index.

CREATE TABLE meta (
    name  text COLLATE "C" PRIMARY KEY,
    value text NOT NULL
);

-- One row: the term rises at each take-over. Every transaction that writes under
-- a term holds this row, so that they wait for each other.
CREATE TABLE term (
    n   bigint  NOT NULL,
    one integer PRIMARY KEY CHECK (one = 1)
) WITH (fillfactor = 20);
INSERT INTO term (one, n) VALUES (1, 0);

-- A journal: one epoch of one kiosk. through and hash are its mark.
CREATE TABLE source (
    epoch       bigint  NOT NULL, -- 64 bits, as a signed integer
    through     bigint  NOT NULL,
    heard       bigint  NOT NULL, -- highest next the kiosk claimed
    created_at  bigint  NOT NULL,
    stored_at   bigint  NOT NULL,
    -- What its first record says: the epoch before, 0 if none is known, the last
    -- record that both sides share, and how many after it stand here again.
    parent      bigint  NOT NULL DEFAULT 0,
    parent_last bigint  NOT NULL DEFAULT 0,
    again       bigint  NOT NULL DEFAULT 0,
    -- Bytes of its bad records that are in quarantine, and the version of the
    -- program that last read it again to free some.
    quarantined bigint  NOT NULL DEFAULT 0,
    id          integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    rule        integer NOT NULL, -- version of the visit rule
    closed      boolean NOT NULL DEFAULT false, -- a later epoch has begun
    kiosk       text COLLATE "C" NOT NULL,
    hash        bytea   NOT NULL,
    read_by     text    NOT NULL DEFAULT '',
    state       bytea   NOT NULL, -- visit.State as JSON
    UNIQUE (kiosk, epoch)
) WITH (fillfactor = 50);

-- The running hash at the end of each stored batch and before each anchor; day
-- is the day of storing, with which the keys of its records begin.
CREATE TABLE checkpoint (
    seq    bigint  NOT NULL,
    source integer NOT NULL,
    day    integer NOT NULL,
    hash   bytea   NOT NULL,
    PRIMARY KEY (source, seq)
);

-- Records, verbatim. One partition holds those that were stored in one month of
-- UTC, which never changes; it is made when the month's first record comes. The
-- key tells apart within a month only: that a record stands in one month rests
-- on the mark of its journal, which moves over each record once and is locked
-- while it moves, and sourire-hub verify proves it.
CREATE TABLE record (
    seq    bigint  NOT NULL,
    day    integer NOT NULL, -- days since 1970-01-01 UTC
    source integer NOT NULL,
    body   bytea   NOT NULL,
    PRIMARY KEY (day, source, seq)
) PARTITION BY RANGE (day);

-- text is bytes: a comment may hold a zero byte, and its digest must agree.
CREATE TABLE comment (
    seq    bigint  NOT NULL,
    source integer NOT NULL,
    salt   bytea   NOT NULL,
    text   bytea   NOT NULL,
    PRIMARY KEY (source, seq)
);

CREATE TABLE gap (
    first  bigint  NOT NULL,
    last   bigint  NOT NULL,
    at     bigint  NOT NULL,
    source integer NOT NULL,
    why    text    NOT NULL,
    PRIMARY KEY (source, first)
);

-- Bad records, kept under their number until a later version understands them.
CREATE TABLE quarantine (
    seq    bigint  NOT NULL,
    at     bigint  NOT NULL,
    source integer NOT NULL,
    body   bytea   NOT NULL,
    why    text    NOT NULL,
    PRIMARY KEY (source, seq)
);

-- Refused payloads, a bounded number for each kiosk.
CREATE TABLE refused (
    id      bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at      bigint NOT NULL,
    kiosk   text COLLATE "C" NOT NULL,
    refusal text COLLATE "C" NOT NULL,
    why     text   NOT NULL,
    payload bytea  NOT NULL
);
CREATE INDEX refused_kiosk ON refused (kiosk);
CREATE TABLE refusals (
    n       bigint NOT NULL,
    last_at bigint NOT NULL,
    kiosk   text COLLATE "C" NOT NULL,
    refusal text COLLATE "C" NOT NULL,
    PRIMARY KEY (kiosk, refusal)
) WITH (fillfactor = 50);

-- What presses answer; one row for each combination ever asked.
CREATE TABLE asked (
    id         integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    site       text COLLATE "C" NOT NULL,
    touchpoint text COLLATE "C" NOT NULL,
    survey     text COLLATE "C" NOT NULL,
    scale      text COLLATE "C" NOT NULL,
    UNIQUE (site, touchpoint, survey, scale)
);

CREATE TABLE visit (
    seq     bigint   NOT NULL, -- of its first press
    boot    bigint   NOT NULL,
    since   bigint   NOT NULL,
    at      bigint   NOT NULL, -- Unix milliseconds, 0 undated
    within  bigint   NOT NULL,
    source  integer  NOT NULL,
    asked   integer  NOT NULL,
    presses integer  NOT NULL,
    rating  smallint NOT NULL,
    marks   smallint NOT NULL, -- 1 mixed, 2 insistent
    aside   smallint NOT NULL, -- visit.Aside
    PRIMARY KEY (source, seq)
) WITH (fillfactor = 95);

-- Roll-ups: quarters of an hour in UTC, one column for each step.
CREATE TABLE cell (
    bucket bigint  NOT NULL,
    asked  integer NOT NULL,
    s0 integer NOT NULL, s1 integer NOT NULL, s2 integer NOT NULL, s3 integer NOT NULL,
    s4 integer NOT NULL, s5 integer NOT NULL, s6 integer NOT NULL, s7 integer NOT NULL,
    s8 integer NOT NULL, s9 integer NOT NULL, s10 integer NOT NULL,
    test integer NOT NULL, technician integer NOT NULL, cleaning integer NOT NULL,
    stuck integer NOT NULL, closed integer NOT NULL, play integer NOT NULL,
    undated integer NOT NULL,
    presses integer NOT NULL, aside_presses integer NOT NULL,
    mixed integer NOT NULL, insistent integer NOT NULL,
    PRIMARY KEY (asked, bucket)
) WITH (fillfactor = 80);

-- What kiosks last said of themselves (birth, health, will).
CREATE TABLE kiosk (
    session  bigint  NOT NULL,
    epoch    bigint  NOT NULL,
    next     bigint  NOT NULL,
    queued   bigint  NOT NULL, -- presses it had not had acknowledged
    heard_at bigint  NOT NULL, -- the instant of the newest birth or health
    last_at  bigint  NOT NULL, -- the instant at which it last said anything
    online   boolean NOT NULL,
    id       text COLLATE "C" PRIMARY KEY,
    version  text    NOT NULL
) WITH (fillfactor = 50);

CREATE TABLE site (
    id   text COLLATE "C" PRIMARY KEY,
    name text NOT NULL,
    zone text NOT NULL
);

-- The figures that pages show: they move by at least five new ratings.
CREATE TABLE published (
    at   bigint NOT NULL,
    site text COLLATE "C" NOT NULL,
    day  text COLLATE "C" NOT NULL, -- local, 2006-01-02
    body bytea  NOT NULL,
    PRIMARY KEY (site, day)
) WITH (fillfactor = 70);

-- Life of a site: when it was last pressed, and when a press was last stored.
CREATE TABLE life (
    pressed_at bigint NOT NULL,
    stored_at  bigint NOT NULL,
    site       text COLLATE "C" PRIMARY KEY
) WITH (fillfactor = 50);
