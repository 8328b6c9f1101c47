package archive

import (
	"slices"

	"sourire/internal/feedback"
	"sourire/internal/visit"
	"sourire/internal/wire"
)

// foldEvery records the visits that nothing but a date can change are let go.
const foldEvery = 512

// folder derives the visits of one journal record by record. It keeps those that
// may still change and hands the others to done in the order of their numbers;
// these lack at most a better date, which they get from dated when all records
// were read.
type folder struct {
	state   visit.State
	effects visit.Effects
	steps   int
	every   int // foldEvery but in tests
	pending map[feedback.Seq]visit.Visit
	datings map[feedback.Boot]dating
	done    func(visit.Visit) error
}

// dating is the last date of a boot and the record that told it: visits after it
// knew it when they began.
type dating struct {
	visit.Dating
	by feedback.Seq
}

func newFolder(done func(visit.Visit) error) *folder {
	return &folder{every: foldEvery, pending: make(map[feedback.Seq]visit.Visit), datings: make(map[feedback.Boot]dating), done: done}
}

// row takes the next row of the journal; its error says that a record that is
// stored as good says nothing.
func (f *folder) row(row Row) (fact feedback.Fact, bad, err error) {
	if row.Body == nil {
		f.state.Barrier = true
		return nil, nil, nil
	}
	if row.Bad != "" {
		return nil, nil, nil
	}
	r, bad := wire.DecodeRecord(row.Body)
	if bad == nil {
		bad = f.state.Step(row.Seq, r, &f.effects)
	}
	if bad != nil {
		return nil, bad, nil
	}
	for _, d := range f.effects.Datings {
		f.datings[d.Boot] = dating{d, row.Seq}
	}
	f.steps++
	if f.steps%f.every == 0 || len(f.effects.Datings) > 0 {
		err = f.flush()
	}
	return r.Fact, nil, err
}

// flush lets go of the visits that have left the tail.
func (f *folder) flush() error {
	f.gather()
	var out []feedback.Seq
	for seq := range f.pending {
		if len(f.state.Tail) == 0 || seq < f.state.Tail[0].Seq {
			out = append(out, seq)
		}
	}
	return f.release(out)
}

func (f *folder) gather() {
	for _, c := range f.effects.Changes() {
		f.pending[c.After.Seq] = *c.After
	}
	f.effects = visit.Effects{}
}

func (f *folder) release(seqs []feedback.Seq) error {
	slices.Sort(seqs)
	for _, seq := range seqs {
		if err := f.done(f.pending[seq]); err != nil {
			return err
		}
		delete(f.pending, seq)
	}
	return nil
}

// end lets go of all visits.
func (f *folder) end() error {
	f.gather()
	var out []feedback.Seq
	for seq := range f.pending {
		out = append(out, seq)
	}
	return f.release(out)
}

// dated returns a visit with the date that the whole journal gives it.
func (f *folder) dated(v visit.Visit) visit.Visit {
	if d, ok := f.datings[v.Stamp.Boot]; ok && d.by > v.Seq {
		return d.Apply(v)
	}
	return v
}
