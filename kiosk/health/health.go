// Package health gathers how this box is, for the hub and for a technician.
//
// It stands at the head of the line of the pulse: kiosk/uplink asks a [Gauge]
// every minute and sends the wire.Health that it returns. Where the operating
// system is asked for something, a file of its own does so, with a stub for
// systems that a kiosk does not run on.
//
// Nothing is kept, so nothing survives a crash: the counters are the journal's.
// What cannot be found out is sent as 0, for a kiosk that cannot measure its
// disk must still say that it is alive. The package must not know MQTT, nor
// what is done about a figure.
package health

import (
	"context"
	"fmt"
	"runtime/metrics"
	"time"

	"sourire/internal/wire"
	"sourire/kiosk/clock"
	"sourire/kiosk/journal"
)

// Journal is what a gauge reads of a journal; *journal.Journal is one.
type Journal interface {
	Stats(ctx context.Context) (journal.Stats, error)
	// TakeSlowest returns the slowest append since it was asked last.
	TakeSlowest() time.Duration
}

// Clock tells what the clocks show; *clock.System is one.
type Clock interface{ Now() clock.Reading }

// Options make a gauge. Journal and Clock are needed.
type Options struct {
	Journal Journal
	Clock   Clock
	// Data is the folder whose disk is measured.
	Data string
	// DiskFree returns the bytes free on the disk; nil means that of Data.
	DiskFree func() (int64, error)
	// Root is where the machine tells of itself; "" means "/".
	Root string
	// Buttons tells how the buttons are; nil means that there are none.
	Buttons func() []wire.Button
	// Memory returns the bytes that the program occupies; nil means [Memory].
	Memory func() int64
}

// Gauge measures a kiosk. Its method may be used by several goroutines, but the
// slowest append is told to one of them only.
type Gauge struct{ o Options }

// New returns a gauge.
func New(o Options) *Gauge {
	if o.DiskFree == nil {
		o.DiskFree = func() (int64, error) { return DiskFree(o.Data) }
	}
	if o.Root == "" {
		o.Root = "/"
	}
	if o.Memory == nil {
		o.Memory = Memory
	}
	return &Gauge{o: o}
}

// Read measures now.
func (g *Gauge) Read(ctx context.Context) (wire.Health, error) {
	stats, err := g.o.Journal.Stats(ctx)
	if err != nil {
		return wire.Health{}, fmt.Errorf("health: %w", err)
	}
	now := g.o.Clock.Now()
	h := wire.Health{
		V:             wire.Version,
		Session:       stats.Session,
		Queue:         stats.Queue,
		QueuedPresses: stats.QueuedPresses,
		Presses:       stats.Presses,
		DaysLeft:      stats.DaysLeft,
		WriteMicros:   g.o.Journal.TakeSlowest().Microseconds(),
		ClockTrusted:  now.Trusted,
		MemoryBytes:   g.o.Memory(),
	}
	if n := len(stats.Epochs); n > 0 {
		h.Epoch, h.Next = stats.Epochs[n-1].ID, stats.Epochs[n-1].Next
	}
	if now.Trusted {
		h.At = now.Wall.UnixMilli()
	}
	if free, err := g.o.DiskFree(); err == nil {
		h.DiskFree = free
	}
	readBoard(&h, g.o.Root, g.o.Data)
	if g.o.Buttons != nil {
		h.Buttons = g.o.Buttons()
	}
	return h, nil
}

// Memory returns the bytes that the program occupies: what is resident, or,
// where the system does not tell, what the Go runtime has from it.
func Memory() int64 {
	if n, ok := resident(); ok {
		return n
	}
	samples := []metrics.Sample{{Name: "/memory/classes/total:bytes"}, {Name: "/memory/classes/heap/released:bytes"}}
	metrics.Read(samples)
	var n [2]int64
	for i, s := range samples {
		if s.Value.Kind() == metrics.KindUint64 {
			n[i] = int64(s.Value.Uint64())
		}
	}
	return n[0] - n[1]
}
