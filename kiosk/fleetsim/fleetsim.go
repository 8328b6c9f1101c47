// Package fleetsim runs many real kiosk cores in one process: the load generator
// and the demonstration.
//
// It stands beside the line, over kiosk/app: each kiosk has its own data folder,
// journal, plan and connection, and is exactly what a shop runs, fed by visitors
// of kiosk/input/script in the place of fingers.
//
// # What befalls it
//
// Links are cut; answers of the hub are lost on their way; wall clocks jump, and
// boxes that start may be in 1970; the power is cut, with a journal that nobody
// closed; a card is replaced by an earlier image of itself. Each falls on each
// kiosk at random times of its own. When the visitors are gone nothing more
// befalls, so that a fleet can come to rest.
//
// A power cut leaves on the card what the operating system had, whether it was
// forced to a disk or not: a process cannot cut the power of its machine. What
// disks lose is for virtual machines to show.
//
// # The ledger
//
// A ledger (internal/ledger) says what must have arrived: a line for each press,
// written after the press is on the kiosk's disk. A press that a crash of this
// process took between disk and ledger is in the journal alone: the ledger holds
// no press that is not durable, and the journals may hold a few more.
//
// When an earlier image of a card comes back, what the hub had confirmed of the
// lost card is at the hub and must be there; what the image holds comes from the
// image; and the rest went with the lost card. That loss is by design, for the
// only copy is gone; the ledger declares it. The hub can declare no more of it
// than it had heard of.
//
// BUG(fleetsim): no image is taken of a card between its return from an image and
// the hub's first confirmation of all of it. Put in again later, it would bring
// presses that have other numbers at the hub by then, which the protocol counts
// twice.
//
// # What survives a crash
//
// What is in the folders; another run with the same folder and prefix goes on with
// the same kiosks. The package must not know what the hub does with presses.
package fleetsim

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"sourire/internal/feedback"
	"sourire/kiosk/input/script"
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
	Mood     float64         // see script.Options
	Count    int             // visitors at each kiosk; 0: no end
	Seed     uint64          // of the visitors

	For    time.Duration // how long visitors come; 0: until ctx is done
	Settle time.Duration // how long to wait for acknowledgements after that; 0 means DefaultSettle

	// What befalls each kiosk: mean times between two events, 0 for never, and
	// means of how long they last.
	CutEvery    time.Duration // cuts of the link
	CutFor      time.Duration
	LostAnswers float64       // share of the hub's answers that do not arrive
	ClockEvery  time.Duration // jumps of the wall clock; with them every other boot is in 1970
	PowerEvery  time.Duration // power cuts
	PowerFor    time.Duration // also how long a change of the card takes
	ImageEvery  time.Duration // an image of the card is taken, or the one taken before comes back

	Ledger   io.Writer   // nil: none
	Progress func(Tally) // called each second, and at the end; nil: nobody asks
	Times    uplink.Times
	Log      *slog.Logger // nil means slog.Default()
}

// DefaultSettle is how long a fleet waits for acknowledgements at its end.
const DefaultSettle = 30 * time.Second

// Tally is where a fleet stands.
type Tally struct {
	Kiosks       int
	Connected    int
	Pressed      int64 // fingers came down
	Durable      int64 // … and the press is on the kiosk's disk
	Failed       int64 // … or is not, and nobody was thanked
	Dark         int64 // … or is not, for the power was away, and nobody was thanked
	Acknowledged int64 // presses that the hub has acknowledged
	Queued       int64 // presses that it has not
	Gone         int64 // presses that it had not when their card was lost

	Cuts, LostAnswers, ClockJumps, PowerCuts, ImagesRestored int64

	Settled bool // the hub has said of every kiosk that it has all
}

// fleet is a run at work.
type fleet struct {
	o     Options
	boxes []*box

	pressed, durable, failed, dark, acknowledged, gone       atomic.Int64
	cuts, lostAnswers, clockJumps, powerCuts, imagesRestored atomic.Int64

	visiting sync.WaitGroup // sources that have something to say

	mu        sync.Mutex
	ledgerErr error // of the first line that could not be written
}

// Run runs a fleet until its visitors have come and the hub has everything, or
// nothing moves any more within Settle. When ctx is done the visitors stop
// coming, and the rest goes on as ever. It returns where the fleet stood at the
// end; presses still queued are no error, for they are on disk.
func Run(ctx context.Context, o Options) (Tally, error) {
	o, err := o.withDefaults()
	if err != nil {
		return Tally{}, err
	}
	life, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	g, life := errgroup.WithContext(life)
	weather, clearUp := context.WithCancel(life)
	defer clearUp()
	f := &fleet{o: o}
	if err := f.open(ctx, weather); err != nil {
		return Tally{}, err
	}
	visit, stopVisits := context.WithCancel(life)
	defer stopVisits()
	defer context.AfterFunc(ctx, stopVisits)()
	if o.For > 0 {
		visit, stopVisits = context.WithTimeout(visit, o.For)
		defer stopVisits()
	}
	f.visiting.Add(len(f.boxes))
	for _, b := range f.boxes {
		g.Go(func() error { return b.run(life, weather) })
		g.Go(func() error { defer f.visiting.Done(); return b.visit(visit) })
		if o.CutEvery > 0 {
			g.Go(func() error { b.line.run(); return nil })
		}
	}
	gone := make(chan struct{})
	g.Go(func() error { f.visiting.Wait(); clearUp(); close(gone); return nil })
	last := f.watch(life, gone)
	stop()
	err = errors.Join(g.Wait(), f.ledgerErr)
	if connected := last.Connected; !last.Settled { // the last presses reached their disks meanwhile
		last = f.tally()
		last.Connected, last.Settled = connected, false
	}
	return last, err
}

func (o Options) withDefaults() (Options, error) {
	if o.Kiosks < 1 {
		return o, fmt.Errorf("fleet: %d kiosks: there is nothing to run", o.Kiosks)
	}
	if !(o.LostAnswers >= 0 && o.LostAnswers < 1) {
		return o, fmt.Errorf("fleet: a share of %v of the answers is lost: want 0 to below 1", o.LostAnswers)
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
	return o, nil
}

// openers are kiosks that are opened at one time: opening waits for the disk.
const openers = 4

// open opens every kiosk, or none.
func (f *fleet) open(ctx, weather context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(openers)
	for i := range f.o.Kiosks {
		b, err := newBox(weather, f, i)
		if err != nil {
			return errors.Join(err, g.Wait(), f.close())
		}
		f.boxes = append(f.boxes, b)
		g.Go(func() error { return b.open(ctx) })
	}
	if err := g.Wait(); err != nil {
		return errors.Join(err, f.close())
	}
	return nil
}

// close closes what was opened and never ran.
func (f *fleet) close() error {
	var errs []error
	for _, b := range f.boxes {
		if core := b.core.Load(); core != nil {
			errs = append(errs, core.Close())
		}
	}
	return errors.Join(errs...)
}

func (f *fleet) visitors(s settings.Settings, i int) (*script.Visitors, error) {
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
		Arrivals: f.o.Arrivals, Faces: weights, Mood: f.o.Mood, Zone: time.Local, Count: f.o.Count, Seed: f.o.Seed + uint64(i),
	})
}

// note writes lines of the ledger.
func (f *fleet) note(lines []byte) {
	if f.o.Ledger == nil || len(lines) == 0 {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if _, err := f.o.Ledger.Write(lines); f.ledgerErr == nil && err != nil {
		f.ledgerErr = fmt.Errorf("fleet: the ledger: %w", err)
	}
}

func heads() bool { return rand.IntN(2) == 0 }
