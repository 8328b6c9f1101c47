package e2e

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"sourire/hub/app"
	"sourire/hub/ingest"
	"sourire/hub/rollup"
	"sourire/hub/store/sqlstore"
	"sourire/internal/link"
	"sourire/internal/visit"
	"sourire/internal/wire"
)

// hubNode runs a hub until it is told to stop.
func hubNode(s nodeSpec, say func(reply), orders <-chan order) error {
	set := app.Defaults()
	set.Data = s.Data
	set.Web.Listen = "127.0.0.1:0"
	set.Kiosks.Key = "key"
	if strings.HasPrefix(s.Broker, "mqtt://") {
		set.Broker.Address, set.Broker.Username, set.Broker.Password = s.Broker, "hub", "hub"
	} else {
		set.Broker.Listen = s.Broker
	}
	f := &faultyStore{defect: s.Defect}
	t := &twin{file: filepath.Join(s.Data, app.FileName), first: f}
	defer t.stop()
	log := slog.New(slog.NewTextHandler(os.Stderr, nil))
	hub, err := app.New(context.Background(), app.Options{
		Settings: set, Log: log,
		WrapStore: func(inner ingest.Store) ingest.Store {
			f.Store = inner
			return f
		},
		Dial: func(ctx context.Context, o link.Options) (*link.Conn, error) {
			o.Address = s.Link
			t.link.Store(&o)
			return link.Dial(ctx, o)
		},
	})
	if err != nil {
		return err
	}
	say(reply{Web: hub.WebAddr()})
	ended := make(chan error, 1)
	go func() { ended <- hub.Run() }()
	for {
		select {
		case err := <-ended:
			if errors.Is(err, ingest.ErrSuperseded) {
				say(reply{Err: "superseded"})
				return nil
			}
			return err
		case o, ok := <-orders:
			if !ok || o.Do == "stop" {
				t.stop()
				err := hub.Stop()
				<-ended
				say(reply{})
				return err
			}
			r := reply{}
			switch o.Do {
			case "arm":
				f.arm(o.Fault)
			case "twin":
				if err := t.start(); err != nil {
					r.Err = err.Error()
				}
			}
			r.Hits = f.count()
			say(r)
		}
	}
}

// faultyStore injects faults at the commit, and the defects of a hub.
type faultyStore struct {
	ingest.Store
	defect string

	mu    sync.Mutex
	fault fault
	hits  int
	term  int64
}

func (f *faultyStore) arm(x fault) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.fault = x
}

func (f *faultyStore) count() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.hits
}

// take returns the armed fault, once, for a group that holds records.
func (f *faultyStore) take(changes []ingest.Change) fault {
	f.mu.Lock()
	defer f.mu.Unlock()
	x := f.fault
	for _, c := range changes {
		if len(c.Records) > 0 && x.On {
			f.fault = fault{}
			f.hits++
			return x
		}
	}
	return fault{}
}

var errInjected = errors.New("injected")

// Apply commits, or not, as the fault says.
func (f *faultyStore) Apply(ctx context.Context, term int64, changes []ingest.Change) ([]error, error) {
	f.mu.Lock()
	f.term = term
	f.mu.Unlock()
	switch f.defect {
	case answerBeforeCommit:
		go func() {
			time.Sleep(300 * time.Millisecond) // not synchronisation: the defect is to answer first
			_, _ = f.Store.Apply(context.Background(), term, changes)
		}()
		x := f.take(changes)
		if x.On && x.Kill {
			time.AfterFunc(100*time.Millisecond, die)
		}
		return make([]error, len(changes)), nil
	case blindIncrement:
		for i := range changes {
			changes[i].Cells = make(rollup.Delta)
			for _, v := range changes[i].Visits {
				changes[i].Cells.Add(visit.Change{After: v.After})
			}
		}
	}
	x := f.take(changes)
	if !x.On {
		return f.Store.Apply(ctx, term, changes)
	}
	if x.Mode == late {
		<-time.After(lateBy)
	}
	if x.Kill && (x.Mode == fails || x.Mode == late) {
		die()
	}
	if x.Mode == fails {
		return nil, errInjected
	}
	errs, err := f.Store.Apply(ctx, term, changes)
	if x.Mode == repeated {
		_, _ = f.Store.Apply(ctx, term, changes)
	}
	if x.Kill {
		die()
	}
	if x.Mode == reported {
		return nil, errInjected
	}
	return errs, err
}

// twin is a second ingester in the same process, with a connection and a handle
// on the store of its own. It claims the same store under the same term: nothing
// but the marks stands between it and counting everything twice.
type twin struct {
	file  string
	first *faultyStore
	link  atomic.Pointer[link.Options]
	end   func()
}

func (t *twin) start() error {
	ctx, cancel := context.WithCancel(context.Background())
	store, err := sqlstore.Open(ctx, t.file)
	if err != nil {
		cancel()
		return err
	}
	id, err := store.ID(ctx)
	if err != nil {
		cancel()
		return errors.Join(err, store.Close())
	}
	t.first.mu.Lock()
	term := t.first.term
	t.first.mu.Unlock()
	var conn *link.Conn
	in := ingest.NewIntake(ingest.IntakeOptions{
		Ingester: ingest.New(store, ingest.Options{StoreID: id, Term: term, Now: time.Now}), Store: store,
		Answer: func(ctx context.Context, answers []ingest.Answer) {
			for _, a := range answers {
				_ = conn.Publish(ctx, link.Message{Topic: wire.Topic(a.Kiosk, wire.TopicAck), Payload: wire.Encode(a.Ack)})
			}
		},
		Committed: func([]ingest.Batch, []ingest.Outcome) {},
	})
	o := *t.link.Load()
	o.ClientID, o.Will = "hub_twin", nil
	o.Subscriptions = []string{wire.EveryKiosk(wire.TopicJournal)}
	o.Handler = func(m link.Message) {
		if k, _, ok := wire.ParseTopic(m.Topic); ok {
			in.Offer(k, m.Payload)
		}
	}
	if conn, err = link.Dial(ctx, o); err != nil {
		cancel()
		return errors.Join(err, store.Close())
	}
	done := make(chan struct{})
	go func() { _ = in.Run(ctx); close(done) }()
	t.end = func() {
		conn.Close()
		cancel()
		<-done
		_ = store.Close()
	}
	return nil
}

func (t *twin) stop() {
	if t.end != nil {
		t.end()
		t.end = nil
	}
}
