package e2e

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"sourire/hub/app"
	"sourire/hub/backup"
	"sourire/hub/ingest"
	"sourire/hub/store/sqlstore"
	"sourire/hub/verify"
	"sourire/internal/e2e/ledger"
	"sourire/internal/postgrestest"
	"sourire/kiosk/fleetsim"
	"sourire/kiosk/input/script"
	"sourire/kiosk/settings"
	"sourire/kiosk/uplink"
)

// counted stands between ingest and its store and tells of some commits.
type counted struct {
	ingest.Store
	commits atomic.Int64
	at      map[int64]chan struct{}
}

// Apply tells when its commit is made.
func (c *counted) Apply(ctx context.Context, term int64, changes []ingest.Change) ([]error, error) {
	errs, err := c.Store.Apply(ctx, term, changes)
	if told := c.at[c.commits.Add(1)]; told != nil {
		close(told)
	}
	return errs, err
}

// A backup is taken in the middle of a burst; more presses come, the hub is
// stopped, the backup restored, on the other kind of store too, and the hub
// started while presses go on. The kiosks send what the backup lacks, and each
// press is counted once.
func TestRestore_inBurst(t *testing.T) {
	server := postgrestest.Start(t)
	for name, c := range map[string]struct{ from, to string }{
		"file to file":             {"", ""},
		"file to PostgreSQL":       {"", server.Database()},
		"PostgreSQL to file":       {server.Database(), ""},
		"PostgreSQL to PostgreSQL": {server.Database(), server.Database()},
	} {
		t.Run(name, func(t *testing.T) {
			s := hubSettings(t)
			s.Store.Postgres, s.Broker.Listen = c.from, freePort(t)
			r := startFleet(t, s)
			<-r.store.at[60]
			file := filepath.Join(r.dir, "backup.db")
			lacks := r.backup(s, file)
			<-r.store.at[160]
			if err := r.hub.Stop(); err != nil {
				t.Fatal(err)
			}
			before := provedPresses(t, s)
			if before <= lacks {
				t.Fatalf("got %d presses, and %d in the backup: it lacks nothing", before, lacks)
			}
			s.Store.Postgres = c.to
			restored, err := app.Restore(t.Context(), s, file, app.RestoreOptions{Replace: true})
			if err != nil {
				t.Fatal(err)
			}
			if got := provedPresses(t, s); got != lacks {
				t.Fatalf("got %d presses restored, want the %d of the backup", got, lacks)
			}
			r.goOn(s)
			if id := storeID(t, s); id != restored.Store {
				t.Errorf("got store %s, want %s: it was drawn once more", id, restored.Store)
			}
			r.settled(s, before)
		})
	}
}

// A store is copied to PostgreSQL and, later, back, between presses of kiosks that
// never stop.
func TestCopy_thereAndBack(t *testing.T) {
	s := hubSettings(t)
	s.Broker.Listen = freePort(t)
	address := postgrestest.Start(t).Database()
	r := startFleet(t, s)
	<-r.store.at[60]
	if err := r.hub.Stop(); err != nil {
		t.Fatal(err)
	}
	from, to := openStore(t, s), dialCopy(t, address)
	there, err := backup.Move(t.Context(), from, to, backup.Options{})
	if err != nil || !there.Report.OK() {
		t.Fatalf("got %+v, %v", there, err)
	}
	closed(t, from, to)
	s.Store.Postgres = address
	r.goOn(s)
	<-r.store.at[160]
	if err := r.hub.Stop(); err != nil {
		t.Fatal(err)
	}
	before := provedPresses(t, s)
	from = openStore(t, s)
	s.Data = filepath.Join(t.TempDir(), "home")
	if err := os.Mkdir(s.Data, 0o700); err != nil {
		t.Fatal(err)
	}
	back, err := backup.MoveToFile(t.Context(), from, filepath.Join(s.Data, app.FileName), backup.Options{})
	if err != nil || !back.Report.OK() || back.Store == there.Store {
		t.Fatalf("got %+v, %v", back, err)
	}
	closed(t, from)
	s.Store.Postgres = ""
	r.goOn(s)
	r.settled(s, before)
}

// fleetInBurst is a fleet of kiosks that press while their hub comes and goes.
type fleetInBurst struct {
	t      *testing.T
	dir    string
	book   *os.File
	store  *counted
	hub    *app.App
	noMore context.CancelFunc
	fleet  chan fleetEnd
}

type fleetEnd struct {
	tally fleetsim.Tally
	err   error
}

func startFleet(t *testing.T, s app.Settings) *fleetInBurst {
	t.Helper()
	r := &fleetInBurst{t: t, dir: t.TempDir(), fleet: make(chan fleetEnd, 1)}
	r.store = &counted{at: map[int64]chan struct{}{60: make(chan struct{}), 160: make(chan struct{})}}
	var err error
	if r.book, err = os.Create(filepath.Join(r.dir, "ledger")); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = r.book.Close() })
	r.goOn(s)
	visits, noMore := context.WithCancel(context.Background())
	r.noMore = noMore
	t.Cleanup(noMore)
	go func() { // awaited by settled
		set := settings.Defaults()
		set.Hub.Address, set.Hub.Key = r.hub.BrokerAddr(), r.hub.Key()
		tally, err := fleetsim.Run(visits, fleetsim.Options{
			Kiosks: 40, Folder: r.dir, Settings: set, Ledger: r.book, Log: slog.New(slog.DiscardHandler),
			Arrivals: script.Poisson(6000), For: 2 * time.Minute, Settle: time.Minute,
			Times: uplink.Times{Answer: 200 * time.Millisecond, AnswerMax: time.Second, Redial: 50 * time.Millisecond, Announce: 50 * time.Millisecond},
		})
		r.fleet <- fleetEnd{tally, err}
	}()
	return r
}

// goOn starts the hub.
func (r *fleetInBurst) goOn(s app.Settings) {
	r.t.Helper()
	var err error
	r.hub, err = app.New(context.Background(), app.Options{
		Settings: s, Log: slog.New(slog.DiscardHandler),
		WrapStore: func(store ingest.Store) ingest.Store { r.store.Store = store; return r.store },
	})
	if err != nil {
		r.t.Fatal(err)
	}
}

// backup takes one beside the running hub, and returns how many presses it holds.
func (r *fleetInBurst) backup(s app.Settings, file string) int64 {
	r.t.Helper()
	store := openStore(r.t, s)
	taken, err := backup.Take(r.t.Context(), store, file, backup.Options{Program: "test"})
	if err != nil || !taken.Report.OK() || taken.Bytes == 0 || taken.TakenAt.IsZero() {
		r.t.Fatalf("got %+v, %v", taken, err)
	}
	closed(r.t, store)
	var n int64
	for _, f := range taken.Report.Findings {
		n += f.Presses
	}
	return n
}

// settled ends the presses and compares what is stored with the kiosks' ledger.
func (r *fleetInBurst) settled(s app.Settings, atLeast int64) {
	r.t.Helper()
	r.noMore()
	end := <-r.fleet
	if end.err != nil || !end.tally.Settled || end.tally.Failed > 0 {
		r.t.Errorf("got %+v, %v, want a fleet that is settled", end.tally, end.err)
	}
	if err := r.hub.Stop(); err != nil {
		r.t.Error(err)
	}
	store := openStore(r.t, s)
	defer store.Close()
	sum, err := ledger.Fleet{Ledger: r.book.Name(), Folder: r.dir}.Compare(context.Background(), store)
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Log(sum)
	if !sum.OK() || sum.Stored != sum.Pressed || sum.Counted == 0 || sum.Stored < atLeast {
		r.t.Errorf("got %v, %q, want all of them stored, %d at least", sum, sum.Problems, atLeast)
	}
	if got := provedPresses(r.t, s); got != sum.Stored {
		r.t.Errorf("verify says %d presses, the ledger %d", got, sum.Stored)
	}
}

// provedPresses counts the presses of a store, and fails the test for what it
// cannot prove.
func provedPresses(t *testing.T, s app.Settings) (n int64) {
	t.Helper()
	store := openStore(t, s)
	defer store.Close()
	r, err := verify.Run(t.Context(), store, "", nil)
	if err != nil || !r.OK() {
		t.Fatalf("got %+v, %v", r.Problems, err)
	}
	for _, f := range r.Findings {
		n += f.Presses
	}
	return n
}

func openStore(t *testing.T, s app.Settings) *sqlstore.Store {
	t.Helper()
	store, err := app.OpenStore(t.Context(), s, sqlstore.Options{MustExist: true})
	if err != nil {
		t.Fatal(err)
	}
	return store
}

func dialCopy(t *testing.T, address string) *sqlstore.Store {
	t.Helper()
	store, err := sqlstore.Dial(t.Context(), address, sqlstore.Options{ForCopy: true})
	if err != nil {
		t.Fatal(err)
	}
	return store
}

func closed(t *testing.T, stores ...*sqlstore.Store) {
	t.Helper()
	for _, s := range stores {
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

func storeID(t *testing.T, s app.Settings) string {
	t.Helper()
	store := openStore(t, s)
	defer store.Close()
	id, err := store.ID(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return id
}
