package ingest

import (
	"context"
	"fmt"

	"sourire/hub/rollup"
	"sourire/internal/feedback"
	"sourire/internal/visit"
)

// Loss is a stretch of a journal that another store has declared lost, and what
// the running hash is behind it.
type Loss struct {
	Gap
	Hash feedback.Hash
	// Of a journal whose oldest records were deleted after their period: what its
	// first said, and the fold behind them. It then begins at that floor; where some
	// of those records are here, the others are lost.
	Began feedback.EpochBegan
	State *visit.State
}

// Declare takes over a loss that follows the mark of a journal, as an import of
// another store's rows needs: a kiosk declares only what it has pruned, and
// never a loss at the end of its journal. Where the mark stands inside the
// stretch, what is behind it is lost; where it stands beyond, nothing changes.
// As with Ingest, one goroutine at a time may call it.
func (g *Ingester) Declare(ctx context.Context, key Key, loss Loss) (Outcome, error) {
	marks, err := g.store.Marks(ctx, []Key{key})
	if err != nil {
		return Outcome{}, fmt.Errorf("marks: %w", err)
	}
	m := marks[0]
	b := Batch{Kiosk: key.Kiosk}
	b.Epoch = key.Epoch
	out := Outcome{Ack: g.answer(b, m.Through)}
	loss.First = max(loss.First, m.Through+1)
	if loss.First > loss.Last {
		return out, nil
	}
	if loss.First > m.Through+1 {
		return out, fmt.Errorf("%s epoch %s: a loss from record %d on does not follow record %d", key.Kiosk, key.Epoch, loss.First, m.Through)
	}
	end := Point{Through: loss.Last, Hash: loss.Hash}
	c := Change{
		Key: key, From: m.Point, To: end, At: g.o.Now(), Heard: m.Heard,
		Gaps: []Gap{loss.Gap}, Anchors: []Point{end}, State: m.State.Clone(), Cells: make(rollup.Delta),
	}
	c.State.Barrier = true
	if m.Through == 0 {
		c.Began = &loss.Began
	}
	if loss.State != nil && loss.First == 1 {
		var kept visit.Effects
		c.State = loss.State.Clone()
		c.Begins = &Floor{Point: end, State: c.State.Clone()}
		c.Gaps, c.Anchors = nil, nil
		c.State.Resume(&kept)
		c.Visits = kept.Changes()
		for _, v := range c.Visits {
			c.Cells.Add(v)
		}
	}
	errs, err := g.store.Apply(ctx, g.o.Term, []Change{c})
	if err == nil {
		err = errs[0]
	}
	delete(g.marks, key)
	if err != nil {
		return Outcome{}, fmt.Errorf("%s epoch %s records %d to %d: declare them lost: %w", key.Kiosk, key.Epoch, loss.First, loss.Last, err)
	}
	out.Ack.Through = loss.Last
	return out, nil
}
