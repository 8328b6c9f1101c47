package fleet_test

import (
	"context"
	"log/slog"
	"path/filepath"
	"testing"
	"time"

	"sourire/hub/fleet"
	"sourire/hub/store/sqlstore"
	"sourire/internal/wire"
)

// open returns a fleet over a real store, and the store.
func open(t *testing.T, path string, now *time.Time) (*fleet.Fleet, *sqlstore.Store) {
	t.Helper()
	ctx := context.Background()
	s, err := sqlstore.Open(ctx, path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	f, err := fleet.Open(ctx, s, func() time.Time { return *now }, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	return f, s
}

// written runs the fleet until it has written what it knows, and returns it.
func written(t *testing.T, f *fleet.Fleet, s *sqlstore.Store) fleet.Sighting {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	cancel() // it writes once more at its end
	if err := f.Run(ctx); err != nil {
		t.Fatal(err)
	}
	seen, err := s.Sightings(context.Background())
	if err != nil || len(seen) != 1 {
		t.Fatalf("got %v, %v, want one kiosk", seen, err)
	}
	return seen[0]
}

func TestFleet_presence(t *testing.T) {
	birth := func(session int64) wire.State {
		return wire.State{V: 1, Session: session, Online: true, Version: "v1", Epoch: 7, Next: 5}
	}
	will := func(session int64) wire.State { return wire.State{V: 1, Session: session} }
	for name, c := range map[string]struct {
		say    func(f *fleet.Fleet)
		online bool
		next   int64
	}{
		"birth":                           {func(f *fleet.Fleet) { f.State("k", birth(1), false) }, true, 5},
		"will":                            {func(f *fleet.Fleet) { f.State("k", birth(1), false); f.State("k", will(1), false) }, false, 5},
		"old will after a new birth":      {func(f *fleet.Fleet) { f.State("k", birth(2), false); f.State("k", will(1), false) }, true, 5},
		"a retained birth is no presence": {func(f *fleet.Fleet) { f.State("k", birth(1), true) }, false, 0},
		"health": {func(f *fleet.Fleet) {
			f.State("k", birth(1), false)
			f.Health("k", wire.Health{V: 1, Session: 1, Epoch: 7, Next: 9})
		}, true, 9},
		"old health": {func(f *fleet.Fleet) {
			f.State("k", birth(2), false)
			f.Health("k", wire.Health{V: 1, Session: 1, Epoch: 7, Next: 3})
		}, true, 5},
		"journal after a will": {func(f *fleet.Fleet) { f.State("k", birth(1), false); f.State("k", will(1), false); f.Journal("k") }, true, 5},
	} {
		t.Run(name, func(t *testing.T) {
			now := time.UnixMilli(1_790_000_000_000).UTC()
			f, s := open(t, filepath.Join(t.TempDir(), "hub.db"), &now)
			c.say(f)
			got := written(t, f, s)
			if got.Online != c.online || int64(got.Next) != c.next {
				t.Errorf("got %+v, want online %v, next %d", got, c.online, c.next)
			}
		})
	}
}

// After a restart of the hub everybody is offline until heard again.
func TestFleet_restart(t *testing.T) {
	now := time.UnixMilli(1_790_000_000_000).UTC()
	path := filepath.Join(t.TempDir(), "hub.db")
	f, s := open(t, path, &now)
	f.State("k", wire.State{V: 1, Session: 3, Online: true, Epoch: 7, Next: 5}, false)
	written(t, f, s)
	g, s2 := open(t, path, &now)
	got := written(t, g, s2)
	if got.Online || got.Next != 5 || !got.HeardAt.Equal(now) {
		t.Errorf("got %+v, want offline, as it was last heard", got)
	}
}
