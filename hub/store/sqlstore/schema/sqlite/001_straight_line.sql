-- The store of the straight line. Ids of kiosks, sites and so on are texts of
-- at most 40 characters; instants are Unix milliseconds; a seq is at least 1.

CREATE TABLE meta (
    name  TEXT PRIMARY KEY,
    value TEXT NOT NULL
) WITHOUT ROWID;

-- One row: the term rises at each take-over and is checked in every transaction.
CREATE TABLE term (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    n   INTEGER NOT NULL
);
INSERT INTO term VALUES (1, 0);

-- A journal: one epoch of one kiosk. through and hash are its mark.
CREATE TABLE source (
    id         INTEGER PRIMARY KEY,
    kiosk      TEXT    NOT NULL,
    epoch      INTEGER NOT NULL, -- 64 bits, as a signed integer
    through    INTEGER NOT NULL,
    hash       BLOB    NOT NULL,
    heard      INTEGER NOT NULL, -- highest next the kiosk claimed
    state      BLOB    NOT NULL, -- visit.State as JSON
    rule       INTEGER NOT NULL, -- version of the visit rule
    created_at INTEGER NOT NULL,
    stored_at  INTEGER NOT NULL,
    closed     INTEGER NOT NULL DEFAULT 0, -- a later epoch has begun
    -- What its first record says: the epoch before, 0 if none is known, the last
    -- record that both sides share, and how many after it stand here again.
    parent      INTEGER NOT NULL DEFAULT 0,
    parent_last INTEGER NOT NULL DEFAULT 0,
    again       INTEGER NOT NULL DEFAULT 0,
    UNIQUE (kiosk, epoch)
);

-- The running hash at the end of each stored batch and before each anchor; day
-- is the day of storing, with which the keys of its records begin.
CREATE TABLE checkpoint (
    source INTEGER NOT NULL,
    seq    INTEGER NOT NULL,
    hash   BLOB    NOT NULL,
    day    INTEGER NOT NULL,
    PRIMARY KEY (source, seq)
) WITHOUT ROWID;

-- Records, verbatim. The day of storing leads the key: rows of a day lie
-- together, which at 50 million rows doubles the rate of inserts.
CREATE TABLE record (
    day    INTEGER NOT NULL, -- days since 1970-01-01 UTC
    source INTEGER NOT NULL,
    seq    INTEGER NOT NULL,
    body   BLOB    NOT NULL,
    PRIMARY KEY (day, source, seq)
) WITHOUT ROWID;

CREATE TABLE comment (
    source INTEGER NOT NULL,
    seq    INTEGER NOT NULL,
    salt   BLOB    NOT NULL,
    text   TEXT    NOT NULL,
    PRIMARY KEY (source, seq)
) WITHOUT ROWID;

CREATE TABLE gap (
    source INTEGER NOT NULL,
    first  INTEGER NOT NULL,
    last   INTEGER NOT NULL,
    why    TEXT    NOT NULL,
    at     INTEGER NOT NULL,
    PRIMARY KEY (source, first)
) WITHOUT ROWID;

-- Bad records, kept under their number until a later version understands them.
CREATE TABLE quarantine (
    source INTEGER NOT NULL,
    seq    INTEGER NOT NULL,
    body   BLOB    NOT NULL,
    why    TEXT    NOT NULL,
    at     INTEGER NOT NULL,
    PRIMARY KEY (source, seq)
) WITHOUT ROWID;

-- Refused payloads, a bounded number for each kiosk.
CREATE TABLE refused (
    id      INTEGER PRIMARY KEY,
    kiosk   TEXT    NOT NULL,
    refusal TEXT    NOT NULL,
    why     TEXT    NOT NULL,
    at      INTEGER NOT NULL,
    payload BLOB    NOT NULL
);
CREATE INDEX refused_kiosk ON refused (kiosk);
CREATE TABLE refusals (
    kiosk   TEXT    NOT NULL,
    refusal TEXT    NOT NULL,
    n       INTEGER NOT NULL,
    last_at INTEGER NOT NULL,
    PRIMARY KEY (kiosk, refusal)
) WITHOUT ROWID;

-- What presses answer; one row for each combination ever asked.
CREATE TABLE asked (
    id         INTEGER PRIMARY KEY,
    site       TEXT NOT NULL,
    touchpoint TEXT NOT NULL,
    survey     TEXT NOT NULL,
    scale      TEXT NOT NULL,
    UNIQUE (site, touchpoint, survey, scale)
);

CREATE TABLE visit (
    source  INTEGER NOT NULL,
    seq     INTEGER NOT NULL, -- of its first press
    boot    INTEGER NOT NULL,
    since   INTEGER NOT NULL,
    asked   INTEGER NOT NULL,
    rating  INTEGER NOT NULL,
    presses INTEGER NOT NULL,
    marks   INTEGER NOT NULL, -- 1 mixed, 2 insistent
    aside   INTEGER NOT NULL, -- visit.Aside
    at      INTEGER NOT NULL, -- Unix milliseconds, 0 undated
    within  INTEGER NOT NULL,
    PRIMARY KEY (source, seq)
) WITHOUT ROWID;

-- Roll-ups: quarters of an hour in UTC, one column for each step.
CREATE TABLE cell (
    asked  INTEGER NOT NULL,
    bucket INTEGER NOT NULL,
    s0 INTEGER NOT NULL, s1 INTEGER NOT NULL, s2 INTEGER NOT NULL, s3 INTEGER NOT NULL,
    s4 INTEGER NOT NULL, s5 INTEGER NOT NULL, s6 INTEGER NOT NULL, s7 INTEGER NOT NULL,
    s8 INTEGER NOT NULL, s9 INTEGER NOT NULL, s10 INTEGER NOT NULL,
    test INTEGER NOT NULL, technician INTEGER NOT NULL, cleaning INTEGER NOT NULL,
    stuck INTEGER NOT NULL, closed INTEGER NOT NULL, play INTEGER NOT NULL,
    undated INTEGER NOT NULL,
    presses INTEGER NOT NULL, aside_presses INTEGER NOT NULL,
    mixed INTEGER NOT NULL, insistent INTEGER NOT NULL,
    PRIMARY KEY (asked, bucket)
) WITHOUT ROWID;

-- What kiosks last said of themselves (birth, health, will).
CREATE TABLE kiosk (
    id       TEXT PRIMARY KEY,
    session  INTEGER NOT NULL,
    online   INTEGER NOT NULL,
    version  TEXT    NOT NULL,
    epoch    INTEGER NOT NULL,
    next     INTEGER NOT NULL,
    queued   INTEGER NOT NULL, -- presses it had not had acknowledged
    heard_at INTEGER NOT NULL, -- the instant of the newest birth or health
    last_at  INTEGER NOT NULL  -- the instant at which it last said anything
) WITHOUT ROWID;

CREATE TABLE site (
    id   TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    zone TEXT NOT NULL
) WITHOUT ROWID;

-- The figures that pages show: they move by at least five new ratings.
CREATE TABLE published (
    site TEXT    NOT NULL,
    day  TEXT    NOT NULL, -- local, 2006-01-02
    body BLOB    NOT NULL,
    at   INTEGER NOT NULL,
    PRIMARY KEY (site, day)
) WITHOUT ROWID;

-- Life of a site: when it was last pressed, and when a press was last stored.
CREATE TABLE life (
    site       TEXT PRIMARY KEY,
    pressed_at INTEGER NOT NULL,
    stored_at  INTEGER NOT NULL
) WITHOUT ROWID;
