package ingest

import (
	"context"
	"fmt"

	"sourire/hub/rollup"
	"sourire/internal/feedback"
	"sourire/internal/visit"
)

// Row is a record as it is stored or, with a nil Body, an anchor: a place after
// a gap where only the hash is known. With a State it is the floor of the journal:
// its records up to there were deleted, and that is the fold at it.
type Row struct {
	Seq        feedback.Seq
	Body       []byte
	State      *visit.State
	Bad        bool          // it lies in quarantine
	Checked    bool          // the store keeps a hash here:
	Checkpoint feedback.Hash // of the journal after this record
}

// Journals is what reading journals again needs of a store.
type Journals interface {
	// Outdated returns the journals that another version of the visit rule has
	// folded, and those with records in quarantine that no program of this
	// version has tried.
	Outdated(ctx context.Context, rule int, version string) ([]Key, error)
	// Journal reads one snapshot of a journal: it calls do for its floor, if it
	// has one, then for every record in the order of numbers and for every anchor,
	// and returns its mark and the visits that are kept of it: those that the fold
	// at the floor remembers, and the later.
	Journal(ctx context.Context, key Key, do func(Row) error) (Mark, []visit.Visit, error)
}

// Replayed tells what reading a journal again has changed.
type Replayed struct {
	Freed int // records that left the quarantine
	Sites []feedback.SiteID
}

// Replay reads a journal again from its first record, or from its floor, as this version of the
// program understands it: records in quarantine that say something now are
// stored, those that do not any more go there, and visits and roll-ups become what they would be had they been
// understood from the first, by new minus old. All of it is one transaction. As
// with Ingest, one goroutine at a time may call it, and the mark is not moved.
//
// The text of a comment whose record was bad is not there any more: a text is
// kept only beside a record that vouches for it.
//
// A journal is held in memory as its visits, some 300 bytes each; while it is
// read nothing else is taken in, a second for 300,000 records.
func (g *Ingester) Replay(ctx context.Context, from Journals, key Key, version string) (Replayed, error) {
	c := Change{Key: key, At: g.o.Now(), ReadBy: version}
	var effects visit.Effects
	m, stored, err := from.Journal(ctx, key, func(row Row) error {
		g.reread(&c, row, &effects)
		return nil
	})
	if err != nil {
		return Replayed{}, fmt.Errorf("%s epoch %s: read it again: %w", key.Kiosk, key.Epoch, err)
	}
	c.From, c.To, c.Heard = m.Point, m.Point, m.Heard
	c.replace(stored, effects.Changes())
	errs, err := g.store.Apply(ctx, g.o.Term, []Change{c})
	if err == nil {
		err = errs[0]
	}
	if err != nil {
		delete(g.marks, key)
		return Replayed{}, fmt.Errorf("%s epoch %s: replay: %w", key.Kiosk, key.Epoch, err)
	}
	m.State = c.State
	for _, r := range c.Freed {
		m.Quarantined -= int64(len(r.Body))
	}
	for _, b := range c.Bad {
		m.Quarantined += int64(len(b.Body))
	}
	g.marks[key] = m
	return Replayed{Freed: len(c.Freed), Sites: c.Sites()}, nil
}

// reread folds the next row of a journal into the state of c.
func (g *Ingester) reread(c *Change, row Row, effects *visit.Effects) {
	if row.State != nil {
		c.Floor, c.State = row.Seq, row.State.Clone()
		c.State.Resume(effects)
		return
	}
	if row.Body == nil {
		c.State.Barrier = true
		return
	}
	r, err := g.o.Decode(row.Body)
	if err == nil {
		err = c.State.Step(row.Seq, r, effects)
	}
	switch {
	case err != nil && row.Bad, err == nil && !row.Bad:
		return
	case err != nil: // a rating, say, on a scale that a freed plan puts in force
		c.Bad = append(c.Bad, BadRecord{Seq: row.Seq, Body: row.Body, Why: err.Error()})
		return
	}
	c.Freed = append(c.Freed, Record{Seq: row.Seq, Kind: r.Fact.Kind(), Body: row.Body})
	if began, ok := r.Fact.(feedback.EpochBegan); ok && row.Seq == 1 {
		c.Began = &began
	}
}

// replace makes the visits of c those that turn the stored ones into now.
func (c *Change) replace(stored []visit.Visit, now []visit.Change) {
	old := make(map[feedback.Seq]*visit.Visit, len(stored))
	for i := range stored {
		old[stored[i].Seq] = &stored[i]
	}
	c.Cells = make(rollup.Delta)
	for _, v := range now {
		v.Before = old[v.After.Seq]
		delete(old, v.After.Seq)
		if v.Before != nil && *v.Before == *v.After {
			continue
		}
		if v.Before != nil && v.Before.Stamp != v.After.Stamp { // damage: a stamp never changes
			c.Gone = append(c.Gone, *v.Before)
			c.Cells.Add(visit.Change{Before: v.Before})
			v.Before = nil
		}
		c.Visits = append(c.Visits, v)
		c.Cells.Add(v)
	}
	for _, v := range old {
		c.Gone = append(c.Gone, *v)
		c.Cells.Add(visit.Change{Before: v})
	}
}

// Sites returns the sites whose visits changed.
func (c *Change) Sites() []feedback.SiteID {
	var out []feedback.SiteID
	for _, v := range c.Visits {
		out = addSite(out, v.After.Asked.Site)
	}
	for _, v := range c.Gone {
		out = addSite(out, v.Asked.Site)
	}
	return out
}
