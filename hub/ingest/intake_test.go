package ingest_test

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"sourire/hub/ingest"
	"sourire/hub/store/sqlstore"
	"sourire/internal/feedback"
	"sourire/internal/wire"
)

// intakeRig is an intake over a real store.
type intakeRig struct {
	in      *ingest.Intake
	answers chan wire.Ack
	stop    context.CancelFunc
	ended   chan error
}

// gate holds the store back until it is opened.
type gate struct {
	ingest.Store
	open chan struct{}
	err  error
}

// Apply waits for the gate, or fails.
func (g *gate) Apply(ctx context.Context, term int64, c []ingest.Change) ([]error, error) {
	<-g.open
	if g.err != nil {
		return nil, g.err
	}
	return g.Store.Apply(ctx, term, c)
}

func newRig(t *testing.T, maxBytes int64, wrap func(ingest.Store) ingest.Store) *intakeRig {
	t.Helper()
	ctx := context.Background()
	db, err := sqlstore.Open(ctx, filepath.Join(t.TempDir(), "hub.db"))
	if err != nil {
		t.Fatal(err)
	}
	term, err := db.TakeOver(ctx)
	if err != nil {
		t.Fatal(err)
	}
	r := &intakeRig{answers: make(chan wire.Ack, 1000), ended: make(chan error, 1)}
	store := wrap(db)
	r.in = ingest.NewIntake(ingest.IntakeOptions{
		Ingester: ingest.New(store, "store", term, time.Now), Store: store, MaxBytes: maxBytes,
		Answer:    func(_ context.Context, _ feedback.KioskID, a wire.Ack) { r.answers <- a },
		Committed: func([]ingest.Batch, []ingest.Outcome) {},
		Log:       slog.New(slog.DiscardHandler),
	})
	running, stop := context.WithCancel(ctx)
	r.stop = stop
	go func() { r.ended <- r.in.Run(running) }()
	t.Cleanup(func() {
		stop()
		<-r.ended
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	return r
}

func (r *intakeRig) answer(t *testing.T) wire.Ack {
	t.Helper()
	select {
	case a := <-r.answers:
		return a
	case <-time.After(20 * time.Second):
		t.Fatal("no answer")
		return wire.Ack{}
	}
}

func request(t *testing.T, number int64) []byte {
	t.Helper()
	body := wire.AppendRecord(nil, feedback.Record{Stamp: feedback.Stamp{Boot: 1}, Fact: feedback.EpochBegan{Why: "new"}})
	p, err := wire.EncodeBatch(wire.Batch{
		Re: wire.Re{Nonce: "n", Number: number}, Epoch: 1, First: 1, Oldest: 1, Next: 2, Records: []json.RawMessage{body},
	})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestIntake_answersAfterCommit(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	g := &gate{open: make(chan struct{})}
	t.Run("commit", func(t *testing.T) {
		r := newRig(t, 0, func(s ingest.Store) ingest.Store { g.Store = s; return g })
		r.in.Offer("k", request(t, 1))
		select {
		case a := <-r.answers:
			t.Fatalf("answered %+v before the commit", a)
		case <-time.After(50 * time.Millisecond):
		}
		close(g.open)
		if a := r.answer(t); a.Through != 1 || a.Refused != "" || a.Re.Number != 1 {
			t.Errorf("got %+v, want through 1", a)
		}
	})
}

func TestIntake_full(t *testing.T) {
	g := &gate{open: make(chan struct{})}
	r := newRig(t, 1000, func(s ingest.Store) ingest.Store { g.Store = s; return g })
	for n := range int64(100) {
		r.in.Offer("k", request(t, n))
	}
	a := r.answer(t)
	if a.Refused != wire.RefusedBusy || a.Wait < 1 || a.Why == "" {
		t.Errorf("got %+v, want busy with a wait and a reason", a)
	}
	if s := r.in.Stats(); s.Dropped == 0 || s.Dropped+s.Taken != 100 {
		t.Errorf("got %+v, want some of 100 dropped", s)
	}
	close(g.open)
}

func TestIntake_storeFails(t *testing.T) {
	g := &gate{open: make(chan struct{}), err: errors.New("disk full")}
	close(g.open)
	r := newRig(t, 0, func(s ingest.Store) ingest.Store { g.Store = s; return g })
	r.in.Offer("k", request(t, 1))
	if a := r.answer(t); a.Refused != wire.RefusedStore || a.Wait < 1 || a.Through != 0 {
		t.Errorf("got %+v, want a refusal that moves nothing", a)
	}
	if s := r.in.Stats(); !s.StoreFails || s.Failed != 1 {
		t.Errorf("got %+v, want the failure told", s)
	}
}

func TestIntake_superseded(t *testing.T) {
	g := &gate{open: make(chan struct{}), err: ingest.ErrSuperseded}
	close(g.open)
	r := newRig(t, 0, func(s ingest.Store) ingest.Store { g.Store = s; return g })
	r.in.Offer("k", request(t, 1))
	err := <-r.ended
	r.ended <- err // for the clean-up
	if !errors.Is(err, ingest.ErrSuperseded) {
		t.Errorf("got %v, want ErrSuperseded", err)
	}
}

func TestIntake_unreadable(t *testing.T) {
	r := newRig(t, 0, func(s ingest.Store) ingest.Store { return s })
	r.in.Offer("k", []byte(`{"v":9,"re":["n",3]}`))
	if a := r.answer(t); a.Refused != wire.RefusedUnreadable || a.Re.Number != 3 || !strings.Contains(a.Why, "version 9") {
		t.Errorf("got %+v, want a refusal that names the version", a)
	}
}
