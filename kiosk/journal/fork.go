package journal

import (
	"context"
	"database/sql"
	"fmt"

	"sourire/internal/feedback"
	"sourire/internal/wire"
	"sourire/kiosk/clock"
)

// Fork leaves an epoch to the hub, which holds other records above common than
// this kiosk does, and goes on in a new one. The new epoch names its parent,
// states what was in force at common, and takes over the records above common,
// which leave the old epoch. It returns the new epoch's id; all of it is one
// durable transaction.
func (j *Journal) Fork(ctx context.Context, id feedback.Epoch, common feedback.Seq, why string) (feedback.Epoch, error) {
	j.writer.Lock()
	defer j.writer.Unlock()
	now := j.o.Clock.Now()
	old, err := j.epoch(id)
	if err != nil {
		return 0, err
	}
	common = min(max(common, old.Oldest-1), old.Next-1)
	hash, err := j.HashAt(ctx, id, common)
	if err != nil {
		return 0, err
	}
	j.mu.Lock()
	was := j.current()
	p := &pen{ctx: ctx, time: bootTime{boot: j.time.boot}, at: j.instant(now), row: row{total: was.total}}
	j.mu.Unlock()
	f := fork{pen: p, old: old, common: common, hash: hash, was: was.ID}
	err = j.inTx(ctx, func(tx *sql.Tx) error {
		p.tx = tx
		return f.run(now, why)
	})
	if err != nil {
		j.stale = true
		return 0, fmt.Errorf("journal: fork of epoch %v at %d: %w", id, common, j.explain(err))
	}
	j.notify()
	return p.row.ID, nil
}

// fork moves what is above common from an old epoch to a new one.
type fork struct {
	*pen   // at the head of the new epoch
	old    row
	common feedback.Seq
	hash   feedback.Hash  // there
	was    feedback.Epoch // the current epoch until now
}

func (f *fork) run(now clock.Reading, why string) error {
	moving, err := f.above()
	if err != nil {
		return err
	}
	err = f.begin(now, feedback.EpochBegan{
		Parent: f.old.ID, ParentLast: f.common, ParentHash: f.hash, Why: why, Again: int64(len(moving)),
	})
	if err != nil {
		return err
	}
	f.again = true
	if err := f.restate(f.old.ID, f.common, anyBoot); err != nil {
		return err
	}
	if err := f.move(moving); err != nil {
		return err
	}
	// What holds now may differ from what held at the end of the old epoch.
	if err := f.restate(f.was, maxSeq, f.time.boot); err != nil {
		return err
	}
	if err := f.clock(now); err != nil {
		return err
	}
	if err := f.leave(); err != nil {
		return err
	}
	return f.finish()
}

// above reads the records of the old epoch above common.
func (f *fork) above() ([]Entry, error) {
	rows, err := f.tx.QueryContext(f.ctx, "SELECT seq, body FROM record WHERE epoch = ? AND seq > ? ORDER BY seq",
		int64(f.old.ID), f.common)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var all []Entry
	for rows.Next() {
		e := Entry{Epoch: f.old.ID}
		if err := rows.Scan(&e.Seq, &e.Body); err != nil {
			return nil, err
		}
		if e.Record, err = wire.DecodeRecord(e.Body); err != nil {
			return nil, fmt.Errorf("record %d: %w", e.Seq, err)
		}
		all = append(all, e)
	}
	return all, rows.Err()
}

// anyBoot stands for all boots: the last fix below common, of whichever boot,
// is also the lower bound for the boots after it that never learned theirs.
const anyBoot feedback.Boot = 0

// restate writes what was in force in an epoch at a record, as far as the new
// epoch does not say so already: what is asked, whether a test or a cleaning is
// on, and what was last said of the clock of a boot.
func (f *fork) restate(id feedback.Epoch, at feedback.Seq, boot feedback.Boot) error {
	for _, kind := range []feedback.Kind{
		feedback.KindPlan, feedback.KindTest, feedback.KindCleaning, feedback.KindWall, feedback.KindClockFix,
	} {
		body, err := readLandmark(f.ctx, f.tx, id, kind, at)
		if err != nil {
			return err
		}
		have, err := readLandmark(f.ctx, f.tx, f.row.ID, kind, maxSeq)
		if err != nil {
			return err
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
func (f *fork) move(entries []Entry) error {
	numbers := make(map[feedback.Seq]feedback.Seq, len(entries))
	for _, e := range entries {
		fact, ok := rename(e.Record.Fact, numbers)
		if !ok {
			continue
		}
		body := []byte(e.Body)
		if fact != e.Record.Fact {
			e.Record.Fact = fact
			body = wire.AppendRecord(nil, e.Record)
		}
		made, err := f.put(e.Record, body)
		if err != nil {
			return err
		}
		numbers[e.Seq] = made.Seq
		_, err = f.tx.ExecContext(f.ctx, "UPDATE comment SET epoch = ?, seq = ? WHERE epoch = ? AND seq = ?",
			int64(made.Epoch), made.Seq, int64(f.old.ID), e.Seq)
		if err != nil {
			return err
		}
		// Its age is what it was.
		_, err = f.tx.ExecContext(f.ctx, `UPDATE record SET at = (SELECT o.at FROM record o WHERE o.epoch = ? AND o.seq = ?)
			WHERE epoch = ? AND seq = ?`, int64(f.old.ID), e.Seq, int64(made.Epoch), made.Seq)
		if err != nil {
			return err
		}
	}
	return nil
}

// rename gives the press that a fact names its new number.
func rename(fact feedback.Fact, numbers map[feedback.Seq]feedback.Seq) (feedback.Fact, bool) {
	var ok bool
	switch f := fact.(type) {
	case feedback.Reason:
		f.Press, ok = numbers[f.Press]
		return f, ok
	case feedback.Comment:
		f.Press, ok = numbers[f.Press]
		return f, ok
	case feedback.FollowUpEnded:
		f.Press, ok = numbers[f.Press]
		return f, ok
	case feedback.Gesture:
		f.Press, ok = numbers[f.Press]
		return f, ok
	case feedback.Stuck:
		f.Press, ok = numbers[f.Press]
		return f, ok
	}
	return fact, true
}

// leave cuts the old epoch off above common.
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
