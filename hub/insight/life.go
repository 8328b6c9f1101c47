package insight

import (
	"cmp"
	"slices"
	"time"

	"sourire/hub/site"
	"sourire/internal/feedback"
	"sourire/internal/visit"
)

// Life is what moves at once: that there are presses, never which face.
type Life struct {
	Site      site.Site
	PressedAt time.Time // of the newest press that is stored; zero: none
	StoredAt  time.Time // when a press was last stored
	Stored    int64     // presses of the day that are stored, set aside or not
	// Shown is how many of the day's presses the figures hold. It differs from
	// Stored while fewer than [kpi.MinimumStep] ratings came, or went, since the
	// figures moved, and while Stuck; it may be the greater, for late records
	// move presses to another day.
	Shown int64
	// Stuck reports that the figures should have moved and could not: the store
	// refuses writes.
	Stuck   bool
	Waiting int64 // presses, of any day, that kiosks say they have not delivered
	Bad     int64 // records, of any day, that say nothing and are kept in quarantine
	Kiosks  []KioskLife
	// UpTo is the instant up to which everything that was pressed is stored:
	// the least over the kiosks in service. Zero: not known. HeldBy names the
	// kiosk that holds it back.
	UpTo   time.Time
	HeldBy feedback.KioskID
	Gaps   []Gap // declared losses, newest first
	At     time.Time
	// Version changes when the figures of the day moved, or what explains them:
	// Stuck and Bad.
	Version string
}

// Unseen returns how many presses of the day are stored and not in the figures
// yet; below zero, how many are still in the figures and no longer of the day.
func (l Life) Unseen() int64 { return l.Stored - l.Shown }

// Condition is how a kiosk is, as far as the hub heard.
type Condition int

// The conditions.
const (
	Well    Condition = iota // heard within LateAfter
	Late                     // not heard for longer
	Lost                     // its connection broke, or not heard for LostAfter
	Retired                  // an import, or not heard for RetiredAfter: not in service
)

// Limits of conditions. A kiosk says how it is every minute. One that comes
// back within RetiredAfter still has all its records (it keeps 30 days).
const (
	LateAfter    = 5 * time.Minute
	LostAfter    = 24 * time.Hour
	RetiredAfter = 35 * 24 * time.Hour
)

// KioskLife is how a kiosk is.
type KioskLife struct {
	ID        feedback.KioskID
	Asked     feedback.Asked // at its mark
	Condition Condition
	HeardAt   time.Time // when it last said anything
	UpTo      time.Time // everything that it recorded until then is stored; zero: not known
	Waiting   int64
	Bad       int64 // records in quarantine
	Version   string
}

func lifeOf(a Answer, kiosks []Kiosk, now time.Time) Life {
	l := Life{PressedAt: a.PressedAt, StoredAt: a.StoredAt, At: now}
	first := true
	for _, k := range kiosks {
		kl := kioskLife(k, now)
		l.Kiosks = append(l.Kiosks, kl)
		l.Gaps = append(l.Gaps, k.Gaps...)
		l.Bad += kl.Bad
		if kl.Condition == Retired {
			continue
		}
		l.Waiting += kl.Waiting
		if first || kl.UpTo.Before(l.UpTo) {
			l.UpTo, l.HeldBy = kl.UpTo, kl.ID
		}
		first = false
	}
	slices.SortFunc(l.Kiosks, func(a, b KioskLife) int { return cmp.Compare(a.ID, b.ID) })
	slices.SortFunc(l.Gaps, func(a, b Gap) int { return b.At.Compare(a.At) })
	return l
}

func kioskLife(k Kiosk, now time.Time) KioskLife {
	l := KioskLife{ID: k.ID, HeardAt: k.StoredAt, UpTo: markAt(k.State), Bad: k.Bad}
	if k.State.Asked != nil {
		l.Asked = *k.State.Asked
	}
	if p := k.Pulse; p != nil {
		l.Waiting, l.Version = p.Queued, p.Version
		if p.LastAt.After(l.HeardAt) {
			l.HeardAt = p.LastAt
		}
		// protocol.md, step 7: the newest birth or health of the epoch whose
		// next is the mark's successor, else the instant of the mark.
		if p.Epoch == k.Epoch && p.Next == k.Through+1 && p.HeardAt.After(l.UpTo) {
			l.UpTo = p.HeardAt
		}
	}
	switch age := now.Sub(l.HeardAt); {
	case age > RetiredAfter, k.ID.Imported():
		l.Condition = Retired
	case age > LostAfter, k.Pulse != nil && !k.Pulse.Online:
		l.Condition = Lost
	case age > LateAfter:
		l.Condition = Late
	}
	return l
}

// markAt returns the instant of the last record that the fold has seen, as well
// as its clock is known; zero when it is not.
func markAt(s visit.State) time.Time {
	for i := len(s.Boots) - 1; i >= 0; i-- {
		if b := s.Boots[i]; b.Placed {
			return time.UnixMilli(b.Offset + b.Last)
		}
	}
	return time.Time{}
}
