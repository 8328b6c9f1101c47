// Package lamp answers a finger by lamps and a buzzer, where there is no screen.
//
// It stands beside the line: kiosk/app calls a [Front] when there is something else
// to see and when thanks are due. What the lamps do:
//
//   - Thanks: all lamps at once for [ThanksTime], and the buzzer for [BuzzTime]; the
//     same for every button, so that staff do not learn the vote, and only when the
//     press is on disk. A press that cannot be stored lights nothing.
//   - Cleaning: all lamps blink slowly for as long as the buttons are locked.
//   - A technician's gesture: each lamp speaks for one thing, the first for the disk,
//     the others for those of Options.Good in their order: it is lit if that is well
//     and blinks fast if not. With fewer lamps than things, the last lamp speaks for
//     the rest.
//   - At other times they are dark. They cost no power and tell nothing.
//
// Nothing is kept. A lamp that cannot be switched is tried again at the next change
// and stops nobody. The package has one goroutine, that of Run. It must not know
// GPIO lines, journals or hubs.
package lamp

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"sourire/kiosk/session"
)

// How long lamps and buzzer say thanks, and the halves of their blinking.
const (
	ThanksTime = 800 * time.Millisecond
	BuzzTime   = 80 * time.Millisecond
	slow       = time.Second
	fast       = 150 * time.Millisecond
)

// Output is a lamp or a buzzer; *gpio.Output is one.
type Output interface{ Set(on bool) error }

// Options make a Front.
type Options struct {
	Lamps  []Output
	Buzzer Output // nil: none
	// Good tells, for a technician, what else is well, beside that presses are
	// stored. nil: nothing.
	Good func() []bool
	Log  *slog.Logger // nil means slog.Default()
}

// Front is what lamps show. It is an app.Front.
type Front struct {
	o    Options
	wake chan struct{}

	mu     sync.Mutex // guards what follows
	mode   mode
	since  time.Time // of mode
	bad    bool      // the last press could not be stored
	thanks time.Time // when the newest thanks began
	failed bool      // the last change did not reach every lamp
}

// mode is what the lamps do while nobody is thanked.
type mode int8

const (
	dark mode = iota
	cleaning
	technician
)

// New returns a front, dark until Run.
func New(o Options) *Front {
	if o.Log == nil {
		o.Log = slog.Default()
	}
	return &Front{o: o, wake: make(chan struct{}, 1)}
}

// Show implements app.Front.
func (f *Front) Show(v session.View) {
	next := dark
	switch v.Screen {
	case session.Locked:
		next = cleaning
	case session.Technician:
		next = technician
	}
	f.mu.Lock()
	changed := f.mode != next
	if changed {
		f.mode, f.since = next, time.Now()
	}
	f.bad = v.Trouble
	f.mu.Unlock()
	if changed {
		f.poke()
	}
}

// Thank implements app.Front.
func (f *Front) Thank() {
	f.mu.Lock()
	f.thanks = time.Now()
	f.mu.Unlock()
	f.poke()
}

func (f *Front) poke() {
	select {
	case f.wake <- struct{}{}:
	default:
	}
}

// Run switches the lamps until ctx is done, and then off.
func (f *Front) Run(ctx context.Context) error {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			f.set(picture{lamps: make([]bool, len(f.o.Lamps))})
			return nil
		case <-f.wake:
		case <-timer.C:
		}
		now := time.Now()
		p, next := f.picture(now)
		f.set(p)
		if next.IsZero() {
			timer.Stop()
		} else {
			timer.Reset(next.Sub(now))
		}
	}
}

// picture is what is lit.
type picture struct {
	lamps  []bool
	buzzer bool
}

// picture returns what to light now, and when that changes by itself; zero: never.
func (f *Front) picture(now time.Time) (picture, time.Time) {
	f.mu.Lock()
	defer f.mu.Unlock()
	p := picture{lamps: make([]bool, len(f.o.Lamps))}
	if age := now.Sub(f.thanks); !f.thanks.IsZero() && age < ThanksTime {
		fill(p.lamps, true)
		if p.buzzer = age < BuzzTime; p.buzzer {
			return p, f.thanks.Add(BuzzTime)
		}
		return p, f.thanks.Add(ThanksTime)
	}
	blink := func(half time.Duration) (on bool, next time.Time) {
		age := now.Sub(f.since)
		return age/half%2 == 0, f.since.Add(age - age%half + half)
	}
	switch f.mode {
	case cleaning:
		on, next := blink(slow)
		fill(p.lamps, on)
		return p, next
	case technician:
		on, next := blink(fast)
		fill(p.lamps, true)
		well := []bool{!f.bad}
		if f.o.Good != nil {
			well = append(well, f.o.Good()...)
		}
		for i, good := range well {
			if !good && !on && len(p.lamps) > 0 {
				p.lamps[min(i, len(p.lamps)-1)] = false
			}
		}
		return p, next
	}
	return p, time.Time{}
}

func fill(lamps []bool, on bool) {
	for i := range lamps {
		lamps[i] = on
	}
}

// set switches what there is. That it fails is logged once.
func (f *Front) set(p picture) {
	var errs []error
	for i, on := range p.lamps {
		errs = append(errs, f.o.Lamps[i].Set(on))
	}
	if f.o.Buzzer != nil {
		errs = append(errs, f.o.Buzzer.Set(p.buzzer))
	}
	err := errors.Join(errs...)
	f.mu.Lock()
	defer f.mu.Unlock()
	if err != nil && !f.failed {
		f.o.Log.Error("not every lamp can be switched; presses are stored all the same", "err", err)
	}
	f.failed = err != nil
}
