package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"sourire/hub/ingest"
	"sourire/hub/rollup"
	"sourire/internal/feedback"
	"sourire/internal/visit"
)

// Apply implements ingest.Store. It writes the rows of all changes together, by
// statements of many rows: with single presses from two hundred kiosks, a
// savepoint and statements for each change took 40 µs a press where this takes
// 27. A change that breaks a constraint undoes all; then each is tried behind a
// savepoint of its own, which finds the one.
func (s *Store) Apply(ctx context.Context, term int64, changes []ingest.Change) ([]error, error) {
	errs, err := s.applyBy(ctx, term, changes, s.together)
	if s.blames(err) {
		errs, err = s.applyBy(ctx, term, changes, s.apart)
	}
	return errs, err
}

// fresh are rows that a transaction made. They enter the caches of the Store
// when it is committed.
type fresh struct {
	asked  map[feedback.Asked]int64
	source map[ingest.Key]int64
	months map[month]bool
	zones  *zones
	packs  *packs
}

func newFresh() fresh {
	return fresh{make(map[feedback.Asked]int64), make(map[ingest.Key]int64), make(map[month]bool), &zones{}, &packs{}}
}

// clear forgets rows that were undone; zones are made behind all that may be.
func (f fresh) clear() {
	clear(f.asked)
	clear(f.source)
	clear(f.months)
}

// an applier makes changes in a transaction, each all or not at all, and notes
// in errs, which is as long as changes, why one was not made. Its error undoes
// the transaction.
type applier func(ctx context.Context, tx *tx, changes []ingest.Change, errs []error, made fresh) error

func (s *Store) applyBy(ctx context.Context, term int64, changes []ingest.Change, apply applier) ([]error, error) {
	errs := make([]error, len(changes))
	made := newFresh()
	var sites []feedback.SiteID
	news := false
	err := s.d.update(ctx, func(tx *tx) error {
		if err := s.under(ctx, tx, term, made); err != nil {
			return err
		}
		if err := apply(ctx, tx, changes, errs, made); err != nil {
			return err
		}
		cells := make(rollup.Delta)
		for i, c := range changes {
			if errs[i] == nil {
				cells.Merge(c.Cells)
			}
		}
		if err := s.count(ctx, tx, cells, made); err != nil {
			return err
		}
		if err := s.live(ctx, tx, changes, errs); err != nil {
			return err
		}
		if sites, news = sitesOf(changes, errs); news {
			return s.d.tell(ctx, tx, sites)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	s.remember(made)
	if news {
		s.d.told(sites)
	}
	return errs, nil
}

// under holds the term, if it is still that.
func (s *Store) under(ctx context.Context, tx *tx, term int64, made fresh) error {
	now, err := s.d.term(ctx, tx)
	if err != nil {
		return fmt.Errorf("term: %w", err)
	}
	if now.n != term {
		return ingest.ErrSuperseded
	}
	made.zones.reset(now.zoning)
	*made.packs = packs{packing: now.packing, last: make(map[int64]feedback.Seq)}
	s.packedSince(now.packing)
	return nil
}

// apart is an applier that puts each change behind a savepoint.
func (s *Store) apart(ctx context.Context, tx *tx, changes []ingest.Change, errs []error, made fresh) error {
	for i := range changes {
		err := s.savepoint(ctx, tx, func() error { return s.together(ctx, tx, changes[i:i+1], errs[i:i+1], made) })
		switch {
		case err == nil:
		case s.blames(err):
			errs[i] = err
			made.clear() // rows that it made are gone
		default:
			return err
		}
	}
	return nil
}

// savepoint runs do; when it fails, all that it wrote is undone and the
// transaction goes on.
func (s *Store) savepoint(ctx context.Context, tx *tx, do func() error) error {
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

// blames reports whether an error is that of one change and not of the store: it
// breaks a constraint, or works on a pack that is damaged.
func (s *Store) blames(err error) bool {
	_, damaged := errors.AsType[*ingest.DamageError](err)
	return damaged || s.d.constraint(err)
}

// rows gathers what is written together, as flat lists of values.
type rows struct {
	records, visits, checkpoints []any
}

func newRows(changes []ingest.Change) *rows {
	records, visits := 0, 0
	for i := range changes {
		records += len(changes[i].Records)
		visits += len(changes[i].Visits)
	}
	return &rows{
		records: make([]any, 0, 4*records), visits: make([]any, 0, 11*visits), checkpoints: make([]any, 0, 4*len(changes)),
	}
}

// together is an applier that writes the rows of all changes at once: first the
// marks, which say whose rows there are, then the rows. A change whose mark has
// moved writes nothing.
func (s *Store) together(ctx context.Context, tx *tx, changes []ingest.Change, errs []error, made fresh) error {
	w := newRows(changes)
	moved, err := s.advance(ctx, tx, changes, made)
	if err != nil {
		return fmt.Errorf("marks: %w", err)
	}
	for i := range changes {
		c := &changes[i]
		source, closed, err := moved[i], false, error(nil)
		if source == 0 {
			source, closed, err = s.move(ctx, tx, c, made)
		}
		if errors.Is(err, ingest.ErrStale) {
			errs[i] = err
			continue
		}
		if err != nil {
			return fmt.Errorf("mark of %s epoch %s: %w", c.Key.Kiosk, c.Key.Epoch, err)
		}
		if err := s.unpackFor(ctx, tx, source, c, made); err != nil {
			return err
		}
		if c.To.Through > c.From.Through {
			if err := s.room(ctx, tx, dayOf(c.At), made); err != nil {
				return err
			}
			w.addRecords(source, c)
		}
		if err := s.addVisits(ctx, tx, w, source, c.Visits, made); err != nil {
			return err
		}
		if err := s.beside(ctx, tx, source, closed, c, made); err != nil {
			return err
		}
	}
	if err := s.d.insert(ctx, tx, &s.tables.checkpoint, w.checkpoints); err != nil {
		return fmt.Errorf("checkpoints: %w", err)
	}
	if err := s.d.insert(ctx, tx, &s.tables.record, w.records); err != nil {
		return fmt.Errorf("records: %w", err)
	}
	if err := s.d.insert(ctx, tx, &s.tables.visit, w.visits); err != nil {
		return fmt.Errorf("visits: %w", err)
	}
	return nil
}

// dayOf returns the day of storing: days since 1970.
func dayOf(at time.Time) int64 { return at.Unix() / secondsOfDay }

// addRecords adds the records of a change and the checkpoint behind them.
func (w *rows) addRecords(source int64, c *ingest.Change) {
	day, from := any(dayOf(c.At)), any(source)
	w.checkpoints = append(w.checkpoints, from, int64(c.To.Through), c.To.Hash[:], day)
	for i := range c.Anchors {
		w.checkpoints = append(w.checkpoints, from, int64(c.Anchors[i].Through), c.Anchors[i].Hash[:], day)
	}
	for i := range c.Records {
		w.records = append(w.records, day, from, int64(c.Records[i].Seq), c.Records[i].Body)
	}
}

func (s *Store) addVisits(ctx context.Context, tx *tx, w *rows, source int64, changes []visit.Change, made fresh) error {
	from := any(source)
	var asked any         // the number of what was asked last,
	var of feedback.Asked // which is what most visits of a change answer
	for _, ch := range changes {
		v := ch.After
		if asked == nil || v.Asked != of {
			id, err := s.askedID(ctx, tx, v.Asked, made)
			if err != nil {
				return err
			}
			asked, of = id, v.Asked
		}
		marks := int64(0)
		if v.Mixed {
			marks |= markMixed
		}
		if v.Insistent {
			marks |= markInsistent
		}
		w.visits = append(w.visits, from, int64(v.Seq), int64(v.Stamp.Boot), v.Stamp.Since, asked,
			int64(v.Rating), int64(v.Presses), marks, int64(v.Aside), v.At, v.Within)
	}
	return nil
}

// advance sets the marks of the journals whose rows are known, which are those
// that are heard every day, and returns the row of each change that it has moved,
// else 0.
func (s *Store) advance(ctx context.Context, tx *tx, changes []ingest.Change, made fresh) ([]int64, error) {
	var steps []advance
	var of []int // of each step, the change
	for i := range changes {
		c := &changes[i]
		id, ok := s.sourceID(c.Key, made)
		if !ok {
			continue
		}
		state, err := c.State.MarshalJSON()
		if err != nil {
			return nil, err
		}
		steps = append(steps, advance{
			id: id, from: int64(c.From.Through), before: c.From.Hash[:], to: int64(c.To.Through), hash: c.To.Hash[:],
			heard: int64(c.Heard), at: c.At.UnixMilli(), state: state,
		})
		of = append(of, i)
	}
	moved := make([]int64, len(changes))
	if len(steps) == 0 {
		return moved, nil
	}
	done, err := s.d.advance(ctx, tx, steps)
	if err != nil {
		return nil, err
	}
	for j, i := range of {
		if done[j] {
			moved[i] = steps[j].id
		}
	}
	return moved, nil
}

// move sets the mark, if it still stands where the change was computed from. The
// version of the rule stays what it was when the journal appeared, until a
// replay: the visits before the mark are still those of that rule.
func (s *Store) move(ctx context.Context, tx *tx, c *ingest.Change, made fresh) (source int64, closed bool, err error) {
	state, err := c.State.MarshalJSON()
	if err != nil {
		return 0, false, err
	}
	k, at := c.Key, c.At.UnixMilli()
	err = tx.QueryRowContext(ctx, `UPDATE source SET through = ?, hash = ?, heard = CASE WHEN heard < ? THEN ? ELSE heard END, state = ?, stored_at = ?
		WHERE kiosk = ? AND epoch = ? AND through = ? AND hash = ? RETURNING id, closed`, c.To.Through, c.To.Hash[:], c.Heard, c.Heard, state, at,
		k.Kiosk, int64(k.Epoch), c.From.Through, c.From.Hash[:]).Scan(&source, &closed)
	if err == nil {
		made.source[k] = source
		return source, closed, nil
	}
	if !errors.Is(err, sql.ErrNoRows) {
		return 0, false, err
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
	if err == nil {
		made.source[k] = source
	}
	return source, false, err
}

// changed reports whether a statement changed a row.
func changed(r sql.Result, err error) (bool, error) {
	if err != nil {
		return false, err
	}
	n, err := r.RowsAffected()
	return n > 0, err
}

// beside writes what is rare: bad records, comments, gaps, the end of an epoch,
// a replay.
func (s *Store) beside(ctx context.Context, tx *tx, source int64, closed bool, c *ingest.Change, made fresh) error {
	for _, b := range c.Bad {
		if _, err := tx.ExecContext(ctx, "INSERT INTO quarantine (source, seq, body, why, at) VALUES (?, ?, ?, ?, ?)",
			source, b.Seq, b.Body, legible(b.Why), c.At.UnixMilli()); err != nil {
			return fmt.Errorf("quarantine of record %d: %w", b.Seq, err)
		}
		if _, err := tx.ExecContext(ctx, "UPDATE source SET quarantined = quarantined + ? WHERE id = ?", len(b.Body), source); err != nil {
			return fmt.Errorf("quarantine of record %d: %w", b.Seq, err)
		}
	}
	if c.ReadBy != "" {
		if err := s.replay(ctx, tx, source, c, made); err != nil {
			return err
		}
	}
	for _, t := range c.Texts {
		if _, err := tx.ExecContext(ctx, "INSERT INTO comment (source, seq, salt, text) VALUES (?, ?, ?, ?)",
			source, t.Seq, t.Salt, s.d.verbatim(t.Text)); err != nil {
			return fmt.Errorf("comment of record %d: %w", t.Seq, err)
		}
	}
	if closed {
		// Before the gaps of this change, which may lie in those that are trimmed.
		if err := trimGaps(ctx, tx, source, c.To.Through); err != nil {
			return err
		}
	}
	for _, g := range c.Gaps {
		if err := putGap(ctx, tx, source, g, c.At); err != nil {
			return err
		}
	}
	if c.Began != nil {
		return epochBegan(ctx, tx, source, c)
	}
	return nil
}

// count adds to both levels of the roll-ups.
func (s *Store) count(ctx context.Context, tx *tx, cells rollup.Delta, made fresh) error {
	// First the zones: days of a site that has none yet are summed from the
	// cells that are there.
	days, err := s.daysOf(ctx, tx, cells, made)
	if err != nil {
		return fmt.Errorf("zones: %w", err)
	}
	values := make([]any, 0, max(len(cells), len(days))*24)
	for k, c := range cells {
		asked, err := s.askedID(ctx, tx, k.Asked, made)
		if err != nil {
			return err
		}
		values = appendCounts(append(values, asked, int64(k.Bucket)), c)
	}
	if err := s.d.insert(ctx, tx, &s.tables.cell, values); err != nil {
		return fmt.Errorf("roll-ups: %w", err)
	}
	values = values[:0]
	for k, c := range days {
		asked, err := s.askedID(ctx, tx, k.Asked, made)
		if err != nil {
			return err
		}
		values = appendCounts(append(values, int64(k.Day), asked), c)
	}
	if err := s.d.insert(ctx, tx, &s.tables.day, values); err != nil {
		return fmt.Errorf("days: %w", err)
	}
	return nil
}

// appendCounts appends the values of cellColumns.
func appendCounts(values []any, c rollup.Cell) []any {
	for _, n := range c.Steps {
		values = append(values, n)
	}
	for _, n := range c.Aside[1:] {
		values = append(values, n)
	}
	return append(values, c.Presses, c.AsidePresses, c.Mixed, c.Insistent)
}

// live notes when the sites of the changes were last pressed and stored.
func (s *Store) live(ctx context.Context, tx *tx, changes []ingest.Change, errs []error) error {
	pressed := make(map[feedback.SiteID]int64)
	var at int64
	for i, c := range changes {
		if errs[i] != nil {
			continue
		}
		if c.ReadBy != "" {
			continue // nobody has just pressed
		}
		for _, v := range c.Visits {
			at = c.At.UnixMilli()
			pressed[v.After.Asked.Site] = max(pressed[v.After.Asked.Site], v.After.At)
		}
	}
	values := make([]any, 0, 3*len(pressed))
	for site, t := range pressed {
		values = append(values, string(site), t, at)
	}
	return s.d.insert(ctx, tx, &s.tables.life, values)
}
