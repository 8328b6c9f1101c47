package sqlstore

import (
	"context"
	"errors"
	"fmt"
	"time"

	"sourire/hub/ingest"
	"sourire/internal/feedback"
)

func putGap(ctx context.Context, tx *tx, source int64, g ingest.Gap, at time.Time) error {
	_, err := tx.ExecContext(ctx, "INSERT INTO gap (source, first, last, why, at) VALUES (?, ?, ?, ?, ?)",
		source, g.First, g.Last, g.Why, at.UnixMilli())
	if err != nil {
		return fmt.Errorf("gap at %d: %w", g.First, err)
	}
	return nil
}

// trimGaps takes back what was declared lost and came after all.
func trimGaps(ctx context.Context, tx *tx, source int64, through feedback.Seq) error {
	if _, err := tx.ExecContext(ctx, "DELETE FROM gap WHERE source = ? AND why = ? AND last <= ?", source, ingest.GapClosed, through); err != nil {
		return fmt.Errorf("gaps: %w", err)
	}
	_, err := tx.ExecContext(ctx, "UPDATE gap SET first = ? WHERE source = ? AND why = ? AND first <= ?",
		through+1, source, ingest.GapClosed, through)
	if err != nil {
		return fmt.Errorf("gaps: %w", err)
	}
	return nil
}

// epoch is a journal of a kiosk among its others.
type epoch struct {
	id             int64
	epoch          feedback.Epoch
	through, heard feedback.Seq
	closed         bool
	parent         feedback.Epoch // 0: none known
	parentLast     feedback.Seq
	again          feedback.Seq // records of the parent after parentLast that stand here again
}

// epochBegan notes where an epoch comes from, closes what is over since, and
// declares lost what was heard of and never came. Epochs may appear in any order,
// a child before its parent: what one that appears tells of the others changes
// what is closed and what is lost.
func epochBegan(ctx context.Context, tx *tx, source int64, c *ingest.Change) error {
	_, err := tx.ExecContext(ctx, "UPDATE source SET parent = ?, parent_last = ?, again = ? WHERE id = ?",
		int64(c.Began.Parent), c.Began.ParentLast, c.Began.Again, source)
	if err != nil {
		return fmt.Errorf("parent: %w", err)
	}
	family, err := epochsOf(ctx, tx, c.Key.Kiosk)
	if err != nil {
		return err
	}
	over := over(family)
	for i, o := range family {
		switch {
		case over[i] && (!o.closed || o.epoch == c.Began.Parent):
			err = closeEpoch(ctx, tx, family, o, c.At)
		case !over[i] && o.closed:
			err = setClosed(ctx, tx, o, false)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// over tells which epochs of a kiosk are over: those from which another one was
// continued, and those after which another one appeared, unless that is their
// ancestor and only came late. family is in the order of appearance.
func over(family []epoch) []bool {
	place := make(map[feedback.Epoch]int, len(family))
	for i, o := range family {
		place[o.epoch] = i
	}
	out := make([]bool, len(family))
	for i, o := range family {
		later := len(family) - 1 - i
		seen := map[int]bool{i: true} // a kiosk may claim a circle
		for p, ok := place[o.parent]; ok && !seen[p]; p, ok = place[family[p].parent] {
			seen[p], out[p] = true, true
			if p > i {
				later--
			}
		}
		if later > 0 {
			out[i] = true
		}
	}
	return out
}

func epochsOf(ctx context.Context, tx *tx, kiosk feedback.KioskID) ([]epoch, error) {
	rows, err := tx.QueryContext(ctx, "SELECT id, epoch, through, heard, closed, parent, parent_last, again FROM source WHERE kiosk = ? ORDER BY id", kiosk)
	if err != nil {
		return nil, fmt.Errorf("epochs: %w", err)
	}
	defer rows.Close()
	var family []epoch
	for rows.Next() {
		var o epoch
		var own, parent int64
		if err := rows.Scan(&o.id, &own, &o.through, &o.heard, &o.closed, &parent, &o.parentLast, &o.again); err != nil {
			return nil, fmt.Errorf("epochs: %w", err)
		}
		o.epoch, o.parent = feedback.Epoch(own), feedback.Epoch(parent)
		family = append(family, o)
	}
	return family, errors.Join(rows.Err(), rows.Close()) // before the next statement
}

// setClosed closes or opens an epoch, and takes back what was declared lost when it
// was closed.
func setClosed(ctx context.Context, tx *tx, o epoch, closed bool) error {
	if _, err := tx.ExecContext(ctx, "UPDATE source SET closed = ? WHERE id = ?", closed, o.id); err != nil {
		return fmt.Errorf("close: %w", err)
	}
	if _, err := tx.ExecContext(ctx, "DELETE FROM gap WHERE source = ? AND why = ?", o.id, ingest.GapClosed); err != nil {
		return fmt.Errorf("gaps: %w", err)
	}
	return nil
}

// closeEpoch closes an epoch and declares lost what it is known to have held and
// is neither stored nor repeated by its children.
func closeEpoch(ctx context.Context, tx *tx, family []epoch, o epoch, at time.Time) error {
	if err := setClosed(ctx, tx, o, true); err != nil {
		return err
	}
	all := ingest.Gap{First: o.through + 1, Last: o.heard - 1, Why: ingest.GapClosed}
	for _, child := range family {
		if child.parent == o.epoch {
			all.Last = max(all.Last, child.parentLast)
		}
	}
	gaps := []ingest.Gap{all}
	for _, child := range family {
		if child.parent == o.epoch {
			gaps = without(gaps, child.parentLast+1, child.parentLast+child.again)
		}
	}
	for _, g := range gaps {
		if g.First > g.Last {
			continue
		}
		if err := putGap(ctx, tx, o.id, g, at); err != nil {
			return err
		}
	}
	return nil
}

// without takes the records first to last out of gaps.
func without(gaps []ingest.Gap, first, last feedback.Seq) []ingest.Gap {
	var out []ingest.Gap
	for _, g := range gaps {
		if last < first || last < g.First || g.Last < first {
			out = append(out, g)
			continue
		}
		before, after := g, g
		before.Last, after.First = first-1, last+1
		for _, part := range []ingest.Gap{before, after} {
			if part.First <= part.Last {
				out = append(out, part)
			}
		}
	}
	return out
}
