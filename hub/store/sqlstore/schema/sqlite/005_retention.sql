-- Retention. Of a journal whose oldest records were deleted: the last of them, the
-- running hash after it, and the fold there (visit.State as JSON).
CREATE TABLE floor (
    source INTEGER PRIMARY KEY,
    seq    INTEGER NOT NULL,
    hash   BLOB    NOT NULL,
    state  BLOB    NOT NULL
);

-- What visits counted that are deleted: a cell is what stands here and what the
-- visits that are kept count.
CREATE TABLE settled (
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
CREATE INDEX settled_bucket ON settled (bucket);

-- What cells counted that are deleted, by the days on which they lay then: a day
-- is what stands here and the sum of the cells that are kept.
CREATE TABLE settled_day (
    asked INTEGER NOT NULL,
    day   INTEGER NOT NULL,
    s0 INTEGER NOT NULL, s1 INTEGER NOT NULL, s2 INTEGER NOT NULL, s3 INTEGER NOT NULL,
    s4 INTEGER NOT NULL, s5 INTEGER NOT NULL, s6 INTEGER NOT NULL, s7 INTEGER NOT NULL,
    s8 INTEGER NOT NULL, s9 INTEGER NOT NULL, s10 INTEGER NOT NULL,
    test INTEGER NOT NULL, technician INTEGER NOT NULL, cleaning INTEGER NOT NULL,
    stuck INTEGER NOT NULL, closed INTEGER NOT NULL, play INTEGER NOT NULL,
    undated INTEGER NOT NULL,
    presses INTEGER NOT NULL, aside_presses INTEGER NOT NULL,
    mixed INTEGER NOT NULL, insistent INTEGER NOT NULL,
    PRIMARY KEY (asked, day)
) WITHOUT ROWID;
CREATE INDEX settled_day_day ON settled_day (day);

-- When a comment was written or, where the kiosk's clock was not known, stored.
ALTER TABLE comment ADD COLUMN at INTEGER NOT NULL DEFAULT 0;
UPDATE comment SET at = coalesce((SELECT day * 86400000 FROM checkpoint c
    WHERE c.source = comment.source AND c.seq >= comment.seq ORDER BY c.seq LIMIT 1), 0);
CREATE INDEX comment_at ON comment (at);

-- One row while a run of retention goes on: what it has deleted so far, as JSON. It
-- ends as a row of audit, also when the run was cut short.
CREATE TABLE retention (
    one     INTEGER PRIMARY KEY CHECK (one = 1),
    at      INTEGER NOT NULL,
    deleted TEXT    NOT NULL,
    upto    TEXT    NOT NULL
);

-- Who did what, and what was before and after, as JSON. Rows are never changed:
-- only a copy that was begun and not finished may be emptied.
CREATE TABLE audit (
    id     INTEGER PRIMARY KEY,
    at     INTEGER NOT NULL,
    who    TEXT    NOT NULL,
    what   TEXT    NOT NULL,
    was    TEXT    NOT NULL,
    became TEXT    NOT NULL
);
CREATE TRIGGER audit_unchanged BEFORE UPDATE ON audit
BEGIN
    SELECT RAISE(ABORT, 'the audit log is never changed');
END;
CREATE TRIGGER audit_undeleted BEFORE DELETE ON audit
WHEN NOT EXISTS (SELECT 1 FROM meta WHERE name = 'incomplete')
BEGIN
    SELECT RAISE(ABORT, 'nothing is deleted from the audit log');
END;
