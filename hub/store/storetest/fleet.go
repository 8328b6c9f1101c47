package storetest

import (
	"math"
	"slices"
	"testing"
	"time"

	"sourire/hub/fleet"
)

// Fleet holds a store to the contract of fleet.Store. open returns an empty store
// that is closed when the test ends.
func Fleet(t *testing.T, open func(t *testing.T) fleet.Store) {
	s := open(t)
	ctx := t.Context()
	put := func(seen ...fleet.Sighting) {
		t.Helper()
		if err := s.PutSightings(ctx, seen); err != nil {
			t.Fatal(err)
		}
	}
	want := func(seen ...fleet.Sighting) {
		t.Helper()
		got, err := s.Sightings(ctx)
		if err != nil || !slices.Equal(got, seen) {
			t.Errorf("got\n%+v, %v, want\n%+v", got, err, seen)
		}
	}
	want()
	at := time.Date(2026, 3, 29, 1, 30, 0, 123e6, time.UTC)
	newest := fleet.Sighting{Kiosk: "k-1", Session: math.MaxInt64, Online: true, Version: "1.2", Epoch: math.MaxUint64, Next: 1 << 60, Queued: 7, HeardAt: at, LastAt: at}
	silent := fleet.Sighting{Kiosk: "k0"}
	put(silent, newest)
	want(newest, silent) // by id, as bytes: - before 0

	newest.Online, newest.LastAt = false, at.Add(time.Second)
	other := fleet.Sighting{Kiosk: "a", Version: "é", LastAt: at}
	put(newest, other)
	want(other, newest, silent)

	// What a kiosk says of itself may be anything; the others are kept all the same.
	odd := other
	odd.Version = "1\x00\xff"
	silent.LastAt = at
	put(odd, silent)
	odd.Version = "1��"
	want(odd, newest, silent)
	put()
}
