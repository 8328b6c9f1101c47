package e2e

import (
	"context"
	"log/slog"
	"path/filepath"
	"testing"
	"time"

	"sourire/hub/app"
	"sourire/hub/backup"
	"sourire/internal/postgrestest"
	kioskapp "sourire/kiosk/app"
	"sourire/kiosk/journal"
)

// After a backup a kiosk has begun two more epochs, and pressed in each. The backup
// is restored, and the kiosk, at which nobody presses, sends what it lacks of all
// three: each press is counted once, and nothing is declared lost.
func TestRestore_laterEpochs(t *testing.T) {
	server := postgrestest.Start(t)
	for name, c := range map[string]struct{ from, to string }{
		"file to file":             {"", ""},
		"PostgreSQL to PostgreSQL": {server.Database(), server.Database()},
	} {
		t.Run(name, func(t *testing.T) {
			s := hubSettings(t)
			s.Store.Postgres, s.Broker.Listen = c.from, freePort(t)
			hub, err := app.New(context.Background(), app.Options{Settings: s, Log: slog.New(slog.DiscardHandler)})
			if err != nil {
				t.Fatal(err)
			}
			now := time.Now().Truncate(time.Second).Add(-time.Hour)
			clock := &calendar{boot: "boot", at: now.Add(-time.Hour), now: now}
			dir := t.TempDir()
			run := func(presses int) (stop func()) {
				k := offlineKiosk(t, dir, clock, stay{site: "store-1", touchpoint: "exit", scale: "smiley3"}, hub.BrokerAddr())
				ctx, end := context.WithCancel(context.Background())
				ended := make(chan error, 1)
				go func() { ended <- k.Run(ctx) }()
				for range presses {
					clock.set(clock.wall().Add(10 * time.Second))
					if _, err := k.Press(context.Background(), 2); err != nil {
						t.Fatal(err)
					}
				}
				settled(t, k)
				return func() { end(); <-ended }
			}
			run(3)()
			file := filepath.Join(t.TempDir(), "backup.db")
			store := openStore(t, s)
			if _, err := backup.Take(t.Context(), store, file, backup.Options{}); err != nil {
				t.Fatal(err)
			}
			closed(t, store)
			run(2)()
			for range 2 {
				fork(t, dir, clock)
				run(2)()
			}
			const pressed = 3 + 2 + 2*2
			if got := provedPresses(t, s); got != pressed {
				t.Fatalf("got %d presses before the restore, want %d", got, pressed)
			}
			if err := hub.Stop(); err != nil {
				t.Fatal(err)
			}
			s.Store.Postgres = c.to
			if _, err := app.Restore(t.Context(), s, file, app.RestoreOptions{Replace: true}); err != nil {
				t.Fatal(err)
			}
			if got := provedPresses(t, s); got != 3 {
				t.Fatalf("got %d presses restored, want 3", got)
			}
			if hub, err = app.New(context.Background(), app.Options{Settings: s, Log: slog.New(slog.DiscardHandler)}); err != nil {
				t.Fatal(err)
			}
			run(0)()
			if err := hub.Stop(); err != nil {
				t.Error(err)
			}
			r := proved(t, s)
			var presses, lost int64
			for _, f := range r.Findings {
				presses, lost = presses+f.Presses, lost+f.Lost
			}
			if presses != pressed || lost != 0 || len(r.Findings) != 3 {
				t.Errorf("got %d presses of %d epochs and %d declared lost, want %d of 3 and none", presses, len(r.Findings), lost, pressed)
			}
		})
	}
}

// fork begins a new epoch in the journal of a kiosk that does not run.
func fork(t *testing.T, dir string, clock journal.Clock) {
	t.Helper()
	j, err := journal.Open(t.Context(), journal.Options{Path: filepath.Join(dir, kioskapp.JournalFile), Kiosk: "traveller", Version: "test", Clock: clock})
	if err != nil {
		t.Fatal(err)
	}
	head := j.Head()
	if _, err := j.Fork(t.Context(), head.ID, head.Next-1, "test"); err != nil {
		t.Fatal(err)
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
}
