package storetest

import (
	"encoding/json"
	"maps"
	"time"

	"sourire/hub/ingest"
	"sourire/hub/rollup"
	"sourire/hub/verify"
	"sourire/internal/feedback"
	"sourire/internal/visit"
	"sourire/internal/wire"
)

// check proves the store: verify finds nothing, what is stored is what the
// devices made, byte for byte, and visits, states and roll-ups are those of a
// recount from the devices' own records.
func (b *bench) check() {
	b.Helper()
	report, err := verify.Run(b.Context(), b.store, "", nil)
	if err != nil {
		b.Fatal(err)
	}
	for _, p := range report.Problems {
		b.Errorf("verify: %s", p)
	}
	for _, f := range report.Findings {
		for _, p := range f.Problems {
			b.Errorf("verify: %s epoch %v: %s", f.Source.Key.Kiosk, f.Source.Key.Epoch, p)
		}
	}
	cells, days := b.retained.cells(), b.retained.days(time.UTC)
	b.read(func(r verify.Reader) error {
		sources, err := r.Sources(b.Context())
		if err != nil {
			return err
		}
		for _, s := range sources {
			d, ok := b.devices[s.Key]
			if !ok {
				b.Errorf("the store has %v, which nobody made", s.Key)
				continue
			}
			if err := b.recount(r, s, d, cells, days); err != nil {
				return err
			}
		}
		got, err := r.Cells(b.Context())
		if !maps.Equal(got, cells) {
			b.Errorf("got roll-ups\n%+v, a recount gives\n%+v", got, cells)
		}
		if err != nil {
			return err
		}
		byDay, _, err := r.Days(b.Context())
		if !maps.Equal(byDay, days) {
			b.Errorf("got days\n%+v, a recount gives\n%+v", byDay, days)
		}
		return err
	})
}

// recount compares one journal with its device and counts its visits.
func (b *bench) recount(r verify.Reader, s verify.Source, d *device, cells rollup.Delta, days rollup.Days) error {
	gaps, err := r.Gaps(b.Context(), s.Key)
	if err != nil {
		return err
	}
	rows, bad, err := rowsOf(b, r, s.Key)
	if err != nil {
		return err
	}
	want := foldOf(b, d, s.Mark.Through, gaps)
	b.retained.forget(s.Key, want)
	if s.Mark.Hash != d.hashes[s.Mark.Through] {
		b.Errorf("%v: got hash %v at %d, the device has %v", s.Key, s.Mark.Hash, s.Mark.Through, d.hashes[s.Mark.Through])
	}
	if !maps.Equal(rows, want.rows) {
		b.Errorf("%v: got rows %v, want %v", s.Key, rows, want.rows)
	}
	if !maps.Equal(bad, want.bad) {
		b.Errorf("%v: got records %v in quarantine, want %v", s.Key, bad, want.bad)
	}
	if got, want := stateOf(b, s.Mark.State), stateOf(b, want.state); got != want {
		b.Errorf("%v: got state %s, want %s", s.Key, got, want)
	}
	visits, err := r.Visits(b.Context(), s.Key)
	if err != nil {
		return err
	}
	got := make(map[feedback.Seq]visit.Visit)
	for _, v := range visits {
		got[v.Seq] = v
	}
	if !maps.Equal(got, want.visits) {
		b.Errorf("%v: got visits %+v, want %+v", s.Key, got, want.visits)
	}
	for _, v := range want.visits {
		count(cells, v)
		countDay(days, v, time.UTC)
	}
	return nil
}

// failer is a test of either kind.
type failer interface {
	Helper()
	Fatal(args ...any)
}

func stateOf(t failer, s visit.State) string {
	t.Helper()
	text, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func rowsOf(b *bench, r verify.Reader, key ingest.Key) (rows map[feedback.Seq]string, bad map[feedback.Seq]bool, err error) {
	rows, bad = make(map[feedback.Seq]string), make(map[feedback.Seq]bool)
	err = r.Rows(b.Context(), key, func(row ingest.Row) error {
		if row.Body == nil {
			return nil
		}
		rows[row.Seq] = string(row.Body)
		if row.Bad {
			bad[row.Seq] = true
		}
		return nil
	})
	return rows, bad, err
}

// folded is what a journal up to some record comes to.
type folded struct {
	rows   map[feedback.Seq]string
	bad    map[feedback.Seq]bool
	visits map[feedback.Seq]visit.Visit
	state  visit.State
}

// foldOf folds a device's records up to through in one piece, without those that
// are declared lost.
func foldOf(t failer, d *device, through feedback.Seq, gaps []ingest.Gap) folded {
	t.Helper()
	out := folded{
		rows: make(map[feedback.Seq]string), bad: make(map[feedback.Seq]bool), visits: make(map[feedback.Seq]visit.Visit),
	}
	var e visit.Effects
	for seq := feedback.Seq(1); seq <= through; seq++ {
		if lost(gaps, seq) {
			out.state.Barrier = true
			continue
		}
		body := d.records[seq-1]
		out.rows[seq] = string(body)
		r, err := wire.DecodeRecord(body)
		if err == nil {
			err = out.state.Step(seq, r, &e)
		}
		if err != nil {
			out.bad[seq] = true
		}
	}
	for _, c := range e.Changes() {
		out.visits[c.After.Seq] = *c.After
	}
	return out
}

func lost(gaps []ingest.Gap, seq feedback.Seq) bool {
	for _, g := range gaps {
		if g.First <= seq && seq <= g.Last {
			return true
		}
	}
	return false
}

// count adds a visit to cells, in words of its own and not those of rollup.
func count(cells rollup.Delta, v visit.Visit) {
	key := rollup.Key{Asked: v.Asked, Bucket: rollup.Bucket(v.At / (15 * minute))}
	c := cells[key]
	c.Presses += int64(v.Presses)
	if v.Aside != visit.Counted {
		c.Aside[v.Aside]++
		c.AsidePresses += int64(v.Presses)
		cells[key] = c
		return
	}
	step := v.Rating
	switch v.Asked.Scale {
	case "smiley3", "nps", "binary":
	default:
		step--
	}
	c.Steps[step]++
	if v.Mixed {
		c.Mixed++
	}
	if v.Insistent {
		c.Insistent++
	}
	cells[key] = c
}
