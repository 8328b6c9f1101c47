package ingest

import (
	"context"
	"fmt"
	"time"

	"sourire/internal/feedback"
)

// Packs is what packing needs of a store: old records and their visits are kept
// together, a stretch of a journal in a row, where they take a tenth of the room.
// Nobody who reads or writes notices. hub/store/storetest runs its suites with
// packing thrown in.
type Packs interface {
	// Pack goes on from a place, the zero Place at first, packs one stretch at
	// most, in one transaction, and returns how many records that held and from
	// where to go on, after an error too: the zero Place when the end is reached.
	Pack(ctx context.Context, term int64, from Place, o Packing) (next Place, records int, err error)
}

// Place is how far a round of packing has come. What it says is the store's.
type Place struct {
	Source int64
	After  feedback.Seq
}

// Packing says what is packed.
type Packing struct {
	// Before is the day from which on, in UTC, nothing is packed.
	Before time.Time
	// Records is how many a stretch has at most, but for a single batch that has
	// more. One that could still grow waits until it has a sixteenth of that, or
	// the month is over in which it was stored.
	Records int
}

// The bounds of a hub's packs. Records are packed two days after they came: until
// then visits still change. A stretch of a thousand takes some milliseconds.
const (
	packAge     = 2 * 24 * time.Hour
	packRecords = 1000

	maxPackFailures = 5 // journals; then it is the store
)

// pack asks the writer for the next step of a round of packing.
type pack struct {
	from Place
	done chan packed // has room for the answer
}

type packed struct {
	next    Place
	records int
	took    time.Duration
	err     error
}

// pack goes over all journals every PackEvery.
func (in *Intake) pack(ctx context.Context) {
	if in.o.Packs == nil {
		return
	}
	for {
		in.packAll(ctx)
		select {
		case <-ctx.Done():
			return
		case <-time.After(in.o.PackEvery):
		}
	}
}

// packAll is one round. After each stretch it rests three times as long as that
// took, so that a hub which has years to pack still ingests. A journal that fails is left to
// the next round, and all the rest when some do.
func (in *Intake) packAll(ctx context.Context) {
	records, failed := 0, 0
	defer func() {
		if records > 0 {
			in.o.Log.Info("old records were packed", "records", records)
		}
	}()
	var at Place
	for {
		p := pack{at, make(chan packed, 1)}
		select {
		case <-ctx.Done():
			return
		case in.packing <- p:
		}
		var is packed
		select {
		case <-ctx.Done():
			return
		case is = <-p.done:
		}
		records += is.records
		if is.err != nil {
			in.o.Log.Error("old records could not be packed, which is tried again later", "error", is.err)
			if failed++; failed == maxPackFailures {
				return
			}
		}
		if is.next == (Place{}) {
			return
		}
		at = is.next
		select {
		case <-ctx.Done():
			return
		case <-time.After(3 * is.took):
		}
	}
}

// packOne takes a step of packing. Its error ends the intake.
func (in *Intake) packOne(ctx context.Context, p pack) error {
	began := time.Now()
	next, records, err := in.o.Packs.Pack(ctx, in.o.Ingester.o.Term, p.from,
		Packing{Before: in.o.Ingester.o.Now().Add(-packAge), Records: packRecords})
	p.done <- packed{next, records, time.Since(began), err}
	if Superseded(err) {
		return ErrSuperseded
	}
	return nil
}

// DamageError says that a pack cannot be read.
type DamageError struct {
	First, Last feedback.Seq
	Why         string
}

// Error implements error.
func (e *DamageError) Error() string {
	return fmt.Sprintf("records %d to %d are packed and the pack is damaged (%s): put the last backup in its place with sourire-hub restore, and kiosks send again what that lacks",
		e.First, e.Last, e.Why)
}
