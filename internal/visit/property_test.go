package visit_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"sourire/internal/feedback"
	"sourire/internal/visit"
)

// records draws a journal: presses in bursts around every border of the rule,
// and everything that comes between them.
func records() *rapid.Generator[[]feedback.Record] {
	return rapid.Custom(func(t *rapid.T) []feedback.Record {
		d := &drawer{t: t, boot: 1}
		d.put(feedback.PlanApplied{Asked: asked("exit", "smiley3")})
		for range rapid.IntRange(0, 120).Draw(t, "records") {
			d.since += d.gap()
			d.put(d.fact())
		}
		return d.out
	})
}

type drawer struct {
	t     *rapid.T
	boot  feedback.Boot
	since int64
	flow  int64
	out   []feedback.Record
}

func (d *drawer) put(f feedback.Fact) {
	d.out = append(d.out, feedback.Record{Stamp: feedback.Stamp{Boot: d.boot, Since: d.since}, Fact: f})
}

// gap is the time to the next record: mostly as in a burst, at times at a border.
func (d *drawer) gap() int64 {
	return rapid.OneOf(
		rapid.Int64Range(0, 1100), rapid.Int64Range(0, 1100),
		rapid.Int64Range(1990, 2010), rapid.Int64Range(9990, 10010),
		rapid.Int64Range(24990, 25010), rapid.Int64Range(0, 100_000_000),
	).Draw(d.t, "gap")
}

func (d *drawer) fact() feedback.Fact {
	seq := feedback.Seq(rapid.IntRange(1, len(d.out)).Draw(d.t, "of"))
	switch n := rapid.IntRange(0, 39).Draw(d.t, "kind"); n {
	default:
		return feedback.Press{Rating: rapid.IntRange(0, 2).Draw(d.t, "rating"), Held: 80}
	case 24, 25, 26, 27:
		d.flow += int64(rapid.IntRange(0, 1).Draw(d.t, "turn"))
		return feedback.Press{Rating: rapid.IntRange(0, 3).Draw(d.t, "rating"), Flow: d.flow}
	case 28:
		return feedback.PlanApplied{Asked: asked("till", rapid.SampledFrom([]feedback.ScaleID{"smiley3", "nps"}).Draw(d.t, "scale"))}
	case 29:
		return feedback.Test{On: rapid.Bool().Draw(d.t, "on")}
	case 30:
		return feedback.Cleaning{On: rapid.Bool().Draw(d.t, "on")}
	case 31:
		return feedback.BootBegan{Version: "v1"}
	case 32, 33:
		d.boot++
		d.since = rapid.Int64Range(0, 5000).Draw(d.t, "since")
		return feedback.Wall{}
	case 34:
		return feedback.Stuck{Press: seq}
	case 35:
		return feedback.Gesture{Press: seq}
	case 21, 22, 23, 36, 37, 38:
		return feedback.ClockFix{
			Boot:   max(1, d.boot-feedback.Boot(rapid.IntRange(-1, 2).Draw(d.t, "back"))),
			Offset: rapid.Int64Range(-1000, 400_000_000).Draw(d.t, "offset"),
			Uncertainty: rapid.OneOf(
				rapid.Int64Range(0, 1000), rapid.Int64Range(43_199_000, 43_201_000),
			).Draw(d.t, "uncertainty"),
		}
	case 39:
		return feedback.Unknown{Name: "later"}
	}
}

// Each press lies in exactly one visit, visits never vanish, and what names a
// visit never changes.
func TestState_Step_pressesInVisits(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var s visit.State
		var all visit.Effects
		visits := make(map[feedback.Seq]visit.Visit)
		accepted := 0
		for i, r := range records().Draw(t, "journal") {
			seq := feedback.Seq(i + 1)
			var e visit.Effects
			was := encode(t, &s)
			err := s.Step(seq, r, &e)
			_ = s.Step(seq, feedback.Record{Stamp: r.Stamp, Fact: feedback.Press{Rating: -1}}, &e)
			if err != nil && (encode(t, &s) != was || len(e.Changes()) > 0) {
				t.Fatalf("record %d was refused and changed something", seq)
			}
			_, press := r.Fact.(feedback.Press)
			press = press && err == nil
			if press {
				accepted++
			}
			if got := grown(t, seq, visits, &e); got != press {
				t.Fatalf("record %d (%T): got a visit with one more press: %v, want %v", seq, r.Fact, got, press)
			}
			for _, c := range e.Changes() {
				all.Changed(c.Before, *c.After)
			}
		}
		sum := 0
		for _, v := range visits {
			sum += v.Presses
		}
		if sum != accepted {
			t.Fatalf("got %d presses in visits, want %d", sum, accepted)
		}
		for _, c := range all.Changes() {
			if c.Before != nil || *c.After != visits[c.After.Seq] {
				t.Fatalf("effects gathered step by step: got %+v to %+v, want nothing to %+v", c.Before, *c.After, visits[c.After.Seq])
			}
		}
		if len(all.Changes()) != len(visits) {
			t.Fatalf("got %d visits in all effects, want %d", len(all.Changes()), len(visits))
		}
	})
}

// grown takes the changes of one record into visits and reports whether one
// visit got one press more.
func grown(t *rapid.T, seq feedback.Seq, visits map[feedback.Seq]visit.Visit, e *visit.Effects) bool {
	more := 0
	stored := slices.Collect(maps.Values(visits))
	e.Redate(stored)
	for _, c := range e.Changes() {
		old, known := visits[c.After.Seq]
		switch {
		case c.Before == nil && known:
			t.Fatalf("record %d: visit %d is new a second time", seq, c.After.Seq)
		case c.Before == nil && c.After.Seq != seq:
			t.Fatalf("record %d begins visit %d", seq, c.After.Seq)
		case c.Before != nil && *c.Before != old:
			t.Fatalf("record %d: visit %d was %+v, the change says %+v", seq, old.Seq, old, *c.Before)
		case c.Before != nil && (c.After.Stamp != old.Stamp || c.After.Asked != old.Asked):
			t.Fatalf("record %d: visit %d moved from %+v to %+v", seq, old.Seq, old, *c.After)
		}
		more += c.After.Presses - old.Presses
		if c.After.Presses < old.Presses || c.After.Presses < 1 {
			t.Fatalf("record %d: visit %d has %d presses after %d", seq, old.Seq, c.After.Presses, old.Presses)
		}
		visits[c.After.Seq] = *c.After
	}
	if more > 1 {
		t.Fatalf("record %d: %d presses more", seq, more)
	}
	return more == 1
}

// Any split of the same records gives the same visits, the change that each run
// names begins at what was stored before it, and neither a round trip of the
// state through JSON nor a clone at the border changes anything.
func TestState_Step_anySplit(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		journal := records().Draw(t, "journal")
		var whole visit.State
		var e visit.Effects
		for i, r := range journal {
			_ = whole.Step(feedback.Seq(i+1), r, &e)
		}
		want := make(map[feedback.Seq]visit.Visit)
		for _, c := range e.Changes() {
			want[c.After.Seq] = *c.After
		}

		var s visit.State
		got := make(map[feedback.Seq]visit.Visit)
		for from := 0; from < len(journal); {
			to := from + rapid.OneOf(rapid.IntRange(1, min(4, len(journal)-from)), rapid.IntRange(1, len(journal)-from)).Draw(t, "to")
			s = reopened(t, s, rapid.IntRange(0, 2).Draw(t, "through"))
			run(t, &s, journal, from, to, got)
			from = to
		}
		if !maps.Equal(got, want) {
			t.Fatalf("got  %+v\nwant %+v", got, want)
		}
		if got, want := encode(t, &s), encode(t, &whole); got != want {
			t.Fatalf("got state  %s\nwant %s", got, want)
		}
	})
}

// reopened returns the state as it is after being stored, or cloned, or as it is.
func reopened(t *rapid.T, s visit.State, through int) visit.State {
	switch through {
	case 0:
		var back visit.State
		if err := json.Unmarshal([]byte(encode(t, &s)), &back); err != nil {
			t.Fatal(err)
		}
		return back
	case 1:
		return s.Clone()
	}
	return s
}

// run folds some records as hub/ingest does: over a store that keeps visits.
func run(t *rapid.T, s *visit.State, journal []feedback.Record, from, to int, stored map[feedback.Seq]visit.Visit) {
	var e visit.Effects
	for i := from; i < to; i++ {
		_ = s.Step(feedback.Seq(i+1), journal[i], &e)
	}
	var touched []visit.Visit
	for _, v := range stored {
		if slices.ContainsFunc(e.Datings, func(d visit.Dating) bool { return d.Boot == v.Stamp.Boot }) {
			touched = append(touched, v)
		}
	}
	e.Redate(touched)
	for _, c := range e.Changes() {
		old, known := stored[c.After.Seq]
		if known != (c.Before != nil) || known && *c.Before != old {
			t.Fatalf("records %d to %d: visit %d is stored as %+v (%v), the change begins at %+v", from+1, to, c.After.Seq, old, known, c.Before)
		}
		stored[c.After.Seq] = *c.After
	}
}

// A clone shares nothing with its origin.
func TestState_Clone(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		journal := records().Draw(t, "journal")
		at := rapid.IntRange(0, len(journal)).Draw(t, "at")
		var s visit.State
		var e visit.Effects
		for i, r := range journal[:at] {
			_ = s.Step(feedback.Seq(i+1), r, &e)
		}
		was := encode(t, &s)
		c := s.Clone()
		if got := encode(t, &c); got != was {
			t.Fatalf("got clone %s, want %s", got, was)
		}
		for i, r := range journal[at:] {
			_ = c.Step(feedback.Seq(at+i+1), r, &e)
		}
		if c.Asked != nil {
			c.Asked.Site = "elsewhere"
		}
		if got := encode(t, &s); got != was {
			t.Fatalf("got %s after the clone went on, want %s", got, was)
		}
	})
}

// A press that joins a visit after the fix that dates it, both in one batch,
// once took the new date for the stored one: the roll-up of the new date lost a
// rating that it never had.
func TestEffects_Redate_pressAfterFix(t *testing.T) {
	j := read(t, "100:2 200:fix=1790000000000±40 300:2")
	var s visit.State
	var before, after visit.Effects
	for i, r := range j.records {
		e := &before
		if i >= 2 {
			e = &after
		}
		if err := s.Step(feedback.Seq(i+1), r, e); err != nil {
			t.Fatal(err)
		}
	}
	stored := *before.Changes()[0].After
	after.Redate([]visit.Visit{stored})
	c := after.Changes()
	if len(c) != 1 || c[0].Before == nil || *c[0].Before != stored {
		t.Fatalf("got %s, want one change that begins at %+v", fmt.Sprint(c), stored)
	}
	if got := *c[0].After; got.Presses != 2 || got.At != 1790000000100 {
		t.Errorf("got %+v, want two presses at 1790000000100", got)
	}
}
