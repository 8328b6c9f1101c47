package ingest_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"sourire/hub/ingest"
	"sourire/internal/feedback"
)

// packs is a store of some stretches to pack, each of which takes 5 ms.
type packs struct {
	mu     sync.Mutex
	ends   []feedback.Seq // of the stretches
	errs   map[int]error  // of the calls
	calls  int
	from   []ingest.Place
	before time.Time
	at     []time.Time
}

func (p *packs) Pack(_ context.Context, term int64, from ingest.Place, o ingest.Packing) (ingest.Place, int, error) {
	time.Sleep(5 * time.Millisecond) // not synchronisation: what a stretch takes
	p.mu.Lock()
	defer p.mu.Unlock()
	p.calls++
	p.from, p.at, p.before = append(p.from, from), append(p.at, time.Now()), o.Before
	var next ingest.Place
	for _, end := range p.ends {
		if end > from.After {
			next = ingest.Place{Source: 1, After: end}
			break
		}
	}
	return next, 1, p.errs[p.calls]
}

func (p *packs) state() (calls int, from []ingest.Place) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.calls, slices.Clone(p.from)
}

// asked returns the age that was asked for last, and when each call ended.
func (p *packs) asked() (before time.Time, at []time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.before, slices.Clone(p.at)
}

func TestIntake_packs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &packs{ends: []feedback.Seq{10, 20}, errs: map[int]error{2: errors.New("this journal fails")}}
		r := newRig(t, func(o *ingest.IntakeOptions) { o.Packs = p })
		began := time.Now()
		r.run()
		time.Sleep(10 * time.Minute) // not synchronisation: a round, on the clock of the bubble
		synctest.Wait()
		want := []ingest.Place{{}, {Source: 1, After: 10}, {Source: 1, After: 20}}
		if _, from := p.state(); !slices.Equal(from, want) {
			t.Errorf("got %v, want %v", from, want)
		}
		before, at := p.asked()
		if want := began.Add(40*time.Millisecond - 48*time.Hour); before.After(want.Add(time.Second)) || before.Before(want.Add(-time.Second)) {
			t.Errorf("got records of before %v packed, want %v", before, want)
		}
		if rest := at[1].Sub(at[0]); rest != 20*time.Millisecond {
			t.Errorf("got %v between two steps of 5 ms, want 20 ms", rest)
		}
		time.Sleep(time.Hour) // not synchronisation: the next round
		synctest.Wait()
		if calls, _ := p.state(); calls != 6 {
			t.Errorf("got %d calls after an hour, want 6", calls)
		}
		r.end(context.Canceled)
	})
}

func TestIntake_packsNothingWhereAllFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &packs{errs: make(map[int]error)}
		for i := range 20 {
			p.ends, p.errs[i+1] = append(p.ends, feedback.Seq(i+1)), errors.New("the store fails")
		}
		r := newRig(t, func(o *ingest.IntakeOptions) { o.Packs = p })
		r.run()
		time.Sleep(10 * time.Minute) // not synchronisation: a round, on the clock of the bubble
		synctest.Wait()
		if calls, _ := p.state(); calls != 5 {
			t.Errorf("got %d calls, want 5 and then no more", calls)
		}
		r.end(context.Canceled)
	})
}

func TestIntake_supersededWhilePacking(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, func(o *ingest.IntakeOptions) { o.Packs = &packs{errs: map[int]error{1: ingest.ErrSuperseded}} })
		r.run()
		if err := <-r.done; !errors.Is(err, ingest.ErrSuperseded) {
			t.Errorf("got %v from Run, want superseded", err)
		}
		r.stop()
	})
}
