// Package fleetsim runs many real kiosk cores in one process: the load generator
// and the demonstration.
//
// It stands beside the line, over kiosk/app: each kiosk has its own data folder,
// journal, plan and connection, and is exactly what a shop runs, fed by visitors
// of kiosk/input/script in the place of fingers. Links can be cut at random.
//
// A ledger says what must have arrived: a line of JSON for each press, written
// after the press is on the kiosk's disk,
//
//	{"kiosk":"sim-1","epoch":"0123456789abcdef","seq":12,"rating":2,"at":1790000000000}
//
// with the instant in Unix milliseconds. A press that a crash took between disk
// and ledger is in the journal alone: the ledger holds no press that is not
// durable, and the journals may hold a few more. When a journal goes on in a new
// epoch, presses that the hub lacked have other numbers there than the ledger
// says; their rating and instant stay.
//
// What survives a crash is in the folders; another run with the same folder and
// prefix goes on with the same kiosks. The package must not know what the hub
// does with presses.
package fleetsim

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"sourire/internal/feedback"
	"sourire/kiosk/app"
	"sourire/kiosk/input"
	"sourire/kiosk/input/script"
	"sourire/kiosk/journal"
	"sourire/kiosk/settings"
	"sourire/kiosk/uplink"
)

// Options make a fleet. Kiosks, Folder, Settings and Arrivals are needed.
type Options struct {
	Kiosks   int
	Prefix   string            // of their ids: sim-1, sim-2 …; "" means "sim"
	Folder   string            // each has a folder of its own in there
	Settings settings.Settings // of all; id and data folder are the kiosk's own
	// Each may change the settings of kiosk i, counted from 0.
	Each     func(i int, s *settings.Settings)
	Arrivals script.Arrivals // at each kiosk
	Weights  []float64       // of the faces, worst first; nil: 1, 2, 3 …
	Count    int             // presses at each kiosk; 0: no end
	Seed     uint64

	For      time.Duration // how long visitors come; 0: until ctx is done
	Settle   time.Duration // how long to wait for acknowledgements after that; 0 means DefaultSettle
	CutEvery time.Duration // mean time between two cuts of a kiosk's link; 0: none
	CutFor   time.Duration // mean length of a cut

	Ledger   io.Writer   // nil: none
	Progress func(Tally) // called each second, and at the end; nil: nobody asks
	Times    uplink.Times
	Log      *slog.Logger // nil means slog.Default()
}

// DefaultSettle is how long a fleet waits for acknowledgements at its end.
const DefaultSettle = 30 * time.Second

// Tally is where a fleet stands.
type Tally struct {
	Kiosks    int
	Connected int
	Pressed   int64 // fingers came down
	Durable   int64 // … and the press is on the kiosk's disk
	Failed    int64 // … or is not, and nobody was thanked
	Queued    int64 // presses that the hub has not acknowledged
	Cuts      int64
	Settled   bool // the hub has said of every kiosk that it has all
}

// fleet is a run at work.
type fleet struct {
	o      Options
	kiosks []*app.Kiosk

	pressed, durable, failed, cuts atomic.Int64
	visiting                       sync.WaitGroup // sources that have something to say

	mu        sync.Mutex
	ledgerErr error // of the first line that could not be written
}

// Run runs a fleet until its visitors have come and the hub has everything, or
// nothing moves any more within Settle. When ctx is done the visitors stop
// coming, and the rest goes on as ever. It returns where the fleet stood at the
// end; presses still queued are no error, for they are on disk.
func Run(ctx context.Context, o Options) (Tally, error) {
	if o.Kiosks < 1 {
		return Tally{}, fmt.Errorf("fleet: %d kiosks: there is nothing to run", o.Kiosks)
	}
	if o.Prefix == "" {
		o.Prefix = "sim"
	}
	if o.Settle == 0 {
		o.Settle = DefaultSettle
	}
	if o.Log == nil {
		o.Log = slog.Default()
	}
	visit, stopVisits := context.WithCancel(ctx)
	defer stopVisits()
	if o.For > 0 {
		visit, stopVisits = context.WithTimeout(visit, o.For)
		defer stopVisits()
	}
	f := &fleet{o: o}
	life, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	g, life := errgroup.WithContext(life)
	if err := f.open(ctx, visit, life, g); err != nil {
		stop()
		return Tally{}, errors.Join(err, g.Wait())
	}
	for _, k := range f.kiosks {
		g.Go(func() error { return k.Run(life) })
	}
	gone := make(chan struct{})
	g.Go(func() error { f.visiting.Wait(); close(gone); return nil })
	last := f.watch(life, gone)
	stop()
	err := errors.Join(g.Wait(), f.ledgerErr)
	return last, err
}

// open opens every kiosk, or none.
func (f *fleet) open(ctx, visit, life context.Context, g *errgroup.Group) error {
	for i := range f.o.Kiosks {
		k, err := f.kiosk(ctx, visit, life, g, i)
		if err != nil {
			for _, k := range f.kiosks {
				err = errors.Join(err, k.Close())
			}
			return err
		}
		f.kiosks = append(f.kiosks, k)
	}
	return nil
}

func (f *fleet) kiosk(ctx, visit, life context.Context, g *errgroup.Group, i int) (*app.Kiosk, error) {
	s := f.o.Settings
	s.Kiosk.ID = fmt.Sprintf("%s-%d", f.o.Prefix, i+1)
	s.Data = filepath.Join(f.o.Folder, s.Kiosk.ID)
	if f.o.Each != nil {
		f.o.Each(i, &s)
	}
	visitors, err := f.visitors(s, i)
	if err != nil {
		return nil, err
	}
	c := newCutter(f.o, &f.cuts)
	if f.o.CutEvery > 0 {
		g.Go(func() error { c.run(life); return nil })
	}
	f.visiting.Add(1)
	k, err := app.New(ctx, app.Options{
		Settings: s, Log: f.o.Log.With("kiosk", s.Kiosk.ID), Times: f.o.Times, Dial: c.dial,
		Sources: []input.Source{&gate{source: visitors, open: visit, fleet: f}},
		WrapAppender: func(a app.Appender) app.Appender {
			return &ledger{Appender: a, fleet: f, kiosk: feedback.KioskID(s.Kiosk.ID)}
		},
	})
	if err != nil {
		return nil, fmt.Errorf("kiosk %s: %w", s.Kiosk.ID, err)
	}
	return k, nil
}

func (f *fleet) visitors(s settings.Settings, i int) (input.Source, error) {
	scale, err := feedback.ParseScale(s.Kiosk.Scale)
	if err != nil {
		return nil, err
	}
	weights := f.o.Weights
	for n := len(weights); f.o.Weights == nil && n < scale.Steps; n++ {
		weights = append(weights, float64(n+1))
	}
	if len(weights) != scale.Steps {
		return nil, fmt.Errorf("fleet: %d weights for the %d faces of scale %s: give one for each, worst first", len(weights), scale.Steps, scale.ID)
	}
	return script.New(script.Options{
		Arrivals: f.o.Arrivals, Faces: weights, Count: f.o.Count, Seed: f.o.Seed + uint64(i),
	})
}

// gate lets visitors in while it is open, and counts them.
type gate struct {
	source input.Source
	open   context.Context
	fleet  *fleet
}

// Run implements input.Source.
func (g *gate) Run(ctx context.Context, emit func(input.Signal)) error {
	defer g.fleet.visiting.Done()
	both, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(g.open, cancel)()
	return g.source.Run(both, func(s input.Signal) {
		g.fleet.pressed.Add(1)
		emit(s)
	})
}

// ledger notes what is on disk.
type ledger struct {
	app.Appender
	fleet *fleet
	kiosk feedback.KioskID
}

// line is one press in the ledger.
type line struct {
	Kiosk  feedback.KioskID `json:"kiosk"`
	Epoch  feedback.Epoch   `json:"epoch"`
	Seq    feedback.Seq     `json:"seq"`
	Rating int              `json:"rating"`
	At     int64            `json:"at"`
}

// AppendAt implements app.Appender.
func (l *ledger) AppendAt(ctx context.Context, at journal.At, facts ...feedback.Fact) ([]journal.Entry, error) {
	entries, err := l.Appender.AppendAt(ctx, at, facts...)
	if err != nil {
		for _, fact := range facts {
			if fact.Kind() == feedback.KindPress {
				l.fleet.failed.Add(1)
			}
		}
		return entries, err
	}
	for _, e := range entries {
		if p, ok := e.Record.Fact.(feedback.Press); ok {
			l.fleet.note(line{l.kiosk, e.Epoch, e.Seq, p.Rating, time.Now().UnixMilli()})
		}
	}
	return entries, nil
}

func (f *fleet) note(l line) {
	f.durable.Add(1)
	if f.o.Ledger == nil {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	text, err := json.Marshal(l)
	if err == nil {
		_, err = f.o.Ledger.Write(append(text, '\n'))
	}
	if f.ledgerErr == nil && err != nil {
		f.ledgerErr = fmt.Errorf("fleet: the ledger: %w", err)
	}
}
