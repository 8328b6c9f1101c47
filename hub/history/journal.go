package history

import (
	"sourire/internal/feedback"
	"sourire/internal/visit"
	"sourire/internal/wire"
)

// Of one boot of a source, no six rows lie within ten seconds: from six on, the
// visit rule looks for play.
const (
	crowd     = 5
	crowdSpan = 10_000 // milliseconds
)

// journal makes the records of a source, one after the other.
type journal struct {
	m      Mapping
	plan   feedback.PlanApplied
	rows   []row
	boot   feedback.Boot
	begun  int   // the first row of the boot
	offset int64 // of the boot
	within int32
	body   []byte
}

func newJournal(m Mapping, s *source) *journal {
	return &journal{m: m, rows: s.rows, plan: feedback.PlanApplied{
		Plan:  feedback.NewPlanID([]byte("import " + m.text())),
		Asked: feedback.Asked{Site: s.place.Site, Touchpoint: s.place.Touchpoint, Survey: m.Survey, Scale: m.Scale},
	}}
}

// each calls do with every record and its bytes, which are its own only until do
// returns.
func (j *journal) each(do func(feedback.Record, []byte) error) error {
	say := func(since int64, fact feedback.Fact) error {
		r := feedback.Record{Stamp: feedback.Stamp{Boot: j.boot, Since: since}, Fact: fact}
		j.body = wire.AppendRecord(j.body[:0], r)
		return do(r, j.body)
	}
	for i, x := range j.rows {
		if first := i == 0; first || j.turns(i) {
			j.boot++
			j.begun, j.offset, j.within = i, x.at, x.within
			if first {
				if err := say(0, feedback.EpochBegan{Why: "import"}); err != nil {
					return err
				}
				if err := say(0, j.plan); err != nil {
					return err
				}
			}
			if err := say(0, feedback.ClockFix{Boot: j.boot, Offset: x.at, Uncertainty: int64(x.within), Source: "import"}); err != nil {
				return err
			}
		}
		p := feedback.Press{Rating: int(x.rating)}
		if !j.m.Presses {
			p.Flow = int64(i - j.begun + 1)
		}
		if err := say(x.at-j.offset, p); err != nil {
			return err
		}
	}
	return nil
}

// turns reports whether row i begins another boot: its time is told more or less
// finely, or it would be one of a crowd.
func (j *journal) turns(i int) bool {
	if j.rows[i].within != j.within {
		return true
	}
	return !j.m.Presses && i-crowd >= j.begun && j.rows[i].at-j.rows[i-crowd].at <= crowdSpan
}

// tally is what the visit rule makes of a journal.
type tally struct {
	Records int64
	Visits  [visit.Asides]int64 // by reason; those of visit.Counted are counted
}

// tally folds the journal alone, without a store.
func (j *journal) tally() (tally, error) {
	var t tally
	var s visit.State
	e := &visit.Effects{}
	flush := func() {
		for _, c := range e.Changes() {
			if c.Before != nil {
				t.Visits[c.Before.Aside]--
			}
			t.Visits[c.After.Aside]++
		}
		e = &visit.Effects{}
	}
	err := j.each(func(r feedback.Record, _ []byte) error {
		t.Records++
		if t.Records%500 == 0 {
			flush()
		}
		return s.Step(feedback.Seq(t.Records), r, e)
	})
	flush()
	return t, err
}
