package sqlstore_test

import (
	"context"
	"errors"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"sourire/hub/fleet"
	"sourire/hub/ingest"
	"sourire/hub/rollup"
	"sourire/hub/store/sqlstore"
	"sourire/internal/feedback"
	"sourire/internal/postgrestest"
)

// soon is far above what anything here takes but a session that falls silent.
const soon = 20 * time.Second

func elect(t *testing.T, s *sqlstore.Store, name string) *sqlstore.Lease {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), soon)
	defer cancel()
	l, err := s.Elect(ctx, name, nil)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// waiting stands for election and tells what becomes of it.
type waiting struct {
	holders chan string // whom it has found, each name once in a row
	elected chan *sqlstore.Lease
	stop    context.CancelFunc
}

func stand(t *testing.T, s *sqlstore.Store, name string) *waiting {
	ctx, stop := context.WithCancel(context.Background())
	w := &waiting{make(chan string, 1000), make(chan *sqlstore.Lease, 1), stop}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		last := ""
		l, err := s.Elect(ctx, name, func(holder string) {
			if holder != last {
				last = holder
				w.holders <- holder
			}
		})
		if err == nil {
			w.elected <- l
		} else if ctx.Err() == nil {
			t.Error(err)
		}
	}()
	t.Cleanup(func() { stop(); <-ended })
	return w
}

func receive[T any](t *testing.T, from <-chan T, what string) (v T) {
	t.Helper()
	select {
	case v = <-from:
	case <-time.After(soon):
		t.Fatalf("%s: not within %v", what, soon)
	}
	return v
}

// One of two hubs is elected, the other sees who, and has the place when the
// first lets go, when its session is cut, and when it hangs.
func TestPostgres_elect(t *testing.T) {
	leaks := goleak.IgnoreCurrent()
	t.Run("lives", func(t *testing.T) {
		server := postgrestest.Start(t)
		address, _ := server.Schema()
		elsewhere, _ := server.Schema()
		a, b := dial(t, address), dial(t, address)
		l := elect(t, a, "hub a")
		elect(t, dial(t, elsewhere), "another store").Release()
		w := stand(t, b, "hub b")
		if got := receive(t, w.holders, "a waiting hub sees who ingests"); got != "hub a" {
			t.Errorf("got %q, want hub a", got)
		}
		l.Release()
		l = receive(t, w.elected, "elected after a release")

		w = stand(t, a, "hub a")
		receive(t, w.holders, "a waiting hub sees who ingests")
		held := make(chan error, 1)
		go func() { held <- l.Hold(context.Background()) }()
		server.Exec(address, "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND granted")
		if err := receive(t, held, "a lost lease is noticed"); !errors.Is(err, sqlstore.ErrLeaseLost) {
			t.Errorf("got %v, want %v", err, sqlstore.ErrLeaseLost)
		}
		l.Release()
		l = receive(t, w.elected, "elected after a cut")

		// Nobody holds this lease: so is a hub that hangs.
		w = stand(t, b, "hub b")
		receive(t, w.holders, "a waiting hub sees who ingests")
		began := time.Now()
		next := receive(t, w.elected, "elected after a silence")
		if took := time.Since(began); took > 8*time.Second {
			t.Errorf("a hub that hung had its place for %v", took)
		}
		if err := l.Hold(t.Context()); !errors.Is(err, sqlstore.ErrLeaseLost) {
			t.Errorf("got %v, want %v", err, sqlstore.ErrLeaseLost)
		}
		l.Release()
		next.Release()
	})
	goleak.VerifyNone(t, leaks)
}

// The term of a lease rises above all that the copy which was put back knows of,
// and above each before.
func TestLease_TakeOver_postgres(t *testing.T) {
	server := postgrestest.Start(t)
	address, _ := server.Schema()
	s := dial(t, address)
	l := elect(t, s, "hub")
	defer l.Release()
	var last int64
	for i := range 6 {
		if i == 3 {
			server.Exec(address, "UPDATE term SET n = 1")
			<-time.After(4 * time.Second) // a copy that is older than the take-overs were apart
		}
		n, err := l.TakeOver(t.Context())
		if err != nil || n <= last {
			t.Errorf("got %d, %v, want more than %d", n, err, last)
		}
		last = n
	}
	if err := s.PutSightingsUnder(t.Context(), last, []fleet.Sighting{{Kiosk: "k", Session: 2}}); err != nil {
		t.Error(err)
	}
	if err := s.PutSightingsUnder(t.Context(), last-1, []fleet.Sighting{{Kiosk: "k", Session: 1}}); !errors.Is(err, ingest.ErrSuperseded) {
		t.Errorf("got %v, want %v", err, ingest.ErrSuperseded)
	}
	if seen, err := s.Sightings(t.Context()); err != nil || len(seen) != 1 || seen[0].Session != 2 {
		t.Errorf("got %+v, %v, want what was seen under the newer term", seen, err)
	}
}

// follow hears the news of a store until the test ends; ended has why it stopped.
func follow(t *testing.T, s *sqlstore.Store) (news chan []feedback.SiteID, ended chan error) {
	ctx, stop := context.WithCancel(context.Background())
	news, ended = make(chan []feedback.SiteID, 100), make(chan error, 1)
	done := make(chan struct{})
	go func() {
		defer close(done)
		ended <- s.Follow(ctx, func(sites []feedback.SiteID) { news <- sites })
	}()
	t.Cleanup(func() { stop(); <-done })
	return news, ended
}

func TestPostgres_follow(t *testing.T) {
	leaks := goleak.IgnoreCurrent()
	t.Run("lives", func(t *testing.T) {
		server := postgrestest.Start(t)
		address, _ := server.Schema()
		writer, reader := dial(t, address), dial(t, address)
		term, err := writer.TakeOver(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		g := ingest.New(writer, ingest.Options{StoreID: "s", Term: term, Now: time.Now})
		news, ended := follow(t, reader)
		if got := receive(t, news, "the first news"); got != nil {
			t.Errorf("got %q, want that anything may have changed", got)
		}
		old := ingest.New(writer, ingest.Options{StoreID: "s", Term: term - 1, Now: time.Now})
		if o := old.Ingest(t.Context(), []ingest.Batch{batchOf("k", time.Now(), 3)})[0]; !ingest.Superseded(o.Err) {
			t.Errorf("got %v, want %v", o.Err, ingest.ErrSuperseded)
		}
		for _, k := range []feedback.KioskID{"k", "l"} { // not of what was refused
			if o := g.Ingest(t.Context(), []ingest.Batch{batchOf(k, time.Now(), 3)})[0]; o.Err != nil {
				t.Fatal(o.Err)
			}
			if got := receive(t, news, "news of a commit"); !slices.Equal(got, []feedback.SiteID{"lyon"}) {
				t.Errorf("got %q, want lyon", got)
			}
		}
		server.Exec(address, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE '%listens'")
		if err := receive(t, ended, "a lost connection is noticed"); err == nil || !strings.Contains(err.Error(), "[store] postgres") {
			t.Errorf("got %v, want a sentence", err)
		}
		if len(news) > 0 {
			t.Errorf("got %q as well", <-news)
		}
	})
	goleak.VerifyNone(t, leaks)
}

// What a rebuild corrects is news as well, else pages would show the old figures
// until the next press. Day by day it is told of, too, for only a day may have been
// wrong.
func TestFollow_rebuild(t *testing.T) {
	address := postgrestest.Start(t).Database()
	file := openStore(t, filepath.Join(t.TempDir(), "hub.db"))
	for name, s := range map[string]struct{ writer, reader *sqlstore.Store }{
		"PostgreSQL": {dial(t, address), dial(t, address)}, "SQLite": {file, file},
	} {
		t.Run(name, func(t *testing.T) {
			term, err := elect(t, s.writer, "hub").TakeOver(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			g := ingest.New(s.writer, ingest.Options{StoreID: "s", Term: term, Now: time.Now})
			if o := g.Ingest(t.Context(), []ingest.Batch{batchOf("k", time.Now(), 3)})[0]; o.Err != nil {
				t.Fatal(o.Err)
			}
			news, _ := follow(t, s.reader)
			lacks := rollup.Delta{{Asked: feedback.Asked{Site: "lyon", Touchpoint: "exit", Survey: "visit", Scale: "smiley3"}, Bucket: 7}: {Presses: 1}}
			for _, do := range []struct {
				name string
				do   func() error
			}{
				{"cells", func() error { return s.writer.AddCells(t.Context(), term, lacks) }},
				{"days", func() error { return s.writer.SumDays(t.Context(), nil) }},
			} {
				for len(news) > 0 {
					<-news
				}
				heard := hears(t, news, "lyon", do.do)
				if !heard {
					t.Errorf("no news of corrected %s", do.name)
				}
			}
		})
	}
}

// hears does something again and again, for whoever follows begins a moment later,
// until there is news of a site, and reports whether it came.
func hears(t *testing.T, news chan []feedback.SiteID, site feedback.SiteID, do func() error) bool {
	t.Helper()
	for range 100 {
		if err := do(); err != nil {
			t.Fatal(err)
		}
		late := time.After(100 * time.Millisecond)
		for waiting := true; waiting; {
			select {
			case got := <-news:
				if slices.Equal(got, []feedback.SiteID{site}) {
					return true
				}
			case <-late:
				waiting = false
			}
		}
	}
	return false
}

func TestSQLite_follow(t *testing.T) {
	s, err := sqlstore.Open(t.Context(), filepath.Join(t.TempDir(), "hub.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	l := elect(t, s, "hub")
	term, err := l.TakeOver(t.Context())
	if err != nil || term != 1 {
		t.Fatalf("got term %d, %v, want 1", term, err)
	}
	news, _ := follow(t, s)
	g := ingest.New(s, ingest.Options{StoreID: "s", Term: term, Now: time.Now})
	heard := false
	for i := range 100 { // it may follow a moment later
		if o := g.Ingest(t.Context(), []ingest.Batch{batchOf(feedback.KioskID("k"+string(rune('a'+i%26))+string(rune('a'+i/26))), time.Now(), 1)})[0]; o.Err != nil {
			t.Fatal(o.Err)
		}
		select {
		case got := <-news:
			heard = slices.Equal(got, []feedback.SiteID{"lyon"})
		case <-time.After(20 * time.Millisecond):
			continue
		}
		break
	}
	if !heard {
		t.Error("no news of a commit")
	}
	l.Release()
}
