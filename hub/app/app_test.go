package app_test

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"sourire/hub/app"
	"sourire/hub/ingest"
	"sourire/hub/store/sqlstore"
	"sourire/hub/store/storetest"
	"sourire/hub/verify"
	"sourire/internal/feedback"
	"sourire/internal/link"
	"sourire/internal/wire"
)

func settings(t *testing.T) app.Settings {
	s := app.Defaults()
	s.Data = filepath.Join(t.TempDir(), "hub")
	s.Web.Listen, s.Broker.Listen = "127.0.0.1:0", "127.0.0.1:0"
	s.Kiosks.Key = "key"
	return s
}

func options(s app.Settings) app.Options {
	return app.Options{Settings: s, Log: slog.New(slog.DiscardHandler)}
}

func TestApp_Run_leavesNothing(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	ctx, cancel := context.WithCancel(context.Background())
	a, err := app.New(ctx, options(settings(t)))
	if err != nil {
		t.Fatal(err)
	}
	b, err := app.New(ctx, options(settings(t))) // two live in one program
	if err != nil {
		t.Fatal(err)
	}
	// A broker that is stopped while it makes its first streams leaves
	// goroutines behind: let it answer somebody first.
	for _, hub := range []*app.App{a, b} {
		conn, err := link.Dial(ctx, link.Options{Address: hub.BrokerAddr(), ClientID: "k", Username: "k", Password: hub.Key()})
		if err != nil {
			t.Fatal(err)
		}
		conn.Close()
	}
	cancel()
	if err := errors.Join(a.Run(), b.Run()); err != nil {
		t.Error(err)
	}
}

func TestNew_refused(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	for name, c := range map[string]struct {
		change func(*app.Settings)
		want   string // a part of the sentence
	}{
		"web port taken":    {func(s *app.Settings) { s.Web.Listen = taken.Addr().String() }, "stop the program that listens there, or change [web] listen"},
		"broker port taken": {func(s *app.Settings) { s.Broker.Listen = taken.Addr().String() }, taken.Addr().String()},
		"unknown zone":      {func(s *app.Settings) { s.Zone = "Mars/Olympus" }, "Mars/Olympus"},
		"no data folder":    {func(s *app.Settings) { s.Data = "" }, "data"},
		"bad site":          {func(s *app.Settings) { s.Sites = []app.SiteSettings{{ID: "Store 1"}} }, `"Store 1"`},
		"site twice":        {func(s *app.Settings) { s.Sites = []app.SiteSettings{{ID: "a"}, {ID: "a"}} }, "twice"},
		"bad broker":        {func(s *app.Settings) { s.Broker.Address = "http://x" }, "http://x"},
		"damaged database": {func(s *app.Settings) {
			_ = os.MkdirAll(s.Data, 0o700)
			_ = os.WriteFile(filepath.Join(s.Data, app.FileName), []byte(strings.Repeat("garbage ", 1000)), 0o600)
		}, app.FileName},
	} {
		t.Run(name, func(t *testing.T) {
			s := settings(t)
			c.change(&s)
			a, err := app.New(context.Background(), options(s))
			if err == nil {
				_ = a.Stop()
				t.Fatal("got a hub, want an error")
			}
			if !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %q, want it to name %s", err, c.want)
			}
		})
	}
}

func TestNew_folderInUse(t *testing.T) {
	s := settings(t)
	a, err := app.New(context.Background(), options(s))
	if err != nil {
		t.Fatal(err)
	}
	defer a.Stop()
	if b, err := app.New(context.Background(), options(s)); err == nil {
		_ = b.Stop()
		t.Fatal("got a second hub on one folder, want an error")
	}
}

// A hub whose store was taken over by another stands down at its next commit.
func TestApp_superseded(t *testing.T) {
	s := settings(t)
	a, err := app.New(context.Background(), options(s))
	if err != nil {
		t.Fatal(err)
	}
	other, err := sqlstore.Open(context.Background(), filepath.Join(s.Data, app.FileName))
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	if _, err := other.TakeOver(context.Background()); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- a.Run() }()
	press(t, a)
	select {
	case err := <-ended:
		if !errors.Is(err, ingest.ErrSuperseded) {
			t.Errorf("got %v, want ErrSuperseded", err)
		}
	case <-time.After(20 * time.Second):
		t.Fatal("the superseded hub goes on")
	}
}

// press sends a batch of one epoch record.
func press(t *testing.T, a *app.App) {
	t.Helper()
	done := make(chan struct{})
	conn, err := link.Dial(context.Background(), link.Options{Address: a.BrokerAddr(), ClientID: "k", Username: "k", Password: a.Key()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close(); <-done })
	body := wire.AppendRecord(nil, feedback.Record{Stamp: feedback.Stamp{Boot: 1}, Fact: feedback.EpochBegan{Why: "new"}})
	p, err := wire.EncodeBatch(wire.Batch{Re: wire.Re{Nonce: "n", Number: 1}, Epoch: 1, First: 1, Oldest: 1, Next: 2, Records: []json.RawMessage{body}})
	if err != nil {
		t.Fatal(err)
	}
	// The hub may subscribe a moment after the broker listens: say it until
	// the broker is gone.
	go func() {
		defer close(done)
		for conn.Publish(context.Background(), link.Message{Topic: wire.Topic("k", wire.TopicJournal), Payload: p}) == nil {
			select {
			case <-conn.Lost():
				return
			case <-time.After(50 * time.Millisecond):
			}
		}
	}()
}

// A hub that is started after an upgrade reads again what the one before it could
// not understand, while it serves.
func TestApp_replaysQuarantine(t *testing.T) {
	s := settings(t)
	if err := os.MkdirAll(s.Data, 0o700); err != nil {
		t.Fatal(err)
	}
	store, err := sqlstore.Open(t.Context(), filepath.Join(s.Data, app.FileName))
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	term, err := store.TakeOver(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	older := ingest.New(store, ingest.Options{
		StoreID: "s", Term: term, Now: time.Now,
		Decode: func(body []byte) (feedback.Record, error) {
			r, err := wire.DecodeRecord(body)
			if err == nil && r.Fact.Kind() == feedback.KindPress {
				err = errors.New("presses are not known yet")
			}
			return r, err
		},
	})
	k := storetest.NewKiosk(t, older, "k1", time.Now().Add(-time.Hour))
	k.Asks(time.Now().Add(-time.Hour), feedback.Asked{Site: "lyon", Touchpoint: "exit", Survey: "visit", Scale: "smiley3"})
	k.Press(time.Now().Add(-time.Minute), 2)
	k.Send()
	if quarantined, ratings := recount(t, store); quarantined != 1 || ratings != 0 {
		t.Fatalf("the older hub: got %d records in quarantine and %d ratings, want 1 and 0", quarantined, ratings)
	}
	o := options(s)
	read := make(chan struct{}, 1)
	o.WrapStore = func(s ingest.Store) ingest.Store { return replays{s, read} }
	a, err := app.New(context.Background(), o)
	if err != nil {
		t.Fatal(err)
	}
	defer a.Stop()
	select {
	case <-read:
	case <-time.After(20 * time.Second):
		t.Fatal("the journal was not read again")
	}
	if quarantined, ratings := recount(t, store); quarantined != 0 || ratings != 1 {
		t.Errorf("got %d records in quarantine and %d ratings, want 0 and 1", quarantined, ratings)
	}
}

// replays tells when a journal was read again.
type replays struct {
	ingest.Store
	done chan<- struct{}
}

func (s replays) Apply(ctx context.Context, term int64, changes []ingest.Change) ([]error, error) {
	errs, err := s.Store.Apply(ctx, term, changes)
	if changes[0].ReadBy != "" {
		s.done <- struct{}{}
	}
	return errs, err
}

// recount verifies a store and returns what it counts.
func recount(t *testing.T, store *sqlstore.Store) (quarantined, ratings int64) {
	t.Helper()
	report, err := verify.Run(t.Context(), store, "", nil)
	if err != nil || !report.OK() {
		t.Fatalf("got %+v, %v", report, err)
	}
	for _, c := range report.Cells {
		ratings += c.Ratings()
	}
	return report.Findings[0].Quarantined, ratings
}
