package visit

import (
	"slices"

	"sourire/internal/feedback"
)

// fix takes the offset of a boot from a clock fix, if it is the first or at
// least halves the uncertainty, and places the undated boots before it.
func (s *State) fix(f feedback.ClockFix, e *Effects) {
	i := slices.IndexFunc(s.Boots, func(b boot) bool { return b.ID == f.Boot })
	if i < 0 {
		return // a boot of which no record is known has no visits to date
	}
	b := &s.Boots[i]
	if b.Fixed && (f.Uncertainty*2 > b.Within || f.Uncertainty == b.Within) {
		return // the second for 0, which is half of itself
	}
	first := !b.Fixed
	b.Fixed, b.Offset, b.Within = true, f.Offset, f.Uncertainty
	s.place(b, e)
	if first {
		s.between(i, e)
	}
	// What is dated bounds nothing but its next neighbour: keep the last dated
	// boot and those after it.
	keep := 0
	for i := range s.Boots {
		if s.Boots[i].Fixed {
			keep = i
		}
	}
	s.Boots = slices.Delete(s.Boots, 0, keep)
}

// place dates the visits of a boot whose offset was just set.
func (s *State) place(b *boot, e *Effects) {
	b.Placed = true
	if !b.Visits {
		return
	}
	d := Dating{Boot: b.ID, Offset: b.Offset, Within: b.Within}
	e.date(d)
	for i := range s.Tail {
		v := &s.Tail[i]
		before := v.Visit
		if v.Visit = d.Apply(before); v.Visit != before {
			// Said now, while before is what is stored: a press that joins the
			// visit later in this run would take the new date for the old one.
			e.Changed(&before, v.Visit)
		}
	}
	for _, seq := range e.order {
		c := e.changes[seq]
		*c.After = d.Apply(*c.After)
	}
}

// between places the boots without an offset between the dated boot at i and
// the dated one before it: the whole of each lies after all that came before
// and before all that came after.
func (s *State) between(i int, e *Effects) {
	low := i - 1
	for low >= 0 && !s.Boots[low].Fixed {
		low--
	}
	if low < 0 {
		return // nothing bounds them from below: undated
	}
	earliest := s.Boots[low].Offset + s.Boots[low].Last
	latest := s.Boots[i].Offset + s.Boots[i].First
	free := latest - earliest
	for j := low + 1; j < i; j++ {
		free -= s.Boots[j].Last - s.Boots[j].First
	}
	if free < 0 {
		return // the two fixes contradict each other
	}
	slack := s.Boots[low].Within + s.Boots[i].Within
	for j := low + 1; j < i; j++ {
		b := &s.Boots[j]
		// b begins between earliest and earliest+free.
		b.Offset, b.Within = earliest+free/2-b.First, free/2+slack
		s.place(b, e)
		earliest += b.Last - b.First
	}
}
