package ingest_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"sourire/hub/ingest"
	"sourire/internal/feedback"
	"sourire/internal/visit"
	"sourire/internal/wire"
)

// memory is a store in memory that a test can stop and break. hub/store/storetest
// holds real ones to the contract.
type memory struct {
	mu      sync.Mutex
	marks   map[ingest.Key]ingest.Mark
	refused []ingest.Refused
	groups  []int // changes in each Apply
	records []int // records in each Apply
	refuses []int // payloads in each Refuse
	fails   error
	gate    chan struct{} // if not nil, each Apply waits for a value
	commit  time.Duration // what a commit takes
}

func newMemory() *memory { return &memory{marks: make(map[ingest.Key]ingest.Mark)} }

func (m *memory) Marks(_ context.Context, keys []ingest.Key) ([]ingest.Mark, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var out []ingest.Mark
	for _, k := range keys {
		out = append(out, m.marks[k])
	}
	return out, nil
}

func (m *memory) HashAt(context.Context, ingest.Key, feedback.Seq) (h feedback.Hash, ok bool, err error) {
	return h, false, nil
}

func (m *memory) VisitsOfBoots(context.Context, ingest.Key, []feedback.Boot) ([]visit.Visit, error) {
	return nil, nil
}

func (m *memory) Apply(_ context.Context, _ int64, changes []ingest.Change) ([]error, error) {
	if m.gate != nil {
		<-m.gate
	}
	<-time.After(m.commit)
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.fails != nil {
		return nil, m.fails
	}
	n := 0
	for _, c := range changes {
		m.marks[c.Key] = ingest.Mark{Known: true, Point: c.To, Heard: c.Heard, State: c.State}
		n += len(c.Records)
	}
	m.groups, m.records = append(m.groups, len(changes)), append(m.records, n)
	return make([]error, len(changes)), nil
}

func (m *memory) Refuse(_ context.Context, refused []ingest.Refused) error {
	<-time.After(m.commit)
	m.mu.Lock()
	defer m.mu.Unlock()
	m.refuses = append(m.refuses, len(refused))
	if m.fails != nil {
		return m.fails
	}
	m.refused = append(m.refused, refused...)
	return nil
}

// rig is a running intake in a bubble, and what it said.
type rig struct {
	*testing.T
	store     *memory
	intake    *ingest.Intake
	stop      context.CancelFunc
	done      chan error
	mu        sync.Mutex
	acks      map[feedback.KioskID][]wire.Ack
	sent      []int // answers that were sent together
	committed int   // batches
	early     bool  // an answer came before its group was committed
}

func newRig(t *testing.T, change func(*ingest.IntakeOptions)) *rig {
	t.Helper()
	r := &rig{T: t, store: newMemory(), done: make(chan error, 1), acks: make(map[feedback.KioskID][]wire.Ack)}
	o := ingest.IntakeOptions{
		Ingester: ingest.New(r.store, ingest.Options{StoreID: "store", Term: 1, Now: time.Now}), Store: r.store,
		Answer: func(_ context.Context, answers []ingest.Answer) {
			r.mu.Lock()
			defer r.mu.Unlock()
			r.sent = append(r.sent, len(answers))
			for _, a := range answers {
				r.acks[a.Kiosk] = append(r.acks[a.Kiosk], a.Ack)
				r.early = r.early || a.Ack.Refused == "" && r.committed == 0
			}
		},
		Committed: func(b []ingest.Batch, o []ingest.Outcome) {
			r.mu.Lock()
			defer r.mu.Unlock()
			if len(b) != len(o) {
				t.Errorf("got %d outcomes of %d batches", len(o), len(b))
			}
			r.committed += len(b)
		},
		Log: slog.New(slog.NewTextHandler(io.Discard, nil)),
	}
	if change != nil {
		change(&o)
	}
	r.intake = ingest.NewIntake(o)
	return r
}

func (r *rig) run() {
	ctx, stop := context.WithCancel(r.Context())
	r.stop = stop
	go func() { r.done <- r.intake.Run(ctx) }()
}

// end stops the intake and checks how it ended.
func (r *rig) end(want error) {
	r.Helper()
	r.stop()
	if err := <-r.done; !errors.Is(err, want) {
		r.Errorf("got error %v from Run, want %v", err, want)
	}
	if r.early {
		r.Error("an answer came before its commit")
	}
}

func (r *rig) answers(k feedback.KioskID) []wire.Ack {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.acks[k])
}

// payload is a first batch of so many records.
func payload(t testing.TB, records int) []byte {
	t.Helper()
	b := wire.Batch{Re: wire.Re{Nonce: "n", Number: 7}, Epoch: 1, First: 1, Oldest: 1, Next: feedback.Seq(records + 1)}
	for i := range records {
		b.Records = append(b.Records, json.RawMessage(fmt.Sprintf(`["later",1,%d]`, i)))
	}
	p, err := wire.EncodeBatch(b)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func id(i int) feedback.KioskID { return feedback.KioskID(fmt.Sprintf("k%d", i)) }

func TestIntake_answersAfterTheCommit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, nil)
		r.store.gate = make(chan struct{})
		r.run()
		r.intake.Offer("k1", payload(t, 3))
		synctest.Wait()
		if got := r.answers("k1"); len(got) != 0 || r.committed != 0 {
			t.Errorf("got %+v before the commit", got)
		}
		r.store.gate <- struct{}{}
		synctest.Wait()
		got := r.answers("k1")
		if len(got) != 1 || got[0].Refused != "" || got[0].Through != 3 || got[0].Re != (wire.Re{Nonce: "n", Number: 7}) || got[0].At != time.Now().UnixMilli() {
			t.Errorf("got %+v, want one answer through 3", got)
		}
		r.end(context.Canceled)
	})
}

// Whatever waits while the disk is busy goes into one transaction, within bounds.
func TestIntake_groups(t *testing.T) {
	tests := []struct {
		name              string
		payloads, records int
		groups            []int // payloads in each transaction after the first
	}{
		{"a hundred single records", 100, 1, []int{100}},
		{"more records than a transaction takes", 25, 500, []int{10, 10, 5}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, nil)
				r.store.gate = make(chan struct{})
				r.run()
				r.intake.Offer("first", payload(t, 1))
				synctest.Wait()
				for i := range tt.payloads {
					r.intake.Offer(id(i), payload(t, tt.records))
				}
				synctest.Wait()
				close(r.store.gate)
				synctest.Wait()
				if got := r.store.groups; !slices.Equal(got, append([]int{1}, tt.groups...)) {
					t.Errorf("got groups of %v batches, want 1 and %v", got, tt.groups)
				}
				for i := range tt.payloads {
					if a := r.answers(id(i)); len(a) != 1 || a[0].Through != feedback.Seq(tt.records) {
						t.Errorf("%s: got %+v", id(i), a)
					}
				}
				if s := r.intake.Stats(); s.Taken != int64(tt.payloads+1) || s.Groups != int64(len(tt.groups)+1) || s.Dropped+s.Failed+s.Unreadable != 0 {
					t.Errorf("got %+v", s)
				}
				r.end(context.Canceled)
			})
		})
	}
}

// Answers that wait while others are sent are sent together, within bounds.
func TestIntake_answersTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		network := make(chan struct{})
		r := newRig(t, func(o *ingest.IntakeOptions) {
			note := o.Answer
			o.Answer = func(ctx context.Context, answers []ingest.Answer) {
				<-network
				note(ctx, answers)
			}
		})
		r.run()
		r.intake.Offer("first", payload(t, 1))
		synctest.Wait()
		for i := range 1000 {
			r.intake.Offer(id(i), payload(t, 1))
		}
		synctest.Wait()
		close(network)
		synctest.Wait()
		if want := []int{1, 256, 256, 256, 232}; !slices.Equal(r.sent, want) {
			t.Errorf("got %v answers sent together, want %v", r.sent, want)
		}
		r.end(context.Canceled)
	})
}

// What cannot be read is refused as a whole and kept; its neighbours count.
func TestIntake_unreadable(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, nil)
		r.run()
		bent := bytes.Replace(payload(t, 2), []byte(`"first":1`), []byte(`"first":0`), 1)
		garbage := []byte("\x10\x05MQTT")
		r.intake.Offer("k1", bent)
		r.intake.Offer("k2", garbage)
		r.intake.Offer("k3", payload(t, 2))
		r.intake.Offer("k4", []byte(`{"v":9,"re":["n",3]}`))
		synctest.Wait()
		if a := r.answers("k4"); len(a) != 1 || a[0].Re.Number != 3 || !strings.Contains(a[0].Why, "version 9") {
			t.Errorf("another version: got %+v, want it named", a)
		}
		a := r.answers("k1")
		if len(a) != 1 || a[0].Refused != wire.RefusedUnreadable || a[0].Re.Number != 7 || a[0].Why == "" || a[0].Through != 0 {
			t.Errorf("a readable request in a bent payload: got %+v, want it refused", a)
		}
		if a := r.answers("k2"); len(a) != 0 {
			t.Errorf("garbage: got %+v, want no answer, for it names no request", a)
		}
		if a := r.answers("k3"); len(a) != 1 || a[0].Through != 2 {
			t.Errorf("its neighbour: got %+v", a)
		}
		if len(r.store.refused) != 3 || !bytes.Equal(r.store.refused[0].Payload, bent) || !bytes.Equal(r.store.refused[1].Payload, garbage) {
			t.Errorf("got %+v kept, want the payloads as they came", r.store.refused)
		}
		if s := r.intake.Stats(); s.Unreadable != 3 {
			t.Errorf("got %+v, want 3 unreadable", s)
		}
		r.end(context.Canceled)
	})
}

// Garbage is refused in groups: who sends a lot of it holds up the others by a
// few commits, not by one for each payload.
func TestIntake_unreadableInGroups(t *testing.T) {
	const garbage, every = 2000, 20 // a good one behind every 20
	long := strings.Repeat("x", 63<<10)
	for name, tt := range map[string]struct {
		n, commits int // at most: two for each group, the first good one and the last
		text       string
	}{
		"short": {garbage, 2 + 2*4, ""},
		"long":  {garbage / 10, 2 + 2*12, long}, // 17 of 63 KiB are 1 MiB
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, nil)
				r.store.commit = 5 * time.Millisecond
				r.run()
				r.intake.Offer("first", payload(t, 1))
				synctest.Wait() // the disk is busy
				began := time.Now()
				for i := range tt.n {
					r.intake.Offer("bad", fmt.Appendf(nil, `{"re":["n",%d],"v":9,"x":"%s"}`, i, tt.text))
					if i%every == every-1 {
						r.intake.Offer(id(i), payload(t, 1))
					}
				}
				for r.intake.Stats().Unreadable < int64(tt.n) || len(r.answers(id(tt.n-1))) == 0 || len(r.answers("bad")) < tt.n {
					<-time.After(time.Millisecond)
					if time.Since(began) > time.Hour {
						t.Fatal("they are never answered")
					}
				}
				commits := len(r.store.groups) + len(r.store.refuses)
				t.Logf("%d unreadable payloads: %d refusals, %d commits, %v", tt.n, len(r.store.refuses), commits, time.Since(began))
				if commits > tt.commits {
					t.Errorf("got %d commits, refusals of %v, want at most %d", commits, r.store.refuses, tt.commits)
				}
				for i, a := range r.answers("bad") {
					if a.Re.Number != int64(i) || a.Refused != wire.RefusedUnreadable || !strings.Contains(a.Why, "version 9") {
						t.Fatalf("payload %d: got %+v", i, a)
					}
				}
				for i := every - 1; i < tt.n; i += every {
					if a := r.answers(id(i)); len(a) != 1 || a[0].Through != 1 {
						t.Errorf("%s, among garbage: got %+v", id(i), a)
					}
				}
				if len(r.store.refused) != tt.n {
					t.Errorf("got %d kept, want %d", len(r.store.refused), tt.n)
				}
				r.end(context.Canceled)
			})
		})
	}
}

// A refusal that cannot be kept is told all the same, after it was tried.
func TestIntake_unreadableNotKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, nil)
		r.store.fails, r.store.commit = errors.New("disk full"), time.Second
		r.run()
		r.intake.Offer("k1", []byte(`{"v":9,"re":["n",3]}`))
		synctest.Wait()
		if a := r.answers("k1"); len(a) != 0 {
			t.Errorf("got %+v before the commit", a)
		}
		<-time.After(time.Minute)
		synctest.Wait()
		if a := r.answers("k1"); len(a) != 1 || a[0].Refused != wire.RefusedUnreadable {
			t.Errorf("got %+v, want it refused", a)
		}
		r.end(context.Canceled)
	})
}

// What does not fit is dropped, its kiosk is told to wait, and there is room again
// when the rest is stored.
func TestIntake_busy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := payload(t, 100)
		r := newRig(t, func(o *ingest.IntakeOptions) { o.MaxBytes = int64(3 * len(p)) })
		for i := range 5 {
			r.intake.Offer(id(i), p)
		}
		if s := r.intake.Stats(); s.Taken != 3 || s.Dropped != 2 {
			t.Errorf("got %+v, want 3 taken and 2 dropped", s)
		}
		r.run()
		synctest.Wait()
		for i := range 5 {
			a := r.answers(id(i))
			if len(a) != 1 {
				t.Errorf("%s: got %+v", id(i), a)
				continue
			}
			if i < 3 && (a[0].Refused != "" || a[0].Through != 100) {
				t.Errorf("%s: got %+v, want it stored", id(i), a[0])
			}
			if i >= 3 && (a[0].Refused != wire.RefusedBusy || a[0].Wait < 1 || a[0].Wait > 20 || a[0].Re.Number != 7 || a[0].Why == "") {
				t.Errorf("%s: got %+v, want to be told to wait", id(i), a[0])
			}
		}
		r.intake.Offer("k3", p)
		synctest.Wait()
		if a := r.answers("k3"); len(a) != 2 || a[1].Through != 100 {
			t.Errorf("asked again: got %+v, want it stored", a)
		}
		r.end(context.Canceled)
	})
}

// Offer never blocks, whoever is not there to take what it brings.
func TestIntake_offerNeverBlocks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, nil)
		small := []byte("{}")
		const offered = 40_000
		for range offered {
			r.intake.Offer("k1", small)
		}
		s := r.intake.Stats()
		if s.Taken+s.Dropped != offered || s.Dropped == 0 || s.Taken == 0 {
			t.Errorf("got %+v of %d, want some of both", s, offered)
		}
	})
}

func TestIntake_storeFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, nil)
		r.store.fails = errors.New("disk full")
		r.run()
		r.intake.Offer("k1", payload(t, 3))
		synctest.Wait()
		a := r.answers("k1")
		if len(a) != 1 || a[0].Refused != wire.RefusedStore || a[0].Wait < 1 || a[0].Through != 0 || a[0].Why == "" {
			t.Errorf("got %+v, want that the store fails and to wait", a)
		}
		if s := r.intake.Stats(); !s.StoreFails || s.Failed != 1 {
			t.Errorf("got %+v, want that the store fails", s)
		}
		r.store.mu.Lock()
		r.store.fails = nil
		r.store.mu.Unlock()
		r.intake.Offer("k1", payload(t, 3))
		synctest.Wait()
		if a := r.answers("k1"); len(a) != 2 || a[1].Through != 3 {
			t.Errorf("asked again: got %+v, want it stored", a)
		}
		if s := r.intake.Stats(); s.StoreFails {
			t.Errorf("got %+v, want that the store works", s)
		}
		r.end(context.Canceled)
	})
}

// An intake whose hub was superseded ends by itself and answers nothing.
func TestIntake_superseded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, nil)
		r.store.fails = ingest.ErrSuperseded
		r.run()
		r.intake.Offer("k1", payload(t, 3))
		if err := <-r.done; !errors.Is(err, ingest.ErrSuperseded) {
			t.Errorf("got error %v, want that another hub took over", err)
		}
		r.stop()
		synctest.Wait()
		if a := r.answers("k1"); len(a) != 0 {
			t.Errorf("got %+v, want no answer", a)
		}
	})
}

// A network that takes no answers holds up neither the writer nor the end.
func TestIntake_answerBlocks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, func(o *ingest.IntakeOptions) {
			o.Answer = func(ctx context.Context, _ []ingest.Answer) { <-ctx.Done() }
		})
		r.run()
		for i := range 50 {
			r.intake.Offer(id(i), payload(t, 2))
			synctest.Wait()
		}
		if r.committed != 50 {
			t.Errorf("got %d batches stored, want 50", r.committed)
		}
		r.end(context.Canceled)
	})
}

// A group that has begun is finished when the intake is stopped.
func TestIntake_stopFinishesTheGroup(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, nil)
		r.store.gate = make(chan struct{})
		r.run()
		r.intake.Offer("k1", payload(t, 3))
		synctest.Wait()
		r.stop()
		synctest.Wait()
		select {
		case err := <-r.done:
			t.Fatalf("Run ended in the middle of a commit: %v", err)
		default:
		}
		r.store.gate <- struct{}{}
		r.end(context.Canceled)
		if got := r.store.marks[ingest.Key{Kiosk: "k1", Epoch: 1}].Through; got != 3 {
			t.Errorf("got through %d, want 3", got)
		}
	})
}
