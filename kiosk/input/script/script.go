// Package script makes visitors up: signals from an arrival model, or from a
// list.
//
// It stands at the beginning of the line, as one source of kiosk/input, in the
// place of fingers: for the demonstration, for tests, and for kiosk/fleetsim,
// which gives one to each of many kiosks. A [Visitors] draws everything from
// its seed and waits on timers alone, so that a run repeats exactly and runs
// under testing/synctest.
//
// Models of arrival are [Constant], [Poisson], [Hourly], [Weekly] and [Rush]. All
// but the first have no memory: each gap is exponential with the rate of its time
// (a Poisson process; with changing rates, Lewis and Shedler 1979). Days differ
// with [Days], which makes their numbers gamma-Poisson, and with Options.Mood,
// which makes their faces beta-binomial.
//
// Nothing is kept. The package has no goroutine but that of Run. It must not
// know scales, screens or journals.
package script

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"time"

	"sourire/internal/feedback"
	"sourire/kiosk/input"
)

// Arrivals is a model of when visitors come.
type Arrivals interface {
	// Next returns the first arrival after an instant, in which the last
	// visitor came or the model began; the zero Time when nobody ever comes
	// again.
	Next(after time.Time, r *rand.Rand) time.Time
}

// Options make Visitors. Arrivals and Faces are needed.
type Options struct {
	Arrivals Arrivals
	// Faces holds the weight of each face, worst first: {1, 1, 2} presses the
	// best one half of the time.
	Faces []float64
	Seed  uint64
	// Mood is how much presses of one day are alike beyond what Faces says, as a
	// correlation from 0, not at all, to below 1.
	Mood  float64
	Zone  *time.Location // of the days of Mood; nil means UTC
	Count int            // how many presses there are; 0: no end
	Touch bool           // taps on a screen, not presses of buttons
	// Now tells the time; nil means time.Now. Its pace must be that of timers.
	Now func() time.Time
}

// Visitors is a source of presses that come by a model. Each Run begins anew.
type Visitors struct {
	o     Options
	total float64 // of the weights
}

// New returns visitors.
func New(o Options) (*Visitors, error) {
	v := &Visitors{o: o}
	if o.Now == nil {
		v.o.Now = time.Now
	}
	if o.Arrivals == nil {
		return nil, fmt.Errorf("script: no model says when visitors come")
	}
	if len(o.Faces) == 0 || len(o.Faces) > feedback.MaxSteps {
		return nil, fmt.Errorf("script: weights of %d faces: want 1 to %d", len(o.Faces), feedback.MaxSteps)
	}
	for i, w := range o.Faces {
		if !finite(w) {
			return nil, fmt.Errorf("script: weight %v of face %d: want a number from 0", w, i+1)
		}
		v.total += w
	}
	if !(o.Mood >= 0 && o.Mood < 1) {
		return nil, fmt.Errorf("script: mood %v: want a correlation from 0 to below 1", o.Mood)
	}
	if v.total == 0 || !finite(v.total) {
		return nil, fmt.Errorf("script: weights %v of the faces: want one above 0", o.Faces)
	}
	return v, nil
}

func finite(f float64) bool { return f >= 0 && !math.IsInf(f, 0) }

// Run implements input.Source. An arrival that is overdue, because emit waited,
// is told at once, so that none is lost.
func (v *Visitors) Run(ctx context.Context, emit func(input.Signal)) error {
	r := rand.New(rand.NewPCG(v.o.Seed, v.o.Seed))
	at := v.o.Now()
	for n := 0; v.o.Count == 0 || n < v.o.Count; n++ {
		if at = v.o.Arrivals.Next(at, r); at.IsZero() {
			return nil
		}
		if !sleep(ctx, at.Sub(v.o.Now())) {
			return nil
		}
		emit(input.Signal{Kind: input.Press, Place: v.face(at, r), Touch: v.o.Touch})
	}
	return nil
}

// face draws one.
func (v *Visitors) face(at time.Time, r *rand.Rand) int {
	weights, total := v.o.Faces, v.total
	if v.o.Mood > 0 {
		weights, total = mood(weights, total, v.o.Mood, dayRandom(v.o.Seed, at.In(in(v.o.Zone)), 2))
	}
	x := r.Float64() * total
	for i, w := range weights {
		if x -= w; x < 0 {
			return i
		}
	}
	return len(weights) - 1
}

// sleep reports whether d passed before ctx was done.
func sleep(ctx context.Context, d time.Duration) bool {
	if ctx.Err() != nil {
		return false
	}
	if d <= 0 {
		return true
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}
