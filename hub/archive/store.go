package archive

import (
	"context"
	"time"

	"sourire/hub/fleet"
	"sourire/hub/ingest"
	"sourire/hub/insight"
	"sourire/internal/feedback"
)

// Store is what an export reads.
type Store interface {
	// Cut returns, of one state of the store, its journals with their marks and
	// what stands beside records.
	Cut(ctx context.Context) (Cut, error)
	// Page returns whole batches of a journal after a record, up to the mark of
	// a cut: at least one, at most some thousand records, read in one short
	// transaction.
	Page(ctx context.Context, key ingest.Key, after, through feedback.Seq) (Page, error)
	// Sites returns every site that has a name or that a press ever named.
	Sites(ctx context.Context) ([]insight.Place, error)
	// Sightings returns what kiosks last said of themselves.
	Sightings(ctx context.Context) ([]fleet.Sighting, error)
}

// Cut is one state of a store without its records.
type Cut struct {
	StoreID  string
	Sources  []Source // by kiosk, then in the order of appearance
	Gaps     map[ingest.Key][]Gap
	Refusals []Refusal
}

// Source is a journal and its mark.
type Source struct {
	Key ingest.Key
	ingest.Point
	Floor      ingest.Floor // zero where all records are kept
	Heard      feedback.Seq
	Closed     bool
	Parent     feedback.Epoch // 0: none known
	ParentLast feedback.Seq
	Again      int64
	Rule       int    // the version of the visit rule that folded it
	ReadBy     string // the version of the program that last read it again
	CreatedAt  time.Time
	StoredAt   time.Time
}

// Gap is a declared loss and the instant at which it was declared.
type Gap struct {
	ingest.Gap
	At time.Time
}

// Refusal counts what was refused of a kiosk.
type Refusal struct {
	Kiosk   feedback.KioskID
	Refusal string
	Count   int64
	LastAt  time.Time
}

// Page is a part of a journal.
type Page struct {
	Rows    []Row
	Through feedback.Seq // the last record that it covers
	Floor   feedback.Seq // of the journal when the page was read
	// Rule and ReadBy are those of the journal when the page was read.
	Rule   int
	ReadBy string
}

// Row is a record or, with a nil Body, an anchor: a place after a declared loss
// where only the hash is known.
type Row struct {
	Seq      feedback.Seq
	Body     []byte
	Bad      string // why it lies in quarantine; "" when it does not
	StoredOn time.Time
	Checked  bool          // the store keeps a hash here:
	Hash     feedback.Hash // of the journal after this record
	Comment  *Comment
}

// Comment is the text of a comment's record.
type Comment struct {
	Salt []byte
	Text string
}
