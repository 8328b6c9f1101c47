-- The journal of a kiosk. Ids of epochs are 64 bits, kept as signed integers;
-- instants are Unix milliseconds, 0 where no clock could be trusted.

CREATE TABLE journal (
    one        INTEGER PRIMARY KEY CHECK (one = 1),
    kiosk      TEXT    NOT NULL,
    why        TEXT    NOT NULL, -- for the next epoch that begins without a cause of its own
    session    INTEGER NOT NULL, -- number of the newest connection
    seen_boot  INTEGER NOT NULL, -- when the program was last known to run
    seen_since INTEGER NOT NULL,
    seen_at    INTEGER NOT NULL,
    acked_at   INTEGER NOT NULL  -- when the hub last acknowledged something new
) STRICT;

-- The order of n is that in which epochs began; all but the last are closed.
CREATE TABLE epoch (
    n       INTEGER PRIMARY KEY,
    id      INTEGER NOT NULL UNIQUE,
    closed  INTEGER NOT NULL,
    oldest  INTEGER NOT NULL, -- the oldest record held; next when there is none
    next    INTEGER NOT NULL, -- number of the next record, never derived from the records
    head    BLOB    NOT NULL, -- running hash after record next-1
    acked   INTEGER NOT NULL, -- the hub has everything up to here
    presses INTEGER NOT NULL, -- records of kind press in this epoch
    total   INTEGER NOT NULL  -- presses made on this kiosk, in this epoch and before
) STRICT;

-- The id of the epoch itself leads the key, so that records keep their names
-- when the page that holds the table of epochs is lost. before is the running
-- hash before the record: thus it is known for the oldest record and after a hole.
CREATE TABLE record (
    epoch   INTEGER NOT NULL,
    seq     INTEGER NOT NULL,
    before  BLOB    NOT NULL,
    body    BLOB    NOT NULL,
    at      INTEGER NOT NULL,
    presses INTEGER NOT NULL, -- presses of the epoch up to and with this record
    PRIMARY KEY (epoch, seq)
) STRICT, WITHOUT ROWID;

-- Records that say what holds from there on, once more: pruning keeps of each
-- kind the last one below the oldest record, and damage to the records leaves
-- them here, to be sent in their place. before is the running hash before.
CREATE TABLE landmark (
    epoch  INTEGER NOT NULL,
    kind   TEXT    NOT NULL,
    seq    INTEGER NOT NULL,
    before BLOB    NOT NULL,
    body   BLOB    NOT NULL,
    PRIMARY KEY (epoch, kind, seq)
) STRICT, WITHOUT ROWID;

-- Texts of comments; the record holds only the digest.
CREATE TABLE comment (
    epoch INTEGER NOT NULL,
    seq   INTEGER NOT NULL,
    salt  BLOB    NOT NULL,
    text  TEXT    NOT NULL,
    PRIMARY KEY (epoch, seq)
) STRICT, WITHOUT ROWID;

-- Records of a damaged journal that could not be read.
CREATE TABLE hole (
    epoch INTEGER NOT NULL,
    first INTEGER NOT NULL,
    last  INTEGER NOT NULL,
    PRIMARY KEY (epoch, first)
) STRICT, WITHOUT ROWID;

-- The boots of the kernel, by the name that it gave them.
CREATE TABLE boot (
    n      INTEGER PRIMARY KEY,
    kernel TEXT NOT NULL UNIQUE
) STRICT;
