package verify_test

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"sourire/hub/ingest"
	"sourire/hub/rollup"
	"sourire/hub/verify"
	"sourire/internal/feedback"
	"sourire/internal/visit"
	"sourire/internal/wire"
)

// journal is what a store holds of one journal.
type journal struct {
	source verify.Source
	rows   []ingest.Row
	gaps   []ingest.Gap
	visits []visit.Visit
}

// memory is a store of nothing but what a test puts into it.
type memory struct {
	journals []*journal
	cells    rollup.Delta
	days     rollup.Days
	calendar *rollup.Calendar
	settled  rollup.Delta
	gone     rollup.Days // cells of them are
	strays   int64       // records that no journal reads
	fails    error
}

func (m *memory) Snapshot(_ context.Context, read func(verify.Reader) error) error { return read(m) }

func (m *memory) of(key ingest.Key) *journal {
	i := slices.IndexFunc(m.journals, func(j *journal) bool { return j.source.Key == key })
	return m.journals[i]
}

func (m *memory) Sources(context.Context) (out []verify.Source, err error) {
	for _, j := range m.journals {
		out = append(out, j.source)
	}
	return out, m.fails
}

func (m *memory) Rows(_ context.Context, key ingest.Key, do func(ingest.Row) error) error {
	for _, r := range m.of(key).rows {
		if err := do(r); err != nil {
			return err
		}
	}
	return nil
}

func (m *memory) Gaps(_ context.Context, key ingest.Key) ([]ingest.Gap, error) {
	return m.of(key).gaps, nil
}

func (m *memory) Visits(_ context.Context, key ingest.Key) ([]visit.Visit, error) {
	return m.of(key).visits, nil
}

func (m *memory) Cells(context.Context) (rollup.Delta, error) { return m.cells, nil }

func (m *memory) Days(context.Context) (rollup.Days, map[feedback.SiteID]*rollup.Calendar, error) {
	return m.days, map[feedback.SiteID]*rollup.Calendar{"lyon": m.calendar}, nil
}

func (m *memory) Settled(context.Context) (rollup.Delta, rollup.Days, error) {
	return m.settled, m.gone, nil
}

func (m *memory) Records(context.Context) (int64, error) {
	n := m.strays
	for _, j := range m.journals {
		for _, r := range j.rows {
			if r.Body != nil && !r.Bad {
				n++
			}
		}
	}
	return n, nil
}

// sound returns a store of two kiosks that is as it should be. The first has
// records 1 to 4, lost 5 and 6, has 7 to 9, of which 8 is bad, and was heard to
// have made 12.
func sound(t *testing.T) *memory {
	t.Helper()
	m := &memory{cells: make(rollup.Delta)}
	for _, kiosk := range []feedback.KioskID{"k1", "k2"} {
		facts := []feedback.Fact{
			feedback.EpochBegan{},
			feedback.PlanApplied{Plan: feedback.NewPlanID(nil), Asked: feedback.Asked{Site: "lyon", Touchpoint: "exit", Survey: "visit", Scale: "smiley3"}},
			feedback.ClockFix{Boot: 1, Offset: 1_790_000_000_000, Uncertainty: 5, Source: "hub"},
			feedback.Press{Rating: 2},
			feedback.Press{Rating: 1},
			feedback.Press{Rating: 1},
			feedback.Press{Rating: 0},
			feedback.Press{Rating: 9},
			feedback.Press{Rating: 2},
		}
		m.journals = append(m.journals, store(t, m.cells, kiosk, facts))
	}
	paris, err := time.LoadLocation("Europe/Paris")
	if err != nil {
		t.Fatal(err)
	}
	m.calendar = rollup.NewCalendar(paris)
	m.days = m.cells.Days(func(feedback.SiteID) *rollup.Calendar { return m.calendar })
	return m
}

func store(t *testing.T, cells rollup.Delta, kiosk feedback.KioskID, facts []feedback.Fact) *journal {
	t.Helper()
	j := &journal{gaps: []ingest.Gap{{First: 5, Last: 6, Why: ingest.GapPruned}}}
	var s visit.State
	var e visit.Effects
	var h feedback.Hash
	for i, f := range facts {
		seq := feedback.Seq(i + 1)
		r := feedback.Record{Stamp: feedback.Stamp{Boot: 1, Since: int64(i) * 60_000}, Fact: f}
		body := wire.AppendRecord(nil, r)
		h = h.Next(body)
		row := ingest.Row{Seq: seq, Body: body}
		switch seq {
		case 5:
			continue
		case 6:
			j.rows = append(j.rows, ingest.Row{Seq: 6, Checked: true, Checkpoint: h})
			s.Barrier = true
			continue
		case 4, 9:
			row.Checked, row.Checkpoint = true, h
		case 8:
			row.Bad = true
		}
		if seq != 8 {
			if err := s.Step(seq, r, &e); err != nil {
				t.Fatal(err)
			}
		}
		j.rows = append(j.rows, row)
	}
	for _, c := range e.Changes() {
		j.visits = append(j.visits, *c.After)
		cells.Add(c)
	}
	j.source = verify.Source{
		Key:  ingest.Key{Kiosk: kiosk, Epoch: 1},
		Mark: ingest.Mark{Known: true, Point: ingest.Point{Through: 9, Hash: h}, Heard: 13, State: s},
	}
	return j
}

// What a closed journal did not deliver and is not declared lost was repeated by
// its child: nobody waits for it.
func TestRun_closed(t *testing.T) {
	m := sound(t)
	m.journals[0].source.Closed = true
	report, err := verify.Run(t.Context(), m, "", nil)
	if err != nil {
		t.Fatal(err)
	}
	if f := report.Findings[0]; f.Made != 9 || f.Waiting() != 0 {
		t.Errorf("got %d made and %d waiting, want 9 and 0", f.Made, f.Waiting())
	}
}

func TestRun_sound(t *testing.T) {
	m := sound(t)
	var read int64
	report, err := verify.Run(t.Context(), m, "", func(n int64) { read += n })
	if err != nil {
		t.Fatal(err)
	}
	if !report.OK() || len(report.Findings) != 2 {
		t.Fatalf("got %+v, want two findings without problems", report)
	}
	f := report.Findings[0]
	if f.Made != 12 || f.Received != 7 || f.Quarantined != 1 || f.Lost != 2 || f.Presses != 3 || f.Waiting() != 3 {
		t.Errorf("got %+v waiting %d, want 12 made, 7 received, 1 of them bad, 2 lost, 3 presses, 3 waiting", f, f.Waiting())
	}
	if want := map[string]int64{"rating 9 is not on scale smiley3 (0 to 2)": 1}; !maps.Equal(f.Bad, want) {
		t.Errorf("got bad records %v, want %v", f.Bad, want)
	}
	if read != 14 {
		t.Errorf("got progress of %d records, want 14", read)
	}
	if !maps.Equal(report.Cells, m.cells) {
		t.Errorf("got roll-ups %+v, want %+v", report.Cells, m.cells)
	}
}

func TestRun_finds(t *testing.T) {
	first := func(m *memory) *journal { return m.journals[0] }
	cellOf := func(m *memory) rollup.Key {
		for k := range m.cells {
			return k
		}
		return rollup.Key{}
	}
	tests := []struct {
		name  string
		spoil func(m *memory)
		want  string
	}{
		{"a record that was changed", func(m *memory) {
			r := &first(m).rows[3]
			r.Body = []byte(strings.Replace(string(r.Body), ",2,", ",1,", 1))
		}, "the hash after record 4 is"},
		{"a record that is not there", func(m *memory) { first(m).rows = slices.Delete(first(m).rows, 1, 2) }, "records 2 to 2 are missing and no anchor"},
		{"a lost record that nobody declared", func(m *memory) { first(m).gaps[0].Last = 5 }, "record 6 is missing and not declared lost"},
		{"no gap is declared", func(m *memory) { first(m).gaps = nil }, "record 5 is missing and not declared lost"},
		{"a record that is stored and declared lost", func(m *memory) { first(m).gaps[0].Last = 7 }, "record 7 is stored and declared lost"},
		{"a record that is stored twice", func(m *memory) { first(m).rows = slices.Insert(first(m).rows, 2, first(m).rows[1]) }, "record 2 is stored twice"},
		{"a record that no journal reads", func(m *memory) { m.strays++ }, "13 records are stored and the journals have 12"},
		{"another anchor", func(m *memory) { first(m).rows[4].Checkpoint[0]++ }, "the hash after record 9 is"},
		{"a mark that is ahead", func(m *memory) { first(m).source.Mark.Through++ }, "the records end at 9"},
		{"a mark with another hash", func(m *memory) { first(m).source.Mark.Hash[0]++ }, "the records end at 9"},
		{"a bad record among the good", func(m *memory) { first(m).rows[6].Bad = false }, "record 8 is stored as good but: rating 9"},
		{"a visit that is not there", func(m *memory) { first(m).visits = first(m).visits[1:] }, "visit 4 is not stored"},
		{"a visit that is another", func(m *memory) { first(m).visits[0].Rating = 0 }, "visit 4 is stored as"},
		{"a visit that no record makes", func(m *memory) {
			v := first(m).visits[0]
			v.Seq = 3
			first(m).visits = append(first(m).visits, v)
		}, "visit 3 is stored and no record makes it"},
		{"a rating more", func(m *memory) {
			k := cellOf(m)
			c := m.cells[k]
			c.Steps[2]++
			m.cells[k] = c
		}, "roll-up lyon/exit"},
		{"a roll-up that is not there", func(m *memory) { delete(m.cells, cellOf(m)) }, "roll-up lyon/exit"},
		{"a day that is not there", func(m *memory) { clear(m.days) }, "day 2026-09-21 of lyon/exit"},
		{"a wrong day", func(m *memory) {
			for k, c := range m.days {
				c.Presses++
				m.days[k] = c
			}
		}, "day 2026-09-21 of lyon/exit"},
		{"a day that no record makes", func(m *memory) { m.days[rollup.DayKey{Day: 7}] = rollup.Cell{Presses: 3} }, "counts 3 presses that no record makes"},
		{"days in another zone", func(m *memory) {
			m.days = m.cells.Days(func(feedback.SiteID) *rollup.Calendar { return rollup.NewCalendar(time.FixedZone("east", 14*60*60)) })
		}, "day 2026-09-22 of lyon/exit"},
		{"a roll-up that no record makes", func(m *memory) { m.cells[rollup.Key{Bucket: 7}] = rollup.Cell{Presses: 3} }, "counts 3 presses that no record makes"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			m := sound(t)
			tt.spoil(m)
			report, err := verify.Run(t.Context(), m, "", nil)
			if err != nil {
				t.Fatal(err)
			}
			problems := slices.Concat(report.Findings[0].Problems, report.Problems)
			if report.OK() || !slices.ContainsFunc(problems, func(p string) bool { return strings.Contains(p, tt.want) }) {
				t.Errorf("got %q, want one that says %q", problems, tt.want)
			}
			if len(report.Findings[1].Problems) > 0 {
				t.Errorf("the other kiosk got %q", report.Findings[1].Problems)
			}
		})
	}
}

func TestRun_oneKiosk(t *testing.T) {
	m := sound(t)
	clear(m.cells) // shared by kiosks: not compared for one
	report, err := verify.Run(t.Context(), m, "k2", nil)
	if err != nil || !report.OK() || len(report.Findings) != 1 || report.Findings[0].Source.Key.Kiosk != "k2" {
		t.Errorf("got %+v, %v, want one finding without problems", report, err)
	}
	if _, err := verify.Run(t.Context(), m, "k3", nil); !errors.Is(err, verify.ErrNoKiosk) || !strings.Contains(err.Error(), "k3") {
		t.Errorf("got error %v, want that k3 was never heard of", err)
	}
}

// Many problems of one kind are not all spelled out.
func TestRun_bounded(t *testing.T) {
	m := sound(t)
	for i := range 100 {
		m.journals[0].visits = append(m.journals[0].visits, visit.Visit{Seq: feedback.Seq(1000 + i)})
		m.cells[rollup.Key{Bucket: rollup.Bucket(1000 + i)}] = rollup.Cell{Presses: 1}
	}
	report, err := verify.Run(t.Context(), m, "", nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range [][]string{report.Findings[0].Problems, report.Problems} {
		if len(p) == 0 || len(p) > 10 {
			t.Errorf("got %d problems, want a few: %q", len(p), p)
		}
	}
}

func TestRun_storeFails(t *testing.T) {
	m := sound(t)
	m.fails = errors.New("disk on fire")
	if _, err := verify.Run(t.Context(), m, "", nil); !errors.Is(err, m.fails) {
		t.Errorf("got error %v, want the store's", err)
	}
}
