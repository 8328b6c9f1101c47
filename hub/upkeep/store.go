package upkeep

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"sourire/hub/ingest"
)

// What is deleted.
type What string

// The kinds, in the order in which a run deletes them. Visits go with their records.
const (
	Comments What = "comments"
	Refused  What = "refused"
	Records  What = "records"
	Visits   What = "visits"
	Quarters What = "quarters"
	DayRows  What = "days"
)

// Deleted counts what was deleted.
type Deleted map[What]int64

// Plus returns the sum of two counts.
func (d Deleted) Plus(e Deleted) Deleted {
	out := maps.Clone(d)
	if out == nil {
		out = make(Deleted)
	}
	for k, n := range e {
		if n != 0 {
			out[k] += n
		}
	}
	return out
}

// None reports whether nothing was.
func (d Deleted) None() bool {
	for _, n := range d {
		if n != 0 {
			return false
		}
	}
	return true
}

// String names the counts, for people.
func (d Deleted) String() string {
	words := map[What]string{
		Comments: "comments", Refused: "refused payloads", Records: "records", Visits: "visits",
		Quarters: "quarters of an hour", DayRows: "days",
	}
	var out []string
	for _, k := range []What{Comments, Refused, Records, Visits, Quarters, DayRows} {
		if d[k] != 0 {
			out = append(out, strconv.FormatInt(d[k], 10)+" "+words[k])
		}
	}
	if len(out) == 0 {
		return "nothing"
	}
	return strings.Join(out, ", ")
}

// Order asks for one step.
type Order struct {
	Term    int64
	What    What // not Visits
	Limits  Limits
	At      time.Time  // the present instant
	Journal ingest.Key // of which records are deleted
	Version string     // of the program: a journal that it has yet to read again is left alone
}

// ErrUnproved says that the oldest records of a journal do not prove what they
// counted, so that none of them is deleted.
var ErrUnproved = errors.New("its records do not agree with their running hash, and nothing of it is deleted: sourire-hub verify says more")

// Store is what retention needs of a store; hub/store/storetest holds the suite.
type Store interface {
	// Aged returns the journals that have records from before the limit.
	Aged(ctx context.Context, l Limits) ([]ingest.Key, error)
	// Delete deletes some of what an order names, in one short transaction that
	// counts it too, and reports whether there may be more. Under a term that is
	// over it deletes nothing: ingest.ErrSuperseded.
	Delete(ctx context.Context, o Order) (d Deleted, more bool, err error)
	// Finish writes what was deleted since the last Finish into the audit log, if
	// anything was, and returns it.
	Finish(ctx context.Context, term int64, who string, at time.Time) (Deleted, error)
	// Erase takes what was deleted since the last Finish out of the store's files,
	// as far as it can be without keeping presses waiting, and says in a sentence
	// what it must leave; "" when nothing.
	Erase(ctx context.Context) (left string, err error)
	// Due counts what a run would delete now, or somewhat more: visits that may
	// still change are kept, and so are their cells.
	Due(ctx context.Context, l Limits) (Deleted, error)
	// NoteKeep writes into the audit log that the periods are others than when it
	// was called last, if they are.
	NoteKeep(ctx context.Context, term int64, who string, at time.Time, k Keep) error
}

// kinds are what a run asks for, in its order.
func kinds() []What { return slices.Clone([]What{Comments, Refused, Records, Quarters, DayRows}) }
