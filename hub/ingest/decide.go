package ingest

import (
	"context"
	"fmt"

	"sourire/hub/rollup"
	"sourire/internal/feedback"
	"sourire/internal/visit"
	"sourire/internal/wire"
)

// verdict is what a batch is, seen from its journal's mark.
type verdict struct {
	refused wire.Refusal // "" unless refused
	why     string
	change  *Change // nil: nothing to write
}

// decide applies step 4 of the conversation to one batch.
func (g *Ingester) decide(ctx context.Context, key Key, m Mark, b wire.Batch) (verdict, error) {
	s := m.Through
	last := b.Last()
	if b.First > s+1 {
		if len(b.Records) > 0 && b.Oldest == b.First {
			return g.follow(ctx, key, m, b, Gap{First: s + 1, Last: b.First - 1, Why: GapPruned})
		}
		return verdict{}, nil // a hole: the answer says from where to go on
	}
	agree, err := g.agrees(ctx, key, m, b.First-1, b.Before)
	if err != nil {
		return verdict{}, err
	}
	if !agree {
		return forked("the hash before record %d differs from what is stored", b.First), nil
	}
	if last <= s {
		h := b.Before
		for _, r := range b.Records {
			h = h.Next(r)
		}
		if agree, err = g.agrees(ctx, key, m, last, h); err != nil {
			return verdict{}, err
		}
		if !agree {
			return forked("records %d to %d differ from those that are stored", b.First, last), nil
		}
		return g.heard(key, m, b), nil
	}
	return g.follow(ctx, key, m, b, Gap{})
}

func forked(format string, args ...any) verdict {
	return verdict{refused: wire.RefusedFork, why: fmt.Sprintf(format, args...)}
}

// agrees reports whether the running hash at seq is h, as far as the store
// knows. What lies in a declared gap agrees with everything, and so does what was
// deleted after its period: it is a repeat of what was counted.
func (g *Ingester) agrees(ctx context.Context, key Key, m Mark, seq feedback.Seq, h feedback.Hash) (bool, error) {
	switch {
	case seq == 0:
		return h == feedback.Hash{}, nil
	case seq == m.Through:
		return h == m.Hash, nil
	}
	have, known, err := g.store.HashAt(ctx, key, seq)
	return !known || have == h, err
}

// heard notes that the kiosk claims more records than ever, which a new epoch
// after a loss will be measured by.
func (g *Ingester) heard(key Key, m Mark, b wire.Batch) verdict {
	if b.Next <= m.Heard || b.Next <= m.Through+1 {
		return verdict{}
	}
	return verdict{change: &Change{
		Key: key, From: m.Point, To: m.Point, At: g.o.Now(), Heard: b.Next, State: m.State,
	}}
}

// follow makes the change of a batch that continues the journal, after a
// declared gap if there is one.
func (g *Ingester) follow(ctx context.Context, key Key, m Mark, b wire.Batch, gap Gap) (verdict, error) {
	state := m.State.Clone()
	c := &Change{Key: key, From: m.Point, At: g.o.Now(), Heard: max(m.Heard, b.Next)}
	if m.Through == 0 {
		c.Began = &feedback.EpochBegan{}
	}
	if gap.Why != "" {
		c.Gaps = append(c.Gaps, gap)
		c.Anchors = append(c.Anchors, Point{Through: gap.Last, Hash: b.Before})
		state.Barrier = true
	}
	texts := make(map[feedback.Seq]wire.Text, len(b.Texts))
	for _, t := range b.Texts {
		texts[t.Seq] = t
	}
	var effects visit.Effects
	quarantined := m.Quarantined
	h := b.Before
	for i, body := range b.Records {
		seq := b.First + feedback.Seq(i)
		if seq == m.Through+1 && gap.Why == "" && h != m.Hash {
			return forked("records %d to %d differ from those that are stored", b.First, m.Through), nil
		}
		h = h.Next(body)
		if seq <= m.Through {
			continue
		}
		r, err := g.o.Decode(body)
		if err == nil {
			err = state.Step(seq, r, &effects)
		}
		switch {
		case err != nil && quarantined+int64(len(body)) > MaxQuarantined:
			c.lose(Point{Through: seq, Hash: h})
			state.Barrier = true
			continue
		case err != nil:
			c.Bad = append(c.Bad, BadRecord{Seq: seq, Body: body, Why: err.Error()})
			quarantined += int64(len(body))
			continue
		}
		c.Records = append(c.Records, Record{Seq: seq, Kind: r.Fact.Kind(), Body: body})
		if t, ok := c.keep(seq, r.Fact, texts); ok {
			at, stored := state.Instant(r.Stamp), c.At.UnixMilli()
			if at == 0 || at > stored {
				at = stored
			}
			c.Texts = append(c.Texts, Text{t, at})
		}
	}
	c.To = Point{Through: b.Last(), Hash: h}
	c.State = state
	if err := g.redate(ctx, key, &effects); err != nil {
		return verdict{}, err
	}
	c.Visits = effects.Changes()
	c.Cells = make(rollup.Delta)
	for _, v := range c.Visits {
		c.Cells.Add(v)
	}
	return verdict{change: c}, nil
}

// MaxQuarantined bounds the bytes of bad records that are kept of one kiosk: some
// hundred thousand presses that a later version may understand. What comes
// beyond it is declared lost, and counted by that.
const MaxQuarantined = 8 << 20

// lose declares a record lost that there is no room to keep; at is behind it.
func (c *Change) lose(at Point) {
	if n := len(c.Gaps); n > 0 && c.Gaps[n-1].Why == GapBad && c.Gaps[n-1].Last == at.Through-1 {
		c.Gaps[n-1].Last = at.Through
		c.Anchors[len(c.Anchors)-1] = at
		return
	}
	c.Gaps = append(c.Gaps, Gap{First: at.Through, Last: at.Through, Why: GapBad})
	c.Anchors = append(c.Anchors, at)
}

// keep takes from a record what is stored beside it, and returns the text that it
// vouches for, if there is one.
func (c *Change) keep(seq feedback.Seq, fact feedback.Fact, texts map[feedback.Seq]wire.Text) (t wire.Text, ok bool) {
	switch f := fact.(type) {
	case feedback.EpochBegan:
		if seq == 1 {
			c.Began = &f
		}
	case feedback.Comment:
		// A text that is not the one the record vouches for is not kept.
		t, ok = texts[seq]
		ok = ok && t.Digest() == f.Digest && len([]rune(t.Text)) <= wire.MaxComment
		t.Salt = append([]byte{}, t.Salt...) // no salt is an empty one
	}
	return t, ok
}

// redate brings in the stored visits of boots whose offset became known.
func (g *Ingester) redate(ctx context.Context, key Key, e *visit.Effects) error {
	if len(e.Datings) == 0 {
		return nil
	}
	boots := make([]feedback.Boot, 0, len(e.Datings))
	for _, d := range e.Datings {
		boots = append(boots, d.Boot)
	}
	stored, err := g.store.VisitsOfBoots(ctx, key, boots)
	if err != nil {
		return err
	}
	e.Redate(stored)
	return nil
}
