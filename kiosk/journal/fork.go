package journal

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"

	"sourire/internal/feedback"
	"sourire/internal/sqlite"
	"sourire/internal/wire"
	"sourire/kiosk/clock"
)

// Fork leaves an epoch to the hub, which holds other records above common than
// this kiosk does, and goes on in a new one. The new epoch names its parent,
// states what was in force at common, and takes over the records above common,
// which leave the old epoch. It returns the new epoch's id; all of it is one
// durable transaction, which needs next to no room in the file.
func (j *Journal) Fork(ctx context.Context, id feedback.Epoch, common feedback.Seq, why string) (feedback.Epoch, error) {
	j.writer.Lock()
	defer j.writer.Unlock()
	now := j.o.Clock.Now()
	made, err := j.fork(ctx, id, common, now, why)
	if sqlite.IsFull(err) {
		// Without the fork the hub would take nothing, ever: the bound gives way.
		if err = j.bound(ctx, j.o.MaxBytes+j.o.MaxBytes/forkExcess); err == nil {
			made, err = j.fork(ctx, id, common, now, why)
			err = errors.Join(err, j.bound(context.WithoutCancel(ctx), j.o.MaxBytes))
		}
	}
	if err != nil {
		j.stale = true
		return 0, fmt.Errorf("journal: fork of epoch %v at %d: %w", id, common, j.explain(err))
	}
	// The log has grown by all that was moved, and would keep that size. It is no
	// loss if that cannot be mended now.
	_, _ = j.db.Write.ExecContext(ctx, "PRAGMA wal_checkpoint(TRUNCATE)")
	j.notify()
	return made, nil
}

// forkExcess is the part of the bound by which a fork may go beyond it, once:
// the same records lie a little looser or closer after each (2 % were seen).
const forkExcess = 16

func (j *Journal) fork(ctx context.Context, id feedback.Epoch, common feedback.Seq, now clock.Reading, why string) (feedback.Epoch, error) {
	old, err := j.epoch(id)
	if err != nil {
		return 0, err
	}
	common = min(max(common, old.Oldest-1), old.Next-1)
	holes, err := readHoles(ctx, j.db.Read, id)
	if err != nil {
		return 0, err
	}
	for _, h := range holes {
		if h.first <= common && common < h.last {
			common = h.first - 1 // no hash is known inside
		}
	}
	hash, err := j.HashAt(ctx, id, common)
	if err != nil {
		return 0, err
	}
	j.mu.Lock()
	was := j.current()
	p := &pen{ctx: ctx, time: bootTime{boot: j.time.boot}, at: j.instant(now), row: row{total: was.total}}
	j.mu.Unlock()
	f := fork{pen: p, old: old, common: common, hash: hash, was: was.ID, taken: common}
	err = j.inTx(ctx, func(tx *sql.Tx) error {
		p.tx = tx
		return f.run(now, why)
	})
	return p.row.ID, err
}

// fork moves what is above common from an old epoch to a new one.
type fork struct {
	*pen   // at the head of the new epoch
	old    row
	common feedback.Seq
	hash   feedback.Hash  // there
	was    feedback.Epoch // the current epoch until now
	taken  feedback.Seq   // the last record that has left the old epoch
	runs   []run
}

// run is an unbroken run of records that were moved, with what their numbers
// rose by. There are few, so that a million records need no map of a million.
type run struct{ first, last, rise feedback.Seq }

// forkStep is how many records are in memory at a time.
const forkStep = 500

func (f *fork) run(now clock.Reading, why string) error {
	again, err := f.count()
	if err != nil {
		return err
	}
	// Each step leaves the old epoch before it enters the new one, the first
	// before that begins: what is written fits into what has become free.
	step, err := f.take()
	if err != nil {
		return err
	}
	err = f.begin(now, feedback.EpochBegan{
		Parent: f.old.ID, ParentLast: f.common, ParentHash: f.hash, Why: why, Again: again,
	})
	if err != nil {
		return err
	}
	f.again = true
	stamp := feedback.Stamp{Boot: f.time.boot, Since: now.Since.Milliseconds()}
	if err := f.restate(f.old.ID, f.common, anyBoot, stamp); err != nil {
		return err
	}
	for len(step) > 0 {
		if err := f.move(step); err != nil {
			return err
		}
		if step, err = f.take(); err != nil {
			return err
		}
	}
	if f.was != f.old.ID {
		// What holds now may differ from what held at the end of the old epoch.
		if err := f.restate(f.was, maxSeq, f.time.boot, stamp); err != nil {
			return err
		}
	}
	if err := f.clock(now); err != nil {
		return err
	}
	if err := f.leave(); err != nil {
		return err
	}
	return f.finish()
}

// count tells how many records take will return in all.
func (f *fork) count() (n int64, err error) {
	err = f.tx.QueryRowContext(f.ctx, `SELECT
		(SELECT count(*) FROM record WHERE epoch = ?1 AND seq > ?2) +
		(SELECT count(*) FROM landmark l WHERE epoch = ?1 AND seq > ?2 AND seq < ?3
			AND NOT EXISTS (SELECT 1 FROM record r WHERE r.epoch = l.epoch AND r.seq = l.seq))`,
		int64(f.old.ID), f.common, f.old.Next).Scan(&n)
	return n, err
}

// moved is a record on its way.
type moved struct {
	Entry
	at int64
}

// take takes the next records out of the old epoch; of a hole, the landmarks.
func (f *fork) take() ([]moved, error) {
	held, err := f.held()
	if err != nil || len(held) == 0 {
		return nil, err
	}
	var step []moved
	before := f.taken
	for _, m := range held {
		if m.Seq > f.taken+1 {
			swallowed, err := readLandmarks(f.ctx, f.tx, f.old.ID, f.taken, m.Seq)
			if err != nil {
				return nil, err
			}
			for _, l := range swallowed {
				step = append(step, moved{Entry: l.Entry})
			}
		}
		step = append(step, m)
		f.taken = m.Seq
	}
	for i := range step {
		e := &step[i].Entry
		if e.Record, err = wire.DecodeRecord(e.Body); err != nil {
			return nil, fmt.Errorf("record %d: %w", e.Seq, err)
		}
		if kind := e.Record.Fact.Kind(); isLandmark(kind) {
			_, err := f.tx.ExecContext(f.ctx, "DELETE FROM landmark WHERE epoch = ? AND kind = ? AND seq = ?",
				int64(f.old.ID), string(kind), e.Seq)
			if err != nil {
				return nil, err
			}
		}
	}
	_, err = f.tx.ExecContext(f.ctx, "DELETE FROM record WHERE epoch = ? AND seq > ? AND seq <= ?", int64(f.old.ID), before, f.taken)
	return step, err
}

// held reads the next records of the old epoch.
func (f *fork) held() ([]moved, error) {
	rows, err := f.tx.QueryContext(f.ctx, "SELECT seq, body, at FROM record WHERE epoch = ? AND seq > ? ORDER BY seq LIMIT ?",
		int64(f.old.ID), f.taken, forkStep)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var all []moved
	for rows.Next() {
		m := moved{Entry: Entry{Epoch: f.old.ID}}
		if err := rows.Scan(&m.Seq, &m.Body, &m.at); err != nil {
			return nil, err
		}
		all = append(all, m)
	}
	return all, rows.Err()
}

// anyBoot stands for all boots: the last fix below common, of whichever boot,
// is also the lower bound for the boots after it that never learned theirs.
const anyBoot feedback.Boot = 0

// restate writes what was in force in an epoch at a record, as far as the new
// epoch does not say so already: what is asked, whether a test or a cleaning is
// on, and what was last said of the clock of a boot.
func (f *fork) restate(id feedback.Epoch, at feedback.Seq, boot feedback.Boot, now feedback.Stamp) error {
	for _, kind := range []feedback.Kind{
		feedback.KindPlan, feedback.KindTest, feedback.KindCleaning, feedback.KindWall, feedback.KindClockFix,
	} {
		body, err := inForce(f.ctx, f.tx, id, kind, at)
		if err != nil {
			return err
		}
		have, err := inForce(f.ctx, f.tx, f.row.ID, kind, maxSeq)
		if err != nil {
			return err
		}
		if body == nil && have != nil && endsWithBoot(kind) {
			// It was on in what was moved, and has ended since without a word.
			off := map[feedback.Kind]feedback.Fact{feedback.KindTest: feedback.Test{}, feedback.KindCleaning: feedback.Cleaning{}}
			body = wire.AppendRecord(nil, feedback.Record{Stamp: now, Fact: off[kind]})
		}
		if body == nil || string(body) == string(have) {
			continue
		}
		r, err := wire.DecodeRecord(body)
		if err != nil {
			return err
		}
		if !f.holds(r, have, boot) {
			continue
		}
		if _, err := f.put(r, body); err != nil {
			return err
		}
	}
	return nil
}

// holds reports whether a landmark is news in the new epoch, whose last one of
// the kind is have.
func (f *fork) holds(r feedback.Record, have []byte, boot feedback.Boot) bool {
	before, err := wire.DecodeRecord(have)
	known := err == nil
	switch fact := r.Fact.(type) {
	case feedback.PlanApplied:
		return !known || before.Fact != r.Fact
	case feedback.Test:
		return known && before.Fact != r.Fact || !known && fact.On
	case feedback.Cleaning:
		return known && before.Fact != r.Fact || !known && fact.On
	default:
		return boot == anyBoot || r.Stamp.Boot == boot
	}
}

// move appends records again. Those that name a press name it by its new
// number, or are dropped with a press that stays behind.
func (f *fork) move(step []moved) error {
	now := f.at
	defer func() { f.at = now }()
	for _, m := range step {
		fact, ok := f.rename(m.Record.Fact)
		if !ok {
			continue
		}
		body := []byte(m.Body)
		if fact != m.Record.Fact {
			m.Record.Fact = fact
			body = wire.AppendRecord(nil, m.Record)
		}
		f.at = m.at // its age is what it was
		made, err := f.put(m.Record, body)
		if err != nil {
			return err
		}
		f.note(m.Seq, made.Seq)
		if fact.Kind() != feedback.KindComment {
			continue
		}
		_, err = f.tx.ExecContext(f.ctx, "UPDATE comment SET epoch = ?, seq = ? WHERE epoch = ? AND seq = ?",
			int64(made.Epoch), made.Seq, int64(f.old.ID), m.Seq)
		if err != nil {
			return err
		}
	}
	return nil
}

// note notes the new number of a record.
func (f *fork) note(old, made feedback.Seq) {
	if n := len(f.runs); n > 0 && f.runs[n-1].last == old-1 && f.runs[n-1].rise == made-old {
		f.runs[n-1].last = old
		return
	}
	f.runs = append(f.runs, run{first: old, last: old, rise: made - old})
}

// number returns the new number of a record, and whether it has one.
func (f *fork) number(old feedback.Seq) (feedback.Seq, bool) {
	i, _ := slices.BinarySearchFunc(f.runs, old, func(r run, old feedback.Seq) int { return cmp.Compare(r.last, old) })
	if i == len(f.runs) || old < f.runs[i].first {
		return 0, false
	}
	return old + f.runs[i].rise, true
}

// rename gives the press that a fact names its new number.
func (f *fork) rename(fact feedback.Fact) (feedback.Fact, bool) {
	var ok bool
	switch fact := fact.(type) {
	case feedback.Reason:
		fact.Press, ok = f.number(fact.Press)
		return fact, ok
	case feedback.Comment:
		fact.Press, ok = f.number(fact.Press)
		return fact, ok
	case feedback.FollowUpEnded:
		fact.Press, ok = f.number(fact.Press)
		return fact, ok
	case feedback.Gesture:
		fact.Press, ok = f.number(fact.Press)
		return fact, ok
	case feedback.Stuck:
		fact.Press, ok = f.number(fact.Press)
		return fact, ok
	}
	return fact, true
}

// leave cuts the old epoch off above common, with what was not moved.
func (f *fork) leave() error {
	id := int64(f.old.ID)
	presses := f.old.presses
	err := f.tx.QueryRowContext(f.ctx, "SELECT coalesce(max(presses), 0) FROM record WHERE epoch = ? AND seq <= ?", id, f.common).Scan(&presses)
	if err != nil {
		return err
	}
	for _, table := range []string{"record", "comment", "landmark"} {
		if _, err := f.tx.ExecContext(f.ctx, "DELETE FROM "+table+" WHERE epoch = ? AND seq > ?", id, f.common); err != nil {
			return err
		}
	}
	_, err = f.tx.ExecContext(f.ctx, "DELETE FROM hole WHERE epoch = ? AND last > ?", id, f.common)
	if err != nil {
		return err
	}
	_, err = f.tx.ExecContext(f.ctx, "UPDATE epoch SET next = ?, head = ?, acked = min(acked, ?), presses = ? WHERE id = ?",
		f.common+1, f.hash[:], f.common, presses, id)
	return err
}
