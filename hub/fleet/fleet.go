// Package fleet knows how the kiosks are, from what they say of themselves.
//
// It stands on the pulse line: kiosk/health ─▶ kiosk/uplink ─▶ hub/fleet.
// Presence is the newest of birth, health, journal and will of one session,
// never the retained state alone: a will that arrives after the birth of a
// later session changes nothing.
//
// A crash loses at most the last second of it; every kiosk says it again within
// a minute, or at once when it sees the hub's new state. The package must not
// know MQTT or SQL, and counts no press.
package fleet

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"sourire/internal/feedback"
	"sourire/internal/wire"
)

// Sighting is what a kiosk last said of itself.
type Sighting struct {
	Kiosk   feedback.KioskID
	Session int64
	Online  bool
	Version string
	Epoch   feedback.Epoch
	Next    feedback.Seq
	Queued  int64     // presses that it had not had acknowledged
	HeardAt time.Time // of the newest birth or health, by the hub's clock
	LastAt  time.Time // when it last said anything
}

// Store keeps sightings.
type Store interface {
	PutSightings(ctx context.Context, seen []Sighting) error
	Sightings(ctx context.Context) ([]Sighting, error)
}

// Fleet gathers sightings and writes them to its store once a second.
type Fleet struct {
	store Store
	now   func() time.Time
	log   *slog.Logger

	mu    sync.Mutex
	seen  map[feedback.KioskID]Sighting
	dirty map[feedback.KioskID]bool
}

// Open returns the fleet as the store remembers it, everybody offline.
func Open(ctx context.Context, store Store, now func() time.Time, log *slog.Logger) (*Fleet, error) {
	f := &Fleet{
		store: store, now: now, log: log,
		seen: make(map[feedback.KioskID]Sighting), dirty: make(map[feedback.KioskID]bool),
	}
	seen, err := store.Sightings(ctx)
	if err != nil {
		return nil, fmt.Errorf("fleet: %w", err)
	}
	for _, s := range seen {
		s.Online = false
		f.seen[s.Kiosk] = s
		f.dirty[s.Kiosk] = true
	}
	return f, nil
}

// State takes a birth or a will. retained tells one that the broker kept: it may
// be old, so it brings nobody online.
func (f *Fleet) State(k feedback.KioskID, m wire.State, retained bool) {
	f.update(k, func(s *Sighting) {
		// A birth that is said now is now, whatever its number: a new card in
		// a box without a clock begins to count anew.
		if m.Session < s.Session && (retained || !m.Online) {
			return
		}
		s.Session = m.Session
		if !m.Online {
			s.Online = false
			return
		}
		if retained {
			return
		}
		s.Online, s.Version = true, m.Version
		s.Epoch, s.Next = m.Epoch, m.Next
		s.HeardAt, s.LastAt = f.now(), f.now()
	})
}

// Health takes a minute's health.
func (f *Fleet) Health(k feedback.KioskID, m wire.Health) {
	f.update(k, func(s *Sighting) {
		if m.Session < s.Session {
			return
		}
		s.Session, s.Online = m.Session, true
		s.Epoch, s.Next, s.Queued = m.Epoch, m.Next, m.QueuedPresses
		s.HeardAt, s.LastAt = f.now(), f.now()
	})
}

// Journal notes that a kiosk sent a request.
func (f *Fleet) Journal(k feedback.KioskID) {
	f.update(k, func(s *Sighting) { s.Online, s.LastAt = true, f.now() })
}

func (f *Fleet) update(k feedback.KioskID, do func(*Sighting)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	s := f.seen[k]
	s.Kiosk = k
	before := s
	do(&s)
	if s != before {
		f.seen[k] = s
		f.dirty[k] = true
	}
}

// flushEvery is how much of the pulse a crash may lose.
const flushEvery = time.Second

// Run writes what is new to the store until ctx is done, and once more then.
func (f *Fleet) Run(ctx context.Context) error {
	tick := time.NewTicker(flushEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			last, cancel := context.WithTimeout(context.WithoutCancel(ctx), flushEvery)
			defer cancel()
			f.flush(last)
			return nil
		case <-tick.C:
			f.flush(ctx)
		}
	}
}

func (f *Fleet) flush(ctx context.Context) {
	f.mu.Lock()
	seen := make([]Sighting, 0, len(f.dirty))
	for k := range f.dirty {
		seen = append(seen, f.seen[k])
	}
	clear(f.dirty)
	f.mu.Unlock()
	if len(seen) == 0 {
		return
	}
	if err := f.store.PutSightings(ctx, seen); err != nil {
		f.log.Error("what kiosks said of themselves could not be stored", "error", err)
		f.mu.Lock()
		defer f.mu.Unlock()
		for _, s := range seen {
			f.dirty[s.Kiosk] = true
		}
	}
}
