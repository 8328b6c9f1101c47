package insight

import (
	"context"
	"time"

	"sourire/hub/rollup"
	"sourire/hub/site"
	"sourire/internal/feedback"
	"sourire/internal/visit"
)

// Store is what the read model needs of a store. hub/store/storetest holds the
// suite that every implementation passes.
type Store interface {
	// PutSites adds sites or gives them their new names and zones, in one
	// transaction. Sites that are not among them stay as they are.
	PutSites(ctx context.Context, sites []site.Site) error
	// Sites returns every site that was put or that a press ever named, by id.
	Sites(ctx context.Context) ([]Place, error)
	// Kiosks returns the kiosks whose newest journal stands, at its mark, at a
	// site; all kiosks when it is "".
	Kiosks(ctx context.Context, at feedback.SiteID) ([]Kiosk, error)
	// Read answers from one state of the store.
	Read(ctx context.Context, q Question) (Answer, error)
	// Publish replaces what is shown of (Site, Day) and forgets earlier days
	// of the site, unless what is shown is no longer of the instant was (0:
	// nothing is shown); then it changes nothing and reports false.
	Publish(ctx context.Context, s Snapshot, was int64) (bool, error)
}

// Place is a site as it is stored. One that is known only from presses has
// neither name nor zone.
type Place struct {
	ID         feedback.SiteID
	Name, Zone string
}

// Kiosk is what the store knows of a kiosk and its newest journal.
type Kiosk struct {
	ID       feedback.KioskID
	Epoch    feedback.Epoch
	Through  feedback.Seq // the mark
	State    visit.State  // the fold at the mark
	StoredAt time.Time
	Pulse    *Pulse // nil: only records were ever heard of it
	Gaps     []Gap  // of all its journals, oldest first
	Bad      int64  // records of all its journals that are kept in quarantine
}

// Pulse is what a kiosk last said of itself.
type Pulse struct {
	Online  bool
	Version string
	Epoch   feedback.Epoch
	Next    feedback.Seq
	Queued  int64     // presses that wait on the kiosk
	HeardAt time.Time // the stamp of the newest birth or health
	LastAt  time.Time // when it last said anything
}

// Gap says that records of a journal are lost and known to be lost.
type Gap struct {
	Kiosk       feedback.KioskID
	Epoch       feedback.Epoch
	First, Last feedback.Seq
	Why         string // one of the reasons of hub/ingest
	At          time.Time
}

// Question asks for the roll-ups of a site on consecutive days.
type Question struct {
	Site feedback.SiteID
	// Bounds are where each day begins, and where the last ends, ascending.
	Bounds []rollup.Bucket
	// Shown is the day whose snapshot is wanted, "" for none.
	Shown string
}

// Answer is what a store holds for a Question.
type Answer struct {
	Days    []DayCell // those that count something, in no order
	Undated []DayCell // what has no date, whatever the bounds; Day is −1
	Shown   Snapshot  // At is 0 when nothing was shown
	// PressedAt and StoredAt tell when the site was last pressed and when a
	// press was last stored; zero when never.
	PressedAt, StoredAt time.Time
}

// DayCell is the sum of a day's cells of one question.
type DayCell struct {
	Asked feedback.Asked
	Day   int // place among the days of the bounds
	Cell  rollup.Cell
}

// Snapshot is what is shown of a site on a day that is going on. Body is this
// package's own.
type Snapshot struct {
	Site feedback.SiteID
	Day  string
	Body []byte
	At   int64 // Unix milliseconds; rises with each snapshot of a day
}
