package e2e

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"sourire/hub/app"
	"sourire/hub/ingest"
	"sourire/hub/store/sqlstore"
	"sourire/internal/e2e/ledger"
	"sourire/internal/postgrestest"
	"sourire/kiosk/fleetsim"
	"sourire/kiosk/input/script"
	"sourire/kiosk/settings"
	"sourire/kiosk/uplink"
)

// breaker stands between ingest and its store and breaks the server at some
// commits.
type breaker struct {
	ingest.Store
	commits int
	broken  chan chan struct{} // to break the server; closed when that is done
}

// Apply breaks the server at any moment of commit 20, after commit 45 and before
// its answer, before commit 70, and at any moment of commits 95 and 120.
func (b *breaker) Apply(ctx context.Context, term int64, changes []ingest.Change) ([]error, error) {
	b.commits++
	done := make(chan struct{})
	switch b.commits {
	case 20, 95, 120:
		b.broken <- done
		return b.Store.Apply(ctx, term, changes)
	case 70:
		b.broken <- done
		<-done
		return b.Store.Apply(ctx, term, changes)
	case 45:
		errs, err := b.Store.Apply(ctx, term, changes)
		b.broken <- done
		<-done
		return errs, err
	}
	return b.Store.Apply(ctx, term, changes)
}

const breaks = 5

// The processes of the PostgreSQL server are killed five times in a burst of
// presses and started again: nothing is lost, nothing is doubled, and the hub
// needs no help.
func TestPostgres_killed(t *testing.T) {
	server := postgrestest.Start(t)
	s := hubSettings(t)
	s.Store.Postgres = server.Database()
	b := &breaker{broken: make(chan chan struct{})}
	hub, err := app.New(context.Background(), app.Options{
		Settings: s, Log: slog.New(slog.DiscardHandler),
		WrapStore: func(store ingest.Store) ingest.Store { b.Store = store; return b },
	})
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	book, err := os.Create(filepath.Join(dir, "ledger"))
	if err != nil {
		t.Fatal(err)
	}
	defer book.Close()
	const kiosks = 40
	visits, noMore := context.WithCancel(context.Background())
	defer noMore()
	type ended struct {
		tally fleetsim.Tally
		err   error
	}
	fleet := make(chan ended, 1)
	go func() {
		set := settings.Defaults()
		set.Hub.Address, set.Hub.Key = hub.BrokerAddr(), hub.Key()
		tally, err := fleetsim.Run(visits, fleetsim.Options{
			Kiosks: kiosks, Folder: dir, Settings: set, Ledger: book, Log: slog.New(slog.DiscardHandler),
			Arrivals: script.Poisson(2500), For: 2 * time.Minute, Settle: time.Minute,
			Times: uplink.Times{Answer: 200 * time.Millisecond, AnswerMax: time.Second, Redial: 50 * time.Millisecond, Announce: 50 * time.Millisecond},
		})
		fleet <- ended{tally, err}
	}()
	kills := 0
	for running := true; running; {
		select {
		case done := <-b.broken:
			server.Kill()
			server.Restart()
			close(done)
			if kills++; kills == breaks {
				noMore()
			}
		case end := <-fleet:
			if end.err != nil || !end.tally.Settled || end.tally.Failed > 0 {
				t.Errorf("got %+v, %v, want a fleet that is settled", end.tally, end.err)
			}
			running = false
		}
	}
	if err := hub.Stop(); err != nil {
		t.Error(err)
	}
	if st := hub.Stats(); kills != breaks || st.Failed == 0 {
		t.Errorf("got %d kills and %d batches that were not answered, want %d and some", kills, st.Failed, breaks)
	}
	store, err := app.OpenStore(context.Background(), s, sqlstore.Options{MustExist: true})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	sum, err := ledger.Fleet{Ledger: book.Name(), Folder: dir}.Compare(context.Background(), store)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%v; %+v", sum, hub.Stats())
	if !sum.OK() || sum.Stored != sum.Pressed || sum.Counted == 0 {
		t.Errorf("got %v, %q, want all of them stored", sum, sum.Problems)
	}
}
