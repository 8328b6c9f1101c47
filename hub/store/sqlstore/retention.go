package sqlstore

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strings"
	"time"

	"sourire/hub/ingest"
	"sourire/hub/rollup"
	"sourire/hub/upkeep"
	"sourire/internal/feedback"
	"sourire/internal/visit"
)

// Of a step: comments, numbers of records, cells of one thing asked, things asked
// on one day, refused payloads. Each keeps a transaction at some milliseconds.
const (
	stepComments = 500
	stepRecords  = 1_000
	stepCells    = 500
	stepRefused  = 50
)

// Aged implements upkeep.Store.
func (s *Store) Aged(ctx context.Context, l upkeep.Limits) ([]ingest.Key, error) {
	if l.Records.IsZero() {
		return nil, nil
	}
	rows, err := s.d.reader().QueryContext(ctx, `SELECT kiosk, epoch FROM source s WHERE
		(SELECT c.day FROM checkpoint c WHERE c.source = s.id ORDER BY c.seq LIMIT 1) < ? OR
		(SELECT p.first_day FROM pack p WHERE p.source = s.id ORDER BY p.first LIMIT 1) < ? ORDER BY id`, dayOf(l.Records), dayOf(l.Records))
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []ingest.Key
	for rows.Next() {
		var k ingest.Key
		var epoch int64
		if err := rows.Scan(&k.Kiosk, &epoch); err != nil {
			return nil, err
		}
		k.Epoch = feedback.Epoch(epoch)
		out = append(out, k)
	}
	return out, errors.Join(rows.Err(), rows.Close())
}

// Delete implements upkeep.Store.
func (s *Store) Delete(ctx context.Context, o upkeep.Order) (d upkeep.Deleted, more bool, err error) {
	made := newFresh()
	err = s.d.update(ctx, func(tx *tx) (err error) {
		if err := s.under(ctx, tx, o.Term, made); err != nil {
			return err
		}
		switch l := o.Limits; o.What {
		case upkeep.Comments:
			d, err = deleteBefore(ctx, tx, "comment", l.Comments, stepComments, o.What)
		case upkeep.Refused:
			d, err = deleteBefore(ctx, tx, "refused", l.Refused(), stepRefused, o.What)
		case upkeep.Records:
			d, more, err = s.settleRecords(ctx, tx, o, made)
		case upkeep.Quarters:
			d, err = s.settleCells(ctx, tx, l.Quarters, made)
		case upkeep.DayRows:
			d, err = s.deleteDays(ctx, tx, l.Days)
		default:
			err = fmt.Errorf("%s are not deleted by themselves", o.What)
		}
		if err != nil {
			return err
		}
		more = more || o.What != upkeep.Records && !d.None()
		return tallyDeleted(ctx, tx, o, d)
	})
	if err != nil {
		return nil, false, err
	}
	s.remember(made)
	return d, more, nil
}

// deleteBefore deletes rows of a table, those that are due for longest.
func deleteBefore(ctx context.Context, tx *tx, table string, before time.Time, most int, what upkeep.What) (upkeep.Deleted, error) {
	if before.IsZero() {
		return nil, nil
	}
	var last sql.NullInt64
	err := tx.QueryRowContext(ctx, "SELECT max(at) FROM (SELECT at FROM "+table+" WHERE at < ? ORDER BY at LIMIT ?) AS due", before.UnixMilli(), most).Scan(&last)
	if err != nil || !last.Valid {
		return nil, err
	}
	n, err := affected(tx.ExecContext(ctx, "DELETE FROM "+table+" WHERE at <= ?", last.Int64))
	return upkeep.Deleted{what: n}, err
}

func affected(r sql.Result, err error) (int64, error) {
	if err != nil {
		return 0, err
	}
	return r.RowsAffected()
}

// settleRecords raises the floor of a journal over some of its oldest batches: what
// the visits below counted and the fold does not remember is settled, and they are
// deleted with the records.
func (s *Store) settleRecords(ctx context.Context, tx *tx, o upkeep.Order, made fresh) (upkeep.Deleted, bool, error) {
	if o.Limits.Records.IsZero() {
		return nil, false, nil
	}
	source, whole, err := readAgainBy(ctx, tx, o)
	if err != nil || !whole {
		return nil, false, err
	}
	floor, was, err := openFloor(ctx, tx, source)
	if err != nil {
		return nil, false, fmt.Errorf("floor: %w", err)
	}
	before := dayOf(o.Limits.Records)
	if err := s.unpackAcross(ctx, tx, source, before, made); err != nil {
		return nil, false, err
	}
	runs, more, err := agedRuns(ctx, tx, source, was.Through, before)
	if err != nil || len(runs) == 0 {
		return nil, false, err
	}
	var unproved error
	for _, run := range runs {
		if err := (snapshot{tx}).run(ctx, source, run, func(row ingest.Row) error {
			unproved = errors.Join(unproved, floor.Raise(row))
			return unproved
		}); err != nil && unproved == nil {
			return nil, false, err
		}
	}
	if end := runs[len(runs)-1].through; unproved == nil && floor.Through != end {
		unproved = fmt.Errorf("records %d to %d are missing", floor.Through+1, end)
	}
	if unproved != nil {
		return nil, false, fmt.Errorf("%w (%w)", upkeep.ErrUnproved, unproved)
	}
	d := make(upkeep.Deleted)
	if err := s.openPacks(ctx, tx, runs, d); err != nil {
		return nil, false, fmt.Errorf("packs: %w", err)
	}
	if d[upkeep.Visits], err = s.settleVisits(ctx, tx, source, floor, made); err != nil {
		return nil, false, fmt.Errorf("visits: %w", err)
	}
	if err := deleteRecords(ctx, tx, source, runs, d); err != nil {
		return nil, false, err
	}
	return d, more, putFloor(ctx, tx, source, floor)
}

// readAgainBy returns the row of a journal, and whether this version of the program
// has read it as it is: else a replay is to come, which must find its records.
func readAgainBy(ctx context.Context, tx *tx, o upkeep.Order) (source int64, whole bool, err error) {
	var rule int
	var quarantined int64
	var readBy string
	err = tx.QueryRowContext(ctx, "SELECT id, rule, quarantined, read_by FROM source WHERE kiosk = ? AND epoch = ?", o.Journal.Kiosk, int64(o.Journal.Epoch)).
		Scan(&source, &rule, &quarantined, &readBy)
	if errors.Is(err, sql.ErrNoRows) {
		return 0, false, nil
	}
	return source, rule == visit.Rule && (quarantined == 0 || readBy == o.Version), err
}

func openFloor(ctx context.Context, tx *tx, source int64) (*ingest.Floor, ingest.Point, error) {
	at, state, err := floorOf(ctx, tx, source)
	f := &ingest.Floor{Point: at}
	if state != nil {
		f.State = *state
	}
	return f, at, err
}

// agedRuns returns the oldest batches of a journal that were stored before a day, up
// to stepRecords numbers, one batch or one pack, as runs of one day and packs; and
// whether there are more. Behind the first that is younger all are kept: the hub's
// clock may have been set back.
func agedRuns(ctx context.Context, tx *tx, source int64, after feedback.Seq, before int64) (out []run, more bool, err error) {
	packs, err := packHeads(ctx, tx, "WHERE source = ? AND last > ? ORDER BY first LIMIT ?", source, int64(after), stepRecords+1)
	if err != nil {
		return nil, false, err
	}
	batches, err := batchesAfter(ctx, tx, source, after, math.MaxInt64) // a page of them
	if err != nil {
		return nil, false, err
	}
	for from := after; len(packs)+len(batches) > 0; {
		next := run{after: from}
		if len(packs) > 0 && (len(batches) == 0 || packs[0].first <= batches[0].through) {
			next.pack, next.day, next.through = &packs[0], packs[0].lastDay, packs[0].last
			packs = packs[1:]
		} else {
			next.day, next.through = batches[0].day, batches[0].through
			batches = batches[1:]
		}
		if next.day >= before {
			break
		}
		if len(out) > 0 && next.through-after > stepRecords {
			return out, true, nil
		}
		if n := len(out); n > 0 && next.pack == nil && out[n-1].pack == nil && out[n-1].day == next.day {
			out[n-1].through = next.through
		} else {
			out = append(out, next)
		}
		from = next.through
	}
	return out, false, nil
}

// unpackAcross turns the oldest pack of a journal into rows if some of it was stored
// before a day and some was not.
func (s *Store) unpackAcross(ctx context.Context, tx *tx, source, before int64, made fresh) error {
	heads, err := packHeads(ctx, tx, "WHERE source = ? ORDER BY first LIMIT 1", source)
	if err != nil || len(heads) == 0 || heads[0].firstDay >= before || heads[0].lastDay < before {
		return err
	}
	return s.unpack(ctx, tx, &heads[0], made)
}

// openPacks makes rows of the visits in packs whose records are about to be deleted,
// and deletes the packs: some of their visits may be kept.
func (s *Store) openPacks(ctx context.Context, tx *tx, runs []run, d upkeep.Deleted) error {
	for _, r := range runs {
		if r.pack == nil {
			continue
		}
		p := &packed{packHead: *r.pack}
		if err := loadVisits(ctx, tx, p); err != nil {
			return err
		}
		if err := deletePack(ctx, tx, p); err != nil {
			return err
		}
		if err := s.d.insert(ctx, tx, &s.tables.visit, p.visitValues()); err != nil {
			return err
		}
		d[upkeep.Records] += p.records
	}
	return nil
}

// settleVisits deletes the visits at or below the floor that the fold there does
// not remember, and adds what they count to what is settled.
func (s *Store) settleVisits(ctx context.Context, tx *tx, source int64, floor *ingest.Floor, made fresh) (n int64, err error) {
	rows, err := tx.QueryContext(ctx, "SELECT "+visitColumns+" FROM visit JOIN asked ON asked.id = visit.asked WHERE source = ? AND visit.seq <= ?", source, int64(floor.Through))
	if err != nil {
		return 0, err
	}
	visits, err := appendVisits(nil, rows)
	if err != nil {
		return 0, err
	}
	counted := make(rollup.Delta)
	for i := range visits {
		if !floor.Remembers(visits[i].Seq) {
			counted.Count(visits[i])
		}
	}
	values, err := s.cellRows(ctx, tx, counted, made)
	if err != nil {
		return 0, err
	}
	if err := s.d.insert(ctx, tx, &s.tables.settled, values); err != nil {
		return 0, err
	}
	query := "DELETE FROM visit WHERE source = ? AND seq <= ?"
	args := []any{source, int64(floor.Through)}
	if tail := floor.State.Tail; len(tail) > 0 {
		query += " AND seq NOT IN (" + strings.Repeat("?, ", len(tail)-1) + "?)"
		for i := range tail {
			args = append(args, int64(tail[i].Seq))
		}
	}
	return affected(tx.ExecContext(ctx, query, args...))
}

// deleteRecords deletes the records of runs, which are a journal's oldest, and what
// lies beside them. An ingester that remembers how much of a kiosk lies in
// quarantine goes on with more than there is: that only bounds what it keeps.
func deleteRecords(ctx context.Context, tx *tx, source int64, runs []run, d upkeep.Deleted) error {
	through := int64(runs[len(runs)-1].through)
	for _, r := range runs {
		if r.pack != nil {
			continue
		}
		n, err := affected(tx.ExecContext(ctx, "DELETE FROM record WHERE day = ? AND source = ? AND seq > ? AND seq <= ?", r.day, source, int64(r.after), int64(r.through)))
		if err != nil {
			return fmt.Errorf("records: %w", err)
		}
		d[upkeep.Records] += n
	}
	_, err := tx.ExecContext(ctx, `UPDATE source SET quarantined = quarantined -
		(SELECT CAST(coalesce(sum(length(body)), 0) AS BIGINT) FROM quarantine WHERE source = ? AND seq <= ?) WHERE id = ? AND quarantined > 0`, source, through, source)
	if err != nil {
		return fmt.Errorf("quarantine: %w", err)
	}
	for _, t := range []struct {
		table string
		what  upkeep.What
	}{{"quarantine", upkeep.Records}, {"comment", upkeep.Comments}, {"checkpoint", ""}} {
		n, err := affected(tx.ExecContext(ctx, "DELETE FROM "+t.table+" WHERE source = ? AND seq <= ?", source, through))
		if err != nil {
			return fmt.Errorf("%s: %w", t.table, err)
		}
		if t.what != "" {
			d[t.what] += n
		}
	}
	return nil
}

func putFloor(ctx context.Context, tx *tx, source int64, f *ingest.Floor) error {
	state, err := f.State.MarshalJSON()
	if err != nil {
		return err
	}
	_, err = tx.ExecContext(ctx, `INSERT INTO floor (source, seq, hash, state) VALUES (?, ?, ?, ?)
		ON CONFLICT (source) DO UPDATE SET seq = excluded.seq, hash = excluded.hash, state = excluded.state`, source, int64(f.Through), f.Hash[:], state)
	if err != nil {
		return fmt.Errorf("floor: %w", err)
	}
	return nil
}

// settleCells moves what is settled of the oldest quarters of one thing asked to its
// days, and takes it from the cells: those that count nothing else are deleted.
func (s *Store) settleCells(ctx context.Context, tx *tx, before time.Time, made fresh) (upkeep.Deleted, error) {
	if before.IsZero() {
		return nil, nil
	}
	end := int64(rollup.BucketOf(before.UnixMilli()))
	var asked int64
	err := tx.QueryRowContext(ctx, "SELECT asked FROM settled WHERE bucket > 0 AND bucket < ? ORDER BY bucket LIMIT 1", end).Scan(&asked)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	} else if err != nil {
		return nil, err
	}
	cells, err := readCells(ctx, tx, "settled", "WHERE settled.asked = ? AND bucket > 0 AND bucket < ? ORDER BY bucket LIMIT ?", asked, end, stepCells)
	if err != nil {
		return nil, fmt.Errorf("what is settled: %w", err)
	}
	last := int64(0)
	for k := range cells {
		last = max(last, int64(k.Bucket))
	}
	if last == 0 { // rows that count nothing, which nobody writes
		last = end - 1
	}
	days, err := s.daysOf(ctx, tx, cells, made)
	if err != nil {
		return nil, fmt.Errorf("zones: %w", err)
	}
	values, err := s.dayRows(ctx, tx, days, made)
	if err != nil {
		return nil, err
	}
	if err := s.d.insert(ctx, tx, &s.tables.settledDay, values); err != nil {
		return nil, fmt.Errorf("settled days: %w", err)
	}
	if values, err = s.cellRows(ctx, tx, make(rollup.Delta).Minus(cells), made); err != nil {
		return nil, err
	}
	if err := s.d.insert(ctx, tx, &s.tables.cell, values); err != nil {
		return nil, fmt.Errorf("roll-ups: %w", err)
	}
	if _, err := tx.ExecContext(ctx, "DELETE FROM cell WHERE asked = ? AND bucket > 0 AND bucket <= ? AND "+countsNothing(), asked, last); err != nil {
		return nil, fmt.Errorf("roll-ups: %w", err)
	}
	n, err := affected(tx.ExecContext(ctx, "DELETE FROM settled WHERE asked = ? AND bucket > 0 AND bucket <= ?", asked, last))
	if err != nil {
		return nil, fmt.Errorf("what is settled: %w", err)
	}
	return upkeep.Deleted{upkeep.Quarters: n}, nil
}

// deleteDays takes what is settled of one day from it, of some things asked.
func (s *Store) deleteDays(ctx context.Context, tx *tx, before time.Time) (upkeep.Deleted, error) {
	if before.IsZero() {
		return nil, nil
	}
	// A day is over everywhere when the next one is in UTC.
	end := dayOf(before) - 1
	var day int64
	err := tx.QueryRowContext(ctx, "SELECT day FROM settled_day WHERE day < ? ORDER BY day LIMIT 1", end).Scan(&day)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	} else if err != nil {
		return nil, err
	}
	var last int64
	if err := tx.QueryRowContext(ctx, "SELECT max(asked) FROM (SELECT asked FROM settled_day WHERE day = ? ORDER BY asked LIMIT ?) AS due", day, stepCells).Scan(&last); err != nil {
		return nil, err
	}
	columns := cellColumns()
	var take []string
	for _, c := range columns {
		take = append(take, c+" = day."+c+" - s."+c)
	}
	_, err = tx.ExecContext(ctx, "UPDATE day SET "+strings.Join(take, ", ")+" FROM settled_day s WHERE day.day = ? AND day.asked <= ? AND s.day = day.day AND s.asked = day.asked", day, last)
	if err != nil {
		return nil, fmt.Errorf("days: %w", err)
	}
	if _, err := tx.ExecContext(ctx, "DELETE FROM day WHERE day = ? AND asked <= ? AND "+countsNothing(), day, last); err != nil {
		return nil, fmt.Errorf("days: %w", err)
	}
	n, err := affected(tx.ExecContext(ctx, "DELETE FROM settled_day WHERE day = ? AND asked <= ?", day, last))
	if err != nil {
		return nil, fmt.Errorf("settled days: %w", err)
	}
	return upkeep.Deleted{upkeep.DayRows: n}, nil
}

// countsNothing is the condition that a row holds nothing but zeros.
func countsNothing() string { return strings.Join(cellColumns(), " = 0 AND ") + " = 0" }

// tallyDeleted adds what a step deleted to what the run has.
func tallyDeleted(ctx context.Context, tx *tx, o upkeep.Order, d upkeep.Deleted) error {
	if d.None() {
		return nil
	}
	was, _, err := readTally(ctx, tx)
	if err != nil {
		return err
	}
	sum, err := json.Marshal(was.Plus(d))
	if err != nil {
		return err
	}
	limits, err := json.Marshal(o.Limits)
	if err != nil {
		return err
	}
	_, err = tx.ExecContext(ctx, `INSERT INTO retention (one, at, deleted, upto) VALUES (1, ?, ?, ?)
		ON CONFLICT (one) DO UPDATE SET deleted = excluded.deleted, upto = excluded.upto`, o.At.UnixMilli(), string(sum), string(limits))
	if err != nil {
		return fmt.Errorf("count what is deleted: %w", err)
	}
	return nil
}

// tally is what a run of retention has deleted, as the audit log will say.
type tally struct {
	Deleted upkeep.Deleted  `json:"deleted"`
	Before  json.RawMessage `json:"before"` // upkeep.Limits
	Began   time.Time       `json:"began"`
}

func readTally(ctx context.Context, q querier) (upkeep.Deleted, tally, error) {
	var at int64
	var deleted, limits string
	var t tally
	err := q.QueryRowContext(ctx, "SELECT at, deleted, upto FROM retention").Scan(&at, &deleted, &limits)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, t, nil
	} else if err != nil {
		return nil, t, fmt.Errorf("what was deleted: %w", err)
	}
	t.Began, t.Before = time.UnixMilli(at).UTC(), json.RawMessage(limits)
	return t.Deleted, t, json.Unmarshal([]byte(deleted), &t.Deleted)
}

// Finish implements upkeep.Store.
func (s *Store) Finish(ctx context.Context, term int64, who string, at time.Time) (d upkeep.Deleted, err error) {
	err = s.d.update(ctx, func(tx *tx) error {
		if err := s.under(ctx, tx, term, newFresh()); err != nil {
			return err
		}
		_, t, err := readTally(ctx, tx)
		if d = t.Deleted; err != nil || d.None() {
			return err
		}
		if err := putEntry(ctx, tx, at, who, "retention", nil, t); err != nil {
			return err
		}
		_, err = tx.ExecContext(ctx, "DELETE FROM retention")
		return err
	})
	if err != nil {
		return nil, err
	}
	return d, nil
}

// Erase implements upkeep.Store. See sqliteEraser and postgresEraser.
func (s *Store) Erase(ctx context.Context) (left string, err error) {
	_, t, err := readTally(ctx, s.d.reader())
	if err != nil || t.Deleted.None() {
		return "", err
	}
	if left, err = s.d.eraser.erase(ctx, t); err != nil {
		return "", err
	}
	s.forget() // months of which there is no partition any more
	return left, nil
}

// metaKeep names the periods that were told last, as JSON.
const metaKeep = "keep"

// NoteKeep implements upkeep.Store.
func (s *Store) NoteKeep(ctx context.Context, term int64, who string, at time.Time, k upkeep.Keep) error {
	now, err := json.Marshal(k)
	if err != nil {
		return err
	}
	return s.d.update(ctx, func(tx *tx) error {
		if err := s.under(ctx, tx, term, newFresh()); err != nil {
			return err
		}
		var was string
		err := tx.QueryRowContext(ctx, "SELECT value FROM meta WHERE name = ?", metaKeep).Scan(&was)
		if err != nil && !errors.Is(err, sql.ErrNoRows) || was == string(now) {
			return err
		}
		if err := putEntry(ctx, tx, at, who, "keep", json.RawMessage(was), json.RawMessage(now)); err != nil {
			return err
		}
		return putMeta(ctx, tx, metaKeep, string(now))
	})
}

// Due implements upkeep.Store.
func (s *Store) Due(ctx context.Context, l upkeep.Limits) (upkeep.Deleted, error) {
	d := make(upkeep.Deleted)
	err := s.d.view(ctx, func(tx *tx) error {
		for _, q := range []struct {
			what  upkeep.What
			at    time.Time
			query string
			arg   int64
		}{
			{upkeep.Comments, l.Comments, "SELECT count(*) FROM comment WHERE at < ?", l.Comments.UnixMilli()},
			{upkeep.Refused, l.Refused(), "SELECT count(*) FROM refused WHERE at < ?", l.Refused().UnixMilli()},
			{upkeep.Records, l.Records, "SELECT count(*) FROM record WHERE day < ?", dayOf(l.Records)},
			{upkeep.Records, l.Records, "SELECT CAST(coalesce(sum(records), 0) AS BIGINT) FROM pack WHERE last_day < ?", dayOf(l.Records)},
			{upkeep.Quarters, l.Quarters, "SELECT count(*) FROM cell WHERE bucket > 0 AND bucket < ?", int64(rollup.BucketOf(l.Quarters.UnixMilli()))},
			{upkeep.DayRows, l.Days, "SELECT count(*) FROM day WHERE day < ?", dayOf(l.Days) - 1},
		} {
			if q.at.IsZero() {
				continue
			}
			var n int64
			if err := tx.QueryRowContext(ctx, q.query, q.arg).Scan(&n); err != nil {
				return fmt.Errorf("%s: %w", q.what, err)
			}
			d[q.what] += n
		}
		return nil
	})
	return d, err
}
