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
	// where to go on: the zero Place when the end is reached.
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
	// more. One that ends for another reason than that, or in a month that is
	// not over before Before, waits for more.
	Records int
}

// The bounds of a hub's packs. Records are packed two days after they came: until
// then visits still change. A stretch of a thousand takes some milliseconds.
const (
	packAge     = 2 * 24 * time.Hour
	packRecords = 1000
)

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
