package sqlstore_test

import (
	"context"
	"database/sql"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"sourire/hub/ingest"
	"sourire/hub/insight"
	"sourire/hub/rollup"
	"sourire/hub/site"
	"sourire/hub/store/sqlstore"
	"sourire/hub/upkeep"
	"sourire/hub/verify"
	"sourire/internal/feedback"
	"sourire/internal/postgrestest"
)

// numbers are what a store shows: days, and what cells count on those.
func numbers(t *testing.T, s *sqlstore.Store) (days rollup.Days) {
	t.Helper()
	err := s.Snapshot(t.Context(), func(r verify.Reader) (err error) {
		days, _, err = r.Days(t.Context())
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return days
}

func proved(t *testing.T, s *sqlstore.Store, when string) verify.Report {
	t.Helper()
	r, err := verify.Run(t.Context(), s, "", nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range r.Findings {
		r.Problems = append(r.Problems, f.Problems...)
	}
	if len(r.Problems) > 0 {
		t.Fatalf("%s: %v", when, r.Problems)
	}
	return r
}

// strict keeps a month of everything but days.
func strict(s *sqlstore.Store, term int64, now time.Time) *upkeep.Upkeep {
	return upkeep.New(upkeep.Options{
		Store: s, Term: term, Now: func() time.Time { return now }, Version: "v",
		Keep: upkeep.Keep{Comments: upkeep.Days(30), Records: upkeep.Days(30), Quarters: upkeep.Days(30)},
	})
}

// failing is a context that is over after it was asked so many times, which every
// statement and every commit does.
type failing struct {
	context.Context
	left atomic.Int64
	over context.CancelFunc
}

func failAfter(ctx context.Context, n int64) *failing {
	ctx, over := context.WithCancel(ctx)
	f := &failing{Context: ctx, over: over}
	f.left.Store(n)
	return f
}

func (f *failing) Done() <-chan struct{} {
	if f.left.Add(-1) == 0 {
		f.over()
	}
	return f.Context.Done()
}

// A run that breaks off anywhere leaves a store that proves itself and shows the
// same numbers; the next run does the rest, and both are one row of the audit log.
func TestStore_retentionBrokenOff(t *testing.T) {
	now := time.Date(2026, 1, 10, 12, 0, 0, 0, time.UTC)
	template := filepath.Join(t.TempDir(), "hub.db")
	s := openStore(t, template)
	term, err := s.TakeOver(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	g := ingest.New(s, ingest.Options{StoreID: "s", Term: term, Now: func() time.Time { return now }})
	for i := range 3 {
		b := batchOf(feedback.KioskID(fmt.Sprint("k", i)), now, 20)
		b.Records[7] = []byte(`["press"]`) // goes to quarantine
		if o := g.Ingest(t.Context(), []ingest.Batch{b})[0]; o.Err != nil {
			t.Fatal(o.Err)
		}
		if _, err := g.Replay(t.Context(), s, ingest.Key{Kiosk: b.Kiosk, Epoch: 1}, "v"); err != nil {
			t.Fatal(err)
		}
	}
	want := numbers(t, s)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	file, err := os.ReadFile(template)
	if err != nil {
		t.Fatal(err)
	}
	later := now.AddDate(0, 0, 60)
	broken := 0
	for n := int64(1); ; n += 5 {
		path := filepath.Join(t.TempDir(), "hub.db")
		if err := os.WriteFile(path, file, 0o600); err != nil {
			t.Fatal(err)
		}
		s := openStore(t, path)
		_, err := strict(s, term, later).Once(failAfter(t.Context(), n))
		if err != nil {
			broken++
			proved(t, s, fmt.Sprintf("broken off at %d", n))
		}
		d, again := strict(s, term, later).Once(t.Context())
		if again != nil {
			t.Fatal(again)
		}
		r := proved(t, s, fmt.Sprintf("after the run that followed one broken off at %d", n))
		if got := numbers(t, s); !maps.Equal(got, want) {
			t.Fatalf("broken off at %d: got days %+v, want %+v", n, got, want)
		}
		entries, e := s.Entries(t.Context(), 0, 10)
		if e != nil || len(entries) != 2 || r.Findings[2].Deleted != 23 {
			t.Fatalf("broken off at %d: got %+v, %v and %d deleted", n, entries, e, r.Findings[2].Deleted)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		if err == nil { // the first run did all
			if !d.None() {
				t.Errorf("got %v deleted by a second run", d)
			}
			break
		}
	}
	if broken < 20 {
		t.Errorf("a run broke off at %d places only", broken)
	}
	t.Logf("a run was broken off at %d places", broken)
}

// A commit of retention that is cut off was made or not; the next run does the rest.
func TestPostgres_retentionCut(t *testing.T) {
	server := postgrestest.Start(t)
	for name, f := range map[string]fault{"before": cutBefore, "after": cutAfter} {
		t.Run(name, func(t *testing.T) {
			p := startProxy(t, server)
			address := server.Database()
			s := dial(t, address)
			now := time.Date(2026, 1, 10, 12, 0, 0, 0, time.UTC)
			term, err := s.TakeOver(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			g := ingest.New(s, ingest.Options{StoreID: "s", Term: term, Now: func() time.Time { return now }})
			if o := g.Ingest(t.Context(), []ingest.Batch{batchOf("k", now, 20)})[0]; o.Err != nil {
				t.Fatal(o.Err)
			}
			want := numbers(t, s)
			later := now.AddDate(0, 0, 60)
			through := dial(t, p.address(t, address))
			order := upkeep.Order{Term: term, What: upkeep.Records, At: later, Version: "v", Journal: ingest.Key{Kiosk: "k", Epoch: 1}, Limits: upkeep.Limits{Records: later.AddDate(0, 0, -30)}}
			p.arm(f)
			if _, _, err := through.Delete(t.Context(), order); err == nil {
				t.Error("got nil for a commit that was cut off")
			}
			proved(t, s, "after the cut")
			if d, err := strict(s, term, later).Once(t.Context()); err != nil || d[upkeep.Records] != 23 || d[upkeep.Visits] != 11 {
				t.Errorf("got %v, %v, want all of it counted once", d, err)
			}
			proved(t, s, "after the next run")
			if got := numbers(t, s); !maps.Equal(got, want) {
				t.Errorf("got days %+v, want %+v", got, want)
			}
		})
	}
}

// A month of which nothing is kept is dropped, and made again when it must be.
func TestPostgres_monthsDropped(t *testing.T) {
	server := postgrestest.Start(t)
	address := server.Database()
	s := dial(t, address)
	now := time.Date(2026, 1, 10, 12, 0, 0, 0, time.UTC)
	term, err := s.TakeOver(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	clock := now
	g := ingest.New(s, ingest.Options{StoreID: "s", Term: term, Now: func() time.Time { return clock }})
	take := func(kiosk feedback.KioskID) {
		t.Helper()
		if o := g.Ingest(t.Context(), []ingest.Batch{batchOf(kiosk, now, 20)})[0]; o.Err != nil || o.Stored != 23 {
			t.Fatalf("got %+v", o)
		}
	}
	take("k1")
	clock = now.AddDate(0, 3, 0)
	take("k2")
	// Another process does so, as sourire-hub upkeep is.
	if _, err := strict(dial(t, address), term, clock).Once(t.Context()); err != nil {
		t.Fatal(err)
	}
	months := func() (out string) {
		t.Helper()
		err := behindPostgres(t, address).QueryRow("SELECT string_agg(inhrelid::regclass::text, ' ' ORDER BY inhrelid::regclass::text) FROM pg_inherits WHERE inhparent = 'record'::regclass").Scan(&out)
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	if got := months(); got != "record_2026_04" {
		t.Errorf("got months %s, want record_2026_04 alone", got)
	}
	clock = now.AddDate(0, 0, 1) // the hub's clock was set back
	take("k3")
	if got := months(); got != "record_2026_01 record_2026_04" {
		t.Errorf("got months %s, want both", got)
	}
	proved(t, s, "in the end")
}

// behindPostgres looks at a database behind the store's back.
func behindPostgres(t *testing.T, address string) *sql.DB {
	t.Helper()
	db, err := sql.Open("pgx", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return db
}

// Days whose quarters are gone are shown as well while days stand in another zone
// than is wanted, which is when they are summed up from cells.
func TestStore_Read_settledDays(t *testing.T) {
	now := time.Date(2026, 1, 10, 12, 0, 0, 0, time.UTC)
	s := openStore(t, filepath.Join(t.TempDir(), "hub.db"))
	term, err := s.TakeOver(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	clock := now
	g := ingest.New(s, ingest.Options{StoreID: "s", Term: term, Now: func() time.Time { return clock }})
	take := func(kiosk feedback.KioskID) {
		t.Helper()
		if o := g.Ingest(t.Context(), []ingest.Batch{batchOf(kiosk, now, 20)})[0]; o.Err != nil {
			t.Fatal(o.Err)
		}
	}
	take("k1")
	clock = now.AddDate(0, 0, 60)
	take("k2") // late, and kept
	if d, err := strict(s, term, clock).Once(t.Context()); err != nil || d[upkeep.Quarters] != 1 {
		t.Fatalf("got %v, %v", d, err)
	}
	for _, zone := range []string{"UTC", "Europe/Paris"} { // days stand in UTC
		at, err := time.LoadLocation(zone)
		if err != nil {
			t.Fatal(err)
		}
		lyon := site.Site{ID: "lyon", Zone: at}
		answers, err := s.Read(t.Context(), insight.Question{Site: lyon, Last: lyon.Today(now), Days: 3})
		if err != nil {
			t.Fatal(err)
		}
		var presses int64
		for _, d := range answers[0].Days {
			if presses += d.Cell.Presses; d.Day != 2 {
				t.Errorf("in %s: got %+v, want it on the last day", zone, d)
			}
		}
		if presses != 40 {
			t.Errorf("in %s: got %d presses, want 40", zone, presses)
		}
	}
}
