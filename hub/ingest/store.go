package ingest

import (
	"context"
	"errors"
	"time"

	"sourire/hub/rollup"
	"sourire/internal/feedback"
	"sourire/internal/visit"
	"sourire/internal/wire"
)

// Store is what ingesting needs of a store. hub/store/storetest holds the suite
// that every implementation passes.
type Store interface {
	// Marks returns the marks of these journals, in their order. A journal
	// never heard of has a mark with Known false.
	Marks(ctx context.Context, keys []Key) ([]Mark, error)
	// HashAt returns the running hash after record seq of a journal. It
	// reports false when that is not known: seq lies in a declared gap, or
	// below the floor, or is not stored.
	HashAt(ctx context.Context, key Key, seq feedback.Seq) (feedback.Hash, bool, error)
	// VisitsOfBoots returns every stored visit of these boots.
	VisitsOfBoots(ctx context.Context, key Key, boots []feedback.Boot) ([]visit.Visit, error)
	// Apply makes the changes durable in one transaction, each behind a
	// savepoint, and then returns an error for each: nil, ErrStale when the
	// mark is no longer at Change.From, or what went wrong with that change
	// alone. An error for the whole means that nothing was written, or
	// (only if the commit itself failed) that it is not known whether it was;
	// ErrSuperseded that term is no longer the store's.
	Apply(ctx context.Context, term int64, changes []Change) ([]error, error)
	// Refuse keeps what was refused, within bounds per kiosk; beyond them only
	// a counter grows.
	Refuse(ctx context.Context, refused []Refused) error
}

// Errors of a Store.
var (
	ErrStale      = errors.New("the journal's mark has moved")
	ErrSuperseded = errors.New("another hub has taken over this store")
)

// Key names a journal: one epoch of one kiosk, or of another source.
type Key struct {
	Kiosk feedback.KioskID
	Epoch feedback.Epoch
}

// Point is a place in a journal: after record Through, where the running hash
// is Hash. The zero Point stands before the first record.
type Point struct {
	Through feedback.Seq
	Hash    feedback.Hash
}

// Mark is how far a journal is stored.
type Mark struct {
	Known bool
	Point
	Heard feedback.Seq // the highest next that the kiosk was heard to claim
	State visit.State  // the fold at Point
	// Quarantined is how many bytes of bad records are kept of the kiosk.
	Quarantined int64
}

// Record is a record as it is stored.
type Record struct {
	Seq  feedback.Seq
	Kind feedback.Kind
	Body []byte
}

// Text is the text of a comment, and when it was written, in Unix milliseconds:
// or stored, where the kiosk's clock is not known.
type Text struct {
	wire.Text
	At int64
}

// BadRecord is a record that says nothing; it is kept in quarantine under its
// number.
type BadRecord struct {
	Seq  feedback.Seq
	Body []byte
	Why  string
}

// Gap says that records First to Last are lost and known to be lost.
type Gap struct {
	First, Last feedback.Seq
	Why         string
}

// Reasons of gaps.
const (
	// GapPruned: the kiosk no longer has these records.
	GapPruned = "pruned"
	// GapBad: these records say nothing, and the quarantine of the kiosk is
	// full.
	GapBad = "bad"
	// GapDeleted: these records were deleted after their period, where they were
	// exported from.
	GapDeleted = "deleted"
	// GapClosed: a new epoch began and these were heard of, but never came. It
	// is trimmed when they come after all.
	GapClosed = "closed"
)

// Change is what one batch changes.
type Change struct {
	Key      Key
	From, To Point
	At       time.Time // the instant of storing
	Heard    feedback.Seq
	Records  []Record
	Bad      []BadRecord
	Texts    []Text
	Gaps     []Gap
	// Anchors are the ends of the gaps, and the hashes there.
	Anchors []Point
	// Began is set when the journal appears: what record 1 says of its parent,
	// the zero EpochBegan when record 1 is lost or says something else. The
	// store closes the kiosk's other epochs, and this one when its child is
	// there already, with gaps from their marks to what is known to have been
	// made, less what their children repeat.
	Began *feedback.EpochBegan
	State visit.State
	// Begins is set when the journal appears without its oldest records, which were
	// deleted after their period in the store that it comes from: it is its floor.
	Begins *Floor
	Visits []visit.Change
	Cells  rollup.Delta

	// A replay, which moves no mark, says which version of the program has
	// read the journal again. Freed are the records that leave the quarantine,
	// Bad are stored ones that go there, Gone are the visits that are no more.
	ReadBy string
	Freed  []Record
	Gone   []visit.Visit
	// Floor is that from which the journal was read again. A replay is ErrStale
	// when more of its oldest records have been deleted since.
	Floor feedback.Seq
}

// Refused is a payload that was refused.
type Refused struct {
	Kiosk   feedback.KioskID
	At      time.Time
	Refusal wire.Refusal
	Why     string
	Payload []byte
}
