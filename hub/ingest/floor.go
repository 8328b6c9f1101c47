package ingest

import (
	"fmt"

	"sourire/internal/feedback"
	"sourire/internal/visit"
	"sourire/internal/wire"
)

// Floor is where the records that are kept of a journal begin: after Point, with
// the fold there. Those below were deleted after their period.
type Floor struct {
	Point
	State visit.State
}

// Raise moves the floor over the next row of the journal, as it is stored. An error
// says that the row does not follow, or does not agree with its hash.
func (f *Floor) Raise(row Row) error {
	if row.Body == nil { // the end of a declared gap
		f.Point = Point{Through: row.Seq, Hash: row.Checkpoint}
		f.State.Barrier = true
		return nil
	}
	if row.Seq != f.Through+1 {
		return fmt.Errorf("record %d follows record %d", row.Seq, f.Through)
	}
	f.Point = Point{Through: row.Seq, Hash: f.Hash.Next(row.Body)}
	if row.Checked && row.Checkpoint != f.Hash {
		return fmt.Errorf("the running hash after record %d differs from what was stored", row.Seq)
	}
	if row.Bad {
		return nil
	}
	r, err := wire.DecodeRecord(row.Body)
	if err == nil {
		err = f.State.Step(row.Seq, r, &visit.Effects{})
	}
	if err != nil {
		return fmt.Errorf("record %d is stored as good but: %w", row.Seq, err)
	}
	return nil
}

// Remembers reports whether the fold at the floor may still change a visit, which
// is then kept.
func (f *Floor) Remembers(v feedback.Seq) bool {
	for i := range f.State.Tail {
		if f.State.Tail[i].Seq == v {
			return true
		}
	}
	return false
}
