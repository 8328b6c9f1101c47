package journal

import (
	"context"
	"database/sql"
	"fmt"

	"sourire/internal/feedback"
)

// Ack notes that the hub has everything of an epoch up to and with through. The
// mark only rises; it is written down with the next record or by Renew.
func (j *Journal) Ack(id feedback.Epoch, through feedback.Seq) error {
	return j.move(id, through, func(e *row) {
		if through > e.Acked {
			e.Acked = through
			j.ackedAt = j.instant(j.o.Clock.Now())
		}
	})
}

// Rewind notes that the hub has less than it said before: what is above through
// counts as not acknowledged again. Where that is no longer held, everything
// that is held does.
func (j *Journal) Rewind(id feedback.Epoch, through feedback.Seq) error {
	return j.move(id, through, func(e *row) { e.Acked = min(e.Acked, max(through, e.Oldest-1)) })
}

func (j *Journal) move(id feedback.Epoch, through feedback.Seq, to func(*row)) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	for i := range j.epochs {
		e := &j.epochs[i]
		if e.ID != id {
			continue
		}
		if through < 0 || through >= e.Next {
			return fmt.Errorf("journal: mark %d of epoch %v, whose last record is %d: %w", through, id, e.Next-1, ErrNotHeld)
		}
		to(e)
		return nil
	}
	return fmt.Errorf("journal: mark of epoch %v: %w", id, ErrNotHeld)
}

// Renew is to be called each minute: it notes that the program runs, writes the
// marks down, states the clocks where they are news, and drops what is too old.
func (j *Journal) Renew(ctx context.Context) error {
	err := j.locked(func() error { return j.renew(ctx) })
	if err == nil {
		err = j.prune(ctx)
	}
	if err != nil {
		return fmt.Errorf("journal: renew: %w", j.explain(err))
	}
	return nil
}

// locked runs do while nobody else writes. Whoever has several things to do
// calls it for each, so that a press can come in between.
func (j *Journal) locked(do func() error) error {
	j.writer.Lock()
	defer j.writer.Unlock()
	return do()
}

func (j *Journal) renew(ctx context.Context) error {
	now := j.o.Clock.Now()
	j.mu.Lock()
	ackedAt := j.ackedAt
	marks := make([]row, len(j.epochs))
	copy(marks, j.epochs)
	j.mu.Unlock()
	return j.write(ctx, func(p *pen) error {
		if err := p.clock(now); err != nil {
			return err
		}
		for _, e := range marks {
			_, err := p.tx.ExecContext(ctx, "UPDATE epoch SET acked = ? WHERE id = ?", e.Acked, int64(e.ID))
			if err != nil {
				return err
			}
		}
		_, err := p.tx.ExecContext(ctx, "UPDATE journal SET acked_at = ?", ackedAt)
		if err != nil {
			return err
		}
		stamp := feedback.Stamp{Boot: p.time.boot, Since: now.Since.Milliseconds()}
		return writeSeen(ctx, p.tx, seen{stamp: stamp, at: p.at})
	})
}

// inTx runs do in a write transaction that changes no record of the current
// epoch's head, and reads the rows anew. j.writer is held.
func (j *Journal) inTx(ctx context.Context, do func(*sql.Tx) error) error {
	if err := j.db.Update(ctx, do); err != nil {
		return err
	}
	return j.load(ctx)
}
