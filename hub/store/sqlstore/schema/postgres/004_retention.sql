-- Retention. Of a journal whose oldest records were deleted: the last of them, the
-- running hash after it, and the fold there (visit.State as JSON).
CREATE TABLE floor (
    seq    bigint  NOT NULL,
    source integer PRIMARY KEY,
    hash   bytea   NOT NULL,
    state  bytea   NOT NULL
) WITH (fillfactor = 70);

-- What visits counted that are deleted: a cell is what stands here and what the
-- visits that are kept count.
CREATE TABLE settled (
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
);
CREATE INDEX settled_bucket ON settled (bucket);

-- What cells counted that are deleted, by the days on which they lay then: a day
-- is what stands here and the sum of the cells that are kept.
CREATE TABLE settled_day (
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
    PRIMARY KEY (asked, day)
);
CREATE INDEX settled_day_day ON settled_day (day);

-- When a comment was written or, where the kiosk's clock was not known, stored.
ALTER TABLE comment ADD COLUMN at bigint NOT NULL DEFAULT 0;
UPDATE comment SET at = coalesce((SELECT c.day * 86400000::bigint FROM checkpoint c
    WHERE c.source = comment.source AND c.seq >= comment.seq ORDER BY c.seq LIMIT 1), 0);
CREATE INDEX comment_at ON comment (at);

-- One row while a run of retention goes on: what it has deleted so far, as JSON. It
-- ends as a row of audit, also when the run was cut short.
CREATE TABLE retention (
    at      bigint  NOT NULL,
    one     integer PRIMARY KEY CHECK (one = 1),
    deleted text    NOT NULL,
    upto    text    NOT NULL
) WITH (fillfactor = 20);

-- Who did what, and what was before and after, as JSON. Rows are never changed:
-- only a copy that was begun and not finished may be emptied.
CREATE TABLE audit (
    id     bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at     bigint NOT NULL,
    who    text   NOT NULL,
    what   text   NOT NULL,
    was    text   NOT NULL,
    became text   NOT NULL
);
CREATE FUNCTION audit_is_kept() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'UPDATE' OR NOT EXISTS (SELECT 1 FROM meta WHERE name = 'incomplete') THEN
        RAISE EXCEPTION 'the audit log is never changed';
    END IF;
    RETURN OLD;
END $$;
CREATE TRIGGER audit_unchanged BEFORE UPDATE OR DELETE ON audit FOR EACH ROW EXECUTE FUNCTION audit_is_kept();
CREATE TRIGGER audit_untruncated BEFORE TRUNCATE ON audit FOR EACH STATEMENT EXECUTE FUNCTION audit_is_kept();
