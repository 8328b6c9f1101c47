package visit

import (
	"time"

	"sourire/internal/feedback"
)

// Rule is the version of the rule that this package applies.
const Rule = 1

// Aside is the reason for which a visit is not counted.
type Aside int8

// The reasons, in the order in which they take precedence and tables show them.
// Closed is reserved for opening hours.
const (
	Counted Aside = iota
	Test
	Technician
	Cleaning
	Stuck
	Closed
	Play
	Undated
	Asides // number of values, Counted among them
)

// String returns the word for the reason, "counted" when there is none.
func (a Aside) String() string {
	names := [Asides]string{"counted", "test", "technician", "cleaning", "stuck", "closed", "play", "undated"}
	if a < 0 || a >= Asides {
		return "unknown"
	}
	return names[a]
}

// Visit is one visitor's turn at a kiosk. It is a comparable value.
type Visit struct {
	Seq   feedback.Seq // of its first press: the visit's number
	Stamp feedback.Stamp
	Asked feedback.Asked
	// Rating is a step of Asked.Scale.
	Rating  int
	Presses int // at least 1
	Mixed   bool
	// Insistent tells three or more presses on one face, each within 2 s of
	// the one before: one counted visit, marked, for anger is a signal.
	Insistent bool
	Aside     Aside
	At        int64 // Unix milliseconds of the first press, 0 while undated
	Within    int64 // milliseconds: At is right give or take this
}

// Dated reports whether the instant of the visit is known well enough.
func (v Visit) Dated() bool { return v.At != 0 }

// date sets the instant from the offset of the visit's boot.
func (v *Visit) date(offset, within int64) {
	v.At, v.Within = 0, 0
	if at := offset + v.Stamp.Since; within <= maxWithin.Milliseconds() && at > 0 && at < latest {
		v.At, v.Within = at, within
	}
	switch {
	case v.At == 0 && v.Aside == Counted:
		v.Aside = Undated
	case v.At != 0 && v.Aside == Undated:
		v.Aside = Counted
	}
}

// The constants of rule 1.
const (
	window        = 2 * time.Second
	insistentFrom = 3
	playSpan      = 10 * time.Second
	playFrom      = 6
	playMedian    = time.Second
	// tailKeep is how long the fold remembers visits: play looks back 10 s, a
	// stuck button is reported a little after 10 s.
	tailKeep  = 25 * time.Second
	maxWithin = 12 * time.Hour
	// latest is 2100, in Unix milliseconds: from there on it is a broken
	// clock's, and undated.
	latest = 4_102_444_800_000
	// maxUnfixed boots without an offset are remembered between two that have
	// one; visits of older ones stay undated.
	maxUnfixed = 64
	// maxTaps presses of a visit, and maxTail visits, are remembered at most: no
	// hand makes more in those times, but a chattering contact or a device
	// whose clock stands still would make the state grow without end.
	maxTaps = 64
	maxTail = 100
)

// Change is what a record did to one visit. Before is nil for a new visit;
// After is never nil, for a visit never vanishes.
type Change struct {
	Before, After *Visit
}

// Dating says that the offset of a boot became known, or better known: every
// visit of that boot is to be dated by [Dating.Apply].
type Dating struct {
	Boot   feedback.Boot
	Offset int64 // instant = Offset + Since, Unix milliseconds
	Within int64
}

// Apply returns v dated anew, if it is of that boot.
func (d Dating) Apply(v Visit) Visit {
	if v.Stamp.Boot == d.Boot {
		v.date(d.Offset, d.Within)
	}
	return v
}

// Effects gathers what a run of records did. The zero Effects is ready.
type Effects struct {
	changes map[feedback.Seq]Change
	order   []feedback.Seq
	Datings []Dating
}

// Changes returns the changed visits in the order of their first change.
func (e *Effects) Changes() []Change {
	out := make([]Change, 0, len(e.order))
	for _, s := range e.order {
		c := e.changes[s]
		if c.Before == nil || *c.Before != *c.After {
			out = append(out, c)
		}
	}
	return out
}

// Changed records that before (nil for a new visit) became after. Several
// changes of one visit fold into one.
func (e *Effects) Changed(before *Visit, after Visit) {
	if c, ok := e.changes[after.Seq]; ok {
		*c.After = after
		return
	}
	if e.changes == nil {
		e.changes = make(map[feedback.Seq]Change)
	}
	if before != nil {
		b := *before
		before = &b
	}
	e.changes[after.Seq] = Change{Before: before, After: &after}
	e.order = append(e.order, after.Seq)
}

// date keeps the last dating of a boot: those before it have no effect left.
func (e *Effects) date(d Dating) {
	for i := range e.Datings {
		if e.Datings[i].Boot == d.Boot {
			e.Datings[i] = d
			return
		}
	}
	e.Datings = append(e.Datings, d)
}

// Redate applies the datings to visits that were stored before this run.
func (e *Effects) Redate(stored []Visit) {
	for _, v := range stored {
		after := v
		if c, ok := e.changes[v.Seq]; ok {
			after = *c.After
		}
		for _, d := range e.Datings {
			after = d.Apply(after)
		}
		e.Changed(&v, after)
	}
}
