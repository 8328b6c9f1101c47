package visit

import (
	"fmt"
	"slices"

	"sourire/internal/feedback"
)

// State is where the fold over one epoch stands. The zero State stands before
// the first record. It is stored by the hub, as the JSON of MarshalJSON.
type State struct {
	Asked    *feedback.Asked
	Test     bool
	Cleaning bool
	// Barrier says that the next press opens a new visit whatever its time.
	Barrier bool
	Boots   []boot // the last dated one, then those after it
	Tail    []open // the visits that may still change, oldest first
}

// boot is what the fold knows of one start of the kiosk.
type boot struct {
	ID     feedback.Boot
	First  int64 // Since of its first and last record
	Last   int64
	Visits bool // some visit began in it
	Fixed  bool // by a fix of its own
	Offset int64
	Within int64
	// Placed says that it has an offset, its own or from its neighbours.
	Placed bool
}

// open is a visit with the last presses that made it, as far back as play
// looks: someone who hammers a face for an hour makes one visit, not a state
// that grows with every press.
type open struct {
	Visit
	Taps []tap
}

type tap struct {
	Seq    feedback.Seq
	Since  int64
	Rating int
	Flow   int64
}

// Clone returns a copy that shares nothing with s.
func (s *State) Clone() State {
	c := *s
	if s.Asked != nil {
		a := *s.Asked
		c.Asked = &a
	}
	c.Boots = slices.Clone(s.Boots)
	c.Tail = slices.Clone(s.Tail)
	for i := range c.Tail {
		c.Tail[i].Taps = slices.Clone(c.Tail[i].Taps)
	}
	return c
}

// Resume adds the visits that s remembers to e, as new ones: a fold that begins at
// s rather than at the first record gives those, as they become, and the later.
func (s *State) Resume(e *Effects) {
	for i := range s.Tail {
		e.Changed(nil, s.Tail[i].Visit)
	}
}

// Instant returns when something happened, in Unix milliseconds, as far as the
// records up to here tell; 0 when they do not.
func (s *State) Instant(t feedback.Stamp) int64 {
	for i := range s.Boots {
		if b := &s.Boots[i]; b.ID == t.Boot && b.Placed && b.Within <= maxWithin.Milliseconds() {
			if at := b.Offset + t.Since; at > 0 && at < latest {
				return at
			}
		}
	}
	return 0
}

// Step folds the record with number seq into s and adds what it changed to e.
// It returns an error, and changes nothing, when the record cannot stand where
// it stands: a press before any plan, or a rating that its scale has not. Such
// a record is bad and goes to quarantine alone.
func (s *State) Step(seq feedback.Seq, r feedback.Record, e *Effects) error {
	if p, ok := r.Fact.(feedback.Press); ok {
		if err := s.answers(p); err != nil {
			return err
		}
	}
	b := s.at(r.Stamp)
	switch f := r.Fact.(type) {
	case feedback.Press:
		s.press(seq, r.Stamp, f, b, e)
	case feedback.PlanApplied:
		s.Asked = &f.Asked
		s.Barrier = true
	case feedback.Test:
		s.Test, s.Barrier = f.On, true
	case feedback.Cleaning:
		s.Cleaning, s.Barrier = f.On, true
	case feedback.BootBegan:
		// The program was restarted: nobody's turn goes on across that, and no
		// cleaning lock or commissioning test does either.
		s.Test, s.Cleaning, s.Barrier = false, false, true
	case feedback.Stuck:
		s.mark(f.Press, Stuck, e)
	case feedback.Gesture:
		s.mark(f.Press, Technician, e)
	case feedback.ClockFix:
		s.fix(f, e)
	}
	return nil
}

func (s *State) answers(p feedback.Press) error {
	if s.Asked == nil {
		return fmt.Errorf("press before any plan was applied")
	}
	scale, err := feedback.ParseScale(string(s.Asked.Scale))
	if err != nil {
		return err
	}
	if !scale.Has(p.Rating) {
		return fmt.Errorf("rating %d is not on scale %s (%d to %d)", p.Rating, scale.ID, scale.Lowest, scale.Highest())
	}
	return nil
}

// at notes that something happened at this stamp and returns its boot.
func (s *State) at(t feedback.Stamp) *boot {
	for i := len(s.Boots) - 1; i >= 0; i-- {
		if b := &s.Boots[i]; b.ID == t.Boot {
			b.First, b.Last = min(b.First, t.Since), max(b.Last, t.Since)
			return b
		}
	}
	if n := len(s.Boots); n > maxUnfixed {
		// Keep the first: it may be dated, and bounds those that follow.
		s.Boots = slices.Delete(s.Boots, 1, 2)
	}
	s.Boots = append(s.Boots, boot{ID: t.Boot, First: t.Since, Last: t.Since})
	return &s.Boots[len(s.Boots)-1]
}

func (s *State) press(seq feedback.Seq, t feedback.Stamp, p feedback.Press, b *boot, e *Effects) {
	s.forget(t)
	x := tap{Seq: seq, Since: t.Since, Rating: p.Rating, Flow: p.Flow}
	if n := len(s.Tail); n > 0 && !s.Barrier && s.Tail[n-1].takes(t, x) {
		v := &s.Tail[n-1]
		before := v.Visit
		v.add(x)
		e.Changed(&before, v.Visit)
	} else {
		v := open{Visit: Visit{
			Seq: seq, Stamp: t, Asked: *s.Asked, Rating: p.Rating, Presses: 1, Aside: s.aside(),
		}, Taps: []tap{x}}
		if b.Placed {
			v.date(b.Offset, b.Within)
		} else {
			v.date(0, maxWithin.Milliseconds()+1)
		}
		b.Visits = true
		s.Barrier = false
		if len(s.Tail) == maxTail {
			s.Tail = slices.Delete(s.Tail, 0, 1)
		}
		s.Tail = append(s.Tail, v)
		e.Changed(nil, v.Visit)
	}
	s.play(t, e)
}

func (s *State) aside() Aside {
	switch {
	case s.Test:
		return Test
	case s.Cleaning:
		return Cleaning
	}
	return Counted
}

// forget drops the visits that nothing can change any more.
func (s *State) forget(t feedback.Stamp) {
	s.Tail = slices.DeleteFunc(s.Tail, func(v open) bool {
		return v.Stamp.Boot != t.Boot || v.Taps[len(v.Taps)-1].Since < t.Since-tailKeep.Milliseconds()
	})
}

// takes reports whether a press belongs to the visit.
func (v *open) takes(t feedback.Stamp, x tap) bool {
	last := v.Taps[len(v.Taps)-1]
	if t.Boot != v.Stamp.Boot || x.Since < last.Since || x.Flow != last.Flow {
		return false
	}
	if x.Flow != 0 {
		return true
	}
	if x.Since-v.Stamp.Since <= window.Milliseconds() {
		return true
	}
	return !v.Mixed && x.Rating == v.Rating && x.Since-last.Since <= window.Milliseconds()
}

func (v *open) add(x tap) {
	v.Mixed = v.Mixed || x.Rating != v.Taps[len(v.Taps)-1].Rating
	v.Taps = append(v.Taps, x)
	old := max(0, len(v.Taps)-maxTaps)
	for v.Taps[old].Since < x.Since-playSpan.Milliseconds() {
		old++
	}
	v.Taps = slices.Delete(v.Taps, 0, old)
	v.Presses++
	v.Insistent = !v.Mixed && x.Flow == 0 && v.Presses >= insistentFrom
	if x.Flow != 0 {
		v.Rating = x.Rating
	}
}

// play sets aside the longest stretch of play that ends with the last press.
func (s *State) play(t feedback.Stamp, e *Effects) {
	var run []*tap // the stretch, last press first
	earliest := t.Since - playSpan.Milliseconds()
collect:
	for i := len(s.Tail) - 1; i >= 0; i-- {
		v := &s.Tail[i]
		for j := len(v.Taps) - 1; j >= 0; j-- {
			x := &v.Taps[j]
			if len(run) == maxTaps || x.Since < earliest || (len(run) > 0 && run[len(run)-1].Since-x.Since > window.Milliseconds()) {
				break collect
			}
			run = append(run, x)
		}
	}
	for len(run) >= playFrom && !playful(run) {
		run = run[:len(run)-1]
	}
	if len(run) < playFrom {
		return
	}
	first := run[len(run)-1].Seq
	for i := range s.Tail {
		v := &s.Tail[i]
		if v.Taps[len(v.Taps)-1].Seq < first {
			continue
		}
		v.setAside(Play, e)
	}
}

// playful reports whether a stretch of at least playFrom presses, last first,
// has two faces and a median spacing under playMedian.
func playful(run []*tap) bool {
	gaps := make([]int64, 0, len(run)-1)
	faces := false
	for i := 1; i < len(run); i++ {
		gaps = append(gaps, run[i-1].Since-run[i].Since)
		faces = faces || run[i].Rating != run[0].Rating
	}
	if !faces {
		return false
	}
	slices.Sort(gaps)
	n := len(gaps)
	return gaps[(n-1)/2]+gaps[n/2] < 2*playMedian.Milliseconds()
}

// mark sets aside the visit to which a press belongs, while it is remembered.
func (s *State) mark(press feedback.Seq, why Aside, e *Effects) {
	for i := range s.Tail {
		v := &s.Tail[i]
		if v.Seq > press || v.Taps[len(v.Taps)-1].Seq < press {
			continue
		}
		v.setAside(why, e)
		return
	}
}

// setAside sets the visit aside, unless a reason that comes before this one
// did already.
func (v *open) setAside(why Aside, e *Effects) {
	if v.Aside != Counted && v.Aside <= why {
		return
	}
	before := v.Visit
	v.Aside = why
	e.Changed(&before, v.Visit)
}
