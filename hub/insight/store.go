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
	// transaction. Sites that are not among them stay as they are. Then the days
	// of those with another zone are summed up anew, each site in a transaction;
	// until then they are answered from buckets.
	PutSites(ctx context.Context, sites []site.Site) error
	// PutZone says in which zone sites are that nobody has put, UTC until it is
	// said, and sums days up anew as PutSites does.
	PutZone(ctx context.Context, zone *time.Location) error
	// Sites returns every site that was put or that a press ever named, by id.
	Sites(ctx context.Context) ([]Place, error)
	// Kiosks returns the kiosks whose newest journal stands, at its mark, at a
	// site; all kiosks when it is "".
	Kiosks(ctx context.Context, at feedback.SiteID) ([]Kiosk, error)
	// Read answers every question, in their order, from one state of the store.
	// Many cost little more than one.
	Read(ctx context.Context, questions ...Question) ([]Answer, error)
	// Publish moves what is shown of sites on, all of them in one transaction, and
	// forgets earlier days of each site. Where what is shown is no longer of the
	// instant Was (0: nothing is shown) it changes nothing of that site and reports
	// false.
	Publish(ctx context.Context, moves ...Move) ([]bool, error)
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
	State    visit.State  // the fold at the mark; only to be read, for the store may remember it
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

// Question asks for the roll-ups of a site on consecutive days of its zone.
type Question struct {
	Site site.Site
	Last site.Day
	Days int // up to and with Last
	// Undated asks for what has no date too.
	Undated bool
	// Shown is the day whose snapshot is wanted, "" for none.
	Shown string
}

// Answer is what a store holds for a Question.
type Answer struct {
	Days    []DayCell // those that count something, in no order
	Undated []DayCell // what has no date; Day is −1
	Shown   Snapshot  // At is 0 when nothing was shown
	// PressedAt and StoredAt tell when the site was last pressed and when a
	// press was last stored; zero when never.
	PressedAt, StoredAt time.Time
}

// DayCell is the sum of a day's cells of one question.
type DayCell struct {
	Asked feedback.Asked
	Day   int // place among the days asked for
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

// Move replaces what was shown at the instant Was, 0 for nothing, by a snapshot.
type Move struct {
	Snapshot
	Was int64
}
