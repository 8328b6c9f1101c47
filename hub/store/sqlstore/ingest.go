package sqlstore

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"sourire/hub/ingest"
	"sourire/hub/rollup"
	"sourire/internal/feedback"
	"sourire/internal/sqlite"
	"sourire/internal/visit"
)

// Marks implements ingest.Store.
func (s *Store) Marks(ctx context.Context, keys []ingest.Key) ([]ingest.Mark, error) {
	marks := make([]ingest.Mark, len(keys))
	for i, k := range keys {
		m, err := scanMark(s.db.Read.QueryRowContext(ctx,
			"SELECT through, hash, heard, state FROM source WHERE kiosk = ? AND epoch = ?", k.Kiosk, int64(k.Epoch)))
		if err != nil {
			return nil, fmt.Errorf("mark of %s epoch %s: %w", k.Kiosk, k.Epoch, err)
		}
		marks[i] = m
	}
	return marks, nil
}

func scanMark(row *sql.Row) (ingest.Mark, error) {
	m := ingest.Mark{Known: true}
	var hash, state []byte
	switch err := row.Scan(&m.Through, &hash, &m.Heard, &state); {
	case errors.Is(err, sql.ErrNoRows):
		return ingest.Mark{}, nil
	case err != nil:
		return m, err
	}
	copy(m.Hash[:], hash)
	return m, json.Unmarshal(state, &m.State)
}

// HashAt implements ingest.Store: from the checkpoint before seq, over the
// records up to it.
func (s *Store) HashAt(ctx context.Context, key ingest.Key, seq feedback.Seq) (h feedback.Hash, known bool, err error) {
	if seq == 0 {
		return h, true, nil
	}
	err = s.db.View(ctx, func(tx *sql.Tx) error {
		var source int64
		err := tx.QueryRowContext(ctx, "SELECT id FROM source WHERE kiosk = ? AND epoch = ?", key.Kiosk, int64(key.Epoch)).Scan(&source)
		if errors.Is(err, sql.ErrNoRows) {
			return nil
		} else if err != nil {
			return err
		}
		from, _, _, err := checkpointAt(ctx, tx, "seq <= ? ORDER BY seq DESC", source, seq)
		if err != nil {
			return err
		}
		if from.Through == seq {
			h, known = from.Hash, true
			return nil
		}
		_, day, found, err := checkpointAt(ctx, tx, "seq >= ? ORDER BY seq", source, seq)
		if err != nil || !found {
			return err
		}
		h, known, err = hashOver(ctx, tx, span{source: source, day: day, after: from, through: seq})
		return err
	})
	return h, known, err
}

func checkpointAt(ctx context.Context, tx *sql.Tx, where string, source int64, seq feedback.Seq) (p ingest.Point, day int64, found bool, err error) {
	var hash []byte
	err = tx.QueryRowContext(ctx, "SELECT seq, hash, day FROM checkpoint WHERE source = ? AND "+where+" LIMIT 1", source, seq).
		Scan(&p.Through, &hash, &day)
	if errors.Is(err, sql.ErrNoRows) {
		return p, 0, false, nil
	}
	copy(p.Hash[:], hash)
	return p, day, err == nil, err
}

// span names the records of one batch after a checkpoint.
type span struct {
	source, day int64
	after       ingest.Point
	through     feedback.Seq
}

func hashOver(ctx context.Context, tx *sql.Tx, sp span) (feedback.Hash, bool, error) {
	rows, err := tx.QueryContext(ctx, `SELECT seq, body FROM record WHERE day = ? AND source = ? AND seq > ? AND seq <= ?
		UNION ALL SELECT seq, body FROM quarantine WHERE source = ? AND seq > ? AND seq <= ? ORDER BY 1`,
		sp.day, sp.source, sp.after.Through, sp.through, sp.source, sp.after.Through, sp.through)
	if err != nil {
		return feedback.Hash{}, false, err
	}
	defer rows.Close()
	at := sp.after
	for rows.Next() {
		var seq feedback.Seq
		var body []byte
		if err := rows.Scan(&seq, &body); err != nil {
			return at.Hash, false, err
		}
		if seq != at.Through+1 {
			return at.Hash, false, nil
		}
		at = ingest.Point{Through: seq, Hash: at.Hash.Next(body)}
	}
	return at.Hash, at.Through == sp.through, rows.Err()
}

const visitColumns = `visit.seq, boot, since, site, touchpoint, survey, scale, rating, presses, marks, aside, at, within`

func scanVisit(rows *sql.Rows) (visit.Visit, error) {
	var v visit.Visit
	var marks int
	err := rows.Scan(&v.Seq, &v.Stamp.Boot, &v.Stamp.Since, &v.Asked.Site, &v.Asked.Touchpoint, &v.Asked.Survey,
		&v.Asked.Scale, &v.Rating, &v.Presses, &marks, &v.Aside, &v.At, &v.Within)
	v.Mixed, v.Insistent = marks&markMixed != 0, marks&markInsistent != 0
	return v, err
}

// The bits of visit.marks.
const (
	markMixed     = 1
	markInsistent = 2
)

// VisitsOfBoots implements ingest.Store.
func (s *Store) VisitsOfBoots(ctx context.Context, key ingest.Key, boots []feedback.Boot) ([]visit.Visit, error) {
	var out []visit.Visit
	for _, b := range boots {
		rows, err := s.db.Read.QueryContext(ctx, `SELECT `+visitColumns+` FROM visit JOIN asked ON asked.id = visit.asked
			WHERE source = (SELECT id FROM source WHERE kiosk = ? AND epoch = ?) AND boot = ?`, key.Kiosk, int64(key.Epoch), b)
		if err != nil {
			return nil, err
		}
		out, err = appendVisits(out, rows)
		if err != nil {
			return nil, err
		}
	}
	return out, nil
}

func appendVisits(out []visit.Visit, rows *sql.Rows) ([]visit.Visit, error) {
	defer rows.Close()
	for rows.Next() {
		v, err := scanVisit(rows)
		if err != nil {
			return nil, err
		}
		out = append(out, v)
	}
	return out, rows.Err()
}

// Apply implements ingest.Store.
func (s *Store) Apply(ctx context.Context, term int64, changes []ingest.Change) ([]error, error) {
	errs := make([]error, len(changes))
	fresh := make(map[feedback.Asked]int64)
	err := s.db.Update(ctx, func(tx *sql.Tx) error {
		var now int64
		if err := tx.StmtContext(ctx, s.stmts.term).QueryRowContext(ctx).Scan(&now); err != nil {
			return fmt.Errorf("term: %w", err)
		}
		if now != term {
			return ingest.ErrSuperseded
		}
		cells := make(rollup.Delta)
		for i, c := range changes {
			err := s.savepoint(ctx, tx, func() error { return s.apply(ctx, tx, c, fresh) })
			switch {
			case err == nil:
				cells.Merge(c.Cells)
			case errors.Is(err, ingest.ErrStale) || sqlite.IsConstraint(err):
				errs[i] = err
				clear(fresh) // rows that it made are gone
			default:
				return err
			}
		}
		if err := s.addCells(ctx, tx, cells, fresh); err != nil {
			return err
		}
		return s.live(ctx, tx, changes, errs)
	})
	if err != nil {
		return nil, err
	}
	s.remember(fresh)
	return errs, nil
}

// savepoint runs do; when it fails, all that it wrote is undone and the
// transaction goes on.
func (s *Store) savepoint(ctx context.Context, tx *sql.Tx, do func() error) error {
	if _, err := tx.ExecContext(ctx, "SAVEPOINT batch"); err != nil {
		return err
	}
	err := do()
	if err != nil {
		if _, back := tx.ExecContext(ctx, "ROLLBACK TO batch"); back != nil {
			return errors.Join(fmt.Errorf("roll back to the savepoint: %w", back), ctx.Err())
		}
	}
	if _, rel := tx.ExecContext(ctx, "RELEASE batch"); rel != nil {
		return fmt.Errorf("release the savepoint: %w", rel)
	}
	return err
}

func (s *Store) apply(ctx context.Context, tx *sql.Tx, c ingest.Change, fresh map[feedback.Asked]int64) error {
	source, closed, err := s.move(ctx, tx, c)
	if err != nil {
		return err
	}
	if c.To.Through == c.From.Through {
		return nil
	}
	day := c.At.Unix() / int64(24*time.Hour/time.Second)
	checkpoints := []any{source, c.To.Through, c.To.Hash[:], day}
	if c.Anchor != nil {
		checkpoints = append(checkpoints, source, c.Anchor.Through, c.Anchor.Hash[:], day)
	}
	if err := s.stmts.checkpoint.exec(ctx, tx, checkpoints); err != nil {
		return fmt.Errorf("checkpoint: %w", err)
	}
	values := make([]any, 0, 4*len(c.Records))
	for _, r := range c.Records {
		values = append(values, day, source, r.Seq, r.Body)
	}
	if err := s.stmts.record.exec(ctx, tx, values); err != nil {
		return fmt.Errorf("records: %w", err)
	}
	if err := s.putVisits(ctx, tx, source, c.Visits, fresh); err != nil {
		return err
	}
	if err := s.beside(ctx, tx, source, c); err != nil {
		return err
	}
	if closed {
		if err := trimGaps(ctx, tx, source, c.To.Through); err != nil {
			return err
		}
	}
	if c.Began != nil {
		return s.closeOthers(ctx, tx, source, c)
	}
	return nil
}

// move sets the mark, if it still stands where the change was computed from.
func (s *Store) move(ctx context.Context, tx *sql.Tx, c ingest.Change) (source int64, closed bool, err error) {
	state, err := json.Marshal(c.State)
	if err != nil {
		return 0, false, err
	}
	k, at := c.Key, c.At.UnixMilli()
	err = tx.StmtContext(ctx, s.stmts.move).QueryRowContext(ctx, c.To.Through, c.To.Hash[:], c.Heard, state, visit.Rule, at,
		k.Kiosk, int64(k.Epoch), c.From.Through, c.From.Hash[:]).Scan(&source, &closed)
	if err == nil || !errors.Is(err, sql.ErrNoRows) {
		return source, closed, err
	}
	if c.From != (ingest.Point{}) {
		return 0, false, ingest.ErrStale
	}
	err = tx.QueryRowContext(ctx, `INSERT INTO source (kiosk, epoch, through, hash, heard, state, rule, created_at, stored_at)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (kiosk, epoch) DO NOTHING RETURNING id`,
		k.Kiosk, int64(k.Epoch), c.To.Through, c.To.Hash[:], c.Heard, state, visit.Rule, at, at).Scan(&source)
	if errors.Is(err, sql.ErrNoRows) {
		return 0, false, ingest.ErrStale
	}
	return source, false, err
}

func (s *Store) putVisits(ctx context.Context, tx *sql.Tx, source int64, changes []visit.Change, fresh map[feedback.Asked]int64) error {
	values := make([]any, 0, 11*len(changes))
	for _, ch := range changes {
		v := ch.After
		asked, err := s.askedID(ctx, tx, v.Asked, fresh)
		if err != nil {
			return err
		}
		marks := 0
		if v.Mixed {
			marks |= markMixed
		}
		if v.Insistent {
			marks |= markInsistent
		}
		values = append(values, source, v.Seq, v.Stamp.Boot, v.Stamp.Since, asked, v.Rating, v.Presses, marks, v.Aside, v.At, v.Within)
	}
	if err := s.stmts.visit.exec(ctx, tx, values); err != nil {
		return fmt.Errorf("visits: %w", err)
	}
	return nil
}

// beside writes what is rare: bad records, comments, gaps.
func (s *Store) beside(ctx context.Context, tx *sql.Tx, source int64, c ingest.Change) error {
	for _, b := range c.Bad {
		if _, err := tx.ExecContext(ctx, "INSERT INTO quarantine (source, seq, body, why, at) VALUES (?, ?, ?, ?, ?)",
			source, b.Seq, b.Body, b.Why, c.At.UnixMilli()); err != nil {
			return fmt.Errorf("quarantine of record %d: %w", b.Seq, err)
		}
	}
	for _, t := range c.Texts {
		if _, err := tx.ExecContext(ctx, "INSERT INTO comment (source, seq, salt, text) VALUES (?, ?, ?, ?)",
			source, t.Seq, t.Salt, t.Text); err != nil {
			return fmt.Errorf("comment of record %d: %w", t.Seq, err)
		}
	}
	for _, g := range c.Gaps {
		if err := putGap(ctx, tx, source, g, c.At); err != nil {
			return err
		}
	}
	return nil
}

func putGap(ctx context.Context, tx *sql.Tx, source int64, g ingest.Gap, at time.Time) error {
	_, err := tx.ExecContext(ctx, `INSERT INTO gap (source, first, last, why, at) VALUES (?, ?, ?, ?, ?)
		ON CONFLICT (source, first) DO UPDATE SET last = max(gap.last, excluded.last), why = excluded.why`,
		source, g.First, g.Last, g.Why, at.UnixMilli())
	if err != nil {
		return fmt.Errorf("gap at %d: %w", g.First, err)
	}
	return nil
}

// trimGaps takes back what was declared lost and came after all.
func trimGaps(ctx context.Context, tx *sql.Tx, source int64, through feedback.Seq) error {
	if _, err := tx.ExecContext(ctx, "DELETE FROM gap WHERE source = ? AND why = ? AND last <= ?", source, ingest.GapClosed, through); err != nil {
		return fmt.Errorf("gaps: %w", err)
	}
	_, err := tx.ExecContext(ctx, "UPDATE gap SET first = ? WHERE source = ? AND why = ? AND first <= ?",
		through+1, source, ingest.GapClosed, through)
	return err
}

// closeOthers closes the kiosk's epochs before a new one, declaring what was
// heard of and never came, less what the new one repeats.
func (s *Store) closeOthers(ctx context.Context, tx *sql.Tx, source int64, c ingest.Change) error {
	rows, err := tx.QueryContext(ctx, "SELECT id, epoch, through, heard FROM source WHERE kiosk = ? AND id <> ? AND closed = 0", c.Key.Kiosk, source)
	if err != nil {
		return err
	}
	type other struct {
		id, epoch      int64
		through, heard feedback.Seq
	}
	var others []other
	for rows.Next() {
		var o other
		if err := rows.Scan(&o.id, &o.epoch, &o.through, &o.heard); err != nil {
			_ = rows.Close()
			return err
		}
		others = append(others, o)
	}
	if err := errors.Join(rows.Err(), rows.Close()); err != nil {
		return err
	}
	for _, o := range others {
		after := o.through
		if feedback.Epoch(o.epoch) == c.Began.Parent {
			after = max(after, c.Began.ParentLast+feedback.Seq(c.Began.Again))
		}
		if o.heard-1 > after {
			if err := putGap(ctx, tx, o.id, ingest.Gap{First: after + 1, Last: o.heard - 1, Why: ingest.GapClosed}, c.At); err != nil {
				return err
			}
		}
		if _, err := tx.ExecContext(ctx, "UPDATE source SET closed = 1 WHERE id = ?", o.id); err != nil {
			return err
		}
	}
	return nil
}

func (s *Store) addCells(ctx context.Context, tx *sql.Tx, cells rollup.Delta, fresh map[feedback.Asked]int64) error {
	values := make([]any, 0, len(cells)*24)
	for k, c := range cells {
		asked, err := s.askedID(ctx, tx, k.Asked, fresh)
		if err != nil {
			return err
		}
		values = append(values, asked, int64(k.Bucket))
		for _, n := range c.Steps {
			values = append(values, n)
		}
		for _, n := range c.Aside[1:] {
			values = append(values, n)
		}
		values = append(values, c.Presses, c.AsidePresses, c.Mixed, c.Insistent)
	}
	if err := s.stmts.cell.exec(ctx, tx, values); err != nil {
		return fmt.Errorf("roll-ups: %w", err)
	}
	return nil
}

// live notes when the sites of the changes were last pressed and stored.
func (s *Store) live(ctx context.Context, tx *sql.Tx, changes []ingest.Change, errs []error) error {
	pressed := make(map[feedback.SiteID]int64)
	var at int64
	for i, c := range changes {
		if errs[i] != nil {
			continue
		}
		for _, v := range c.Visits {
			at = c.At.UnixMilli()
			pressed[v.After.Asked.Site] = max(pressed[v.After.Asked.Site], v.After.At)
		}
	}
	values := make([]any, 0, 3*len(pressed))
	for site, t := range pressed {
		values = append(values, site, t, at)
	}
	return s.stmts.life.exec(ctx, tx, values)
}

// Bounds of what is kept of a kiosk's refused payloads.
const (
	maxRefused     = 20
	maxRefusedSize = 64 << 10
)

// Refuse implements ingest.Store.
func (s *Store) Refuse(ctx context.Context, refused []ingest.Refused) error {
	return s.db.Update(ctx, func(tx *sql.Tx) error {
		for _, r := range refused {
			at := r.At.UnixMilli()
			if _, err := tx.ExecContext(ctx, `INSERT INTO refusals (kiosk, refusal, n, last_at) VALUES (?, ?, 1, ?)
				ON CONFLICT (kiosk, refusal) DO UPDATE SET n = refusals.n + 1, last_at = excluded.last_at`, r.Kiosk, r.Refusal, at); err != nil {
				return err
			}
			if _, err := tx.ExecContext(ctx, `INSERT INTO refused (kiosk, refusal, why, at, payload)
				SELECT ?, ?, ?, ?, ? WHERE (SELECT count(*) FROM refused WHERE kiosk = ?) < ?`,
				r.Kiosk, r.Refusal, r.Why, at, r.Payload[:min(len(r.Payload), maxRefusedSize)], r.Kiosk, maxRefused); err != nil {
				return err
			}
		}
		return nil
	})
}
