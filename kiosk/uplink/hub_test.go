package uplink_test

import (
	"context"
	"encoding/json"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"sourire/internal/feedback"
	"sourire/internal/link"
	"sourire/internal/mosquittotest"
	"sourire/internal/wire"
	"sourire/kiosk/clock"
	"sourire/kiosk/journal"
	"sourire/kiosk/uplink"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// deadline is far above what anything here takes.
const deadline = 20 * time.Second

// stored is what the hub of a test holds of one epoch.
type stored struct {
	records []string
	hashes  []feedback.Hash // before each record, and at the end
	pruned  map[feedback.Seq]bool
}

func (s *stored) through() feedback.Seq { return feedback.Seq(len(s.records)) }

// hub is a small hub behind a real broker: it follows the rules of the protocol
// unless a test bends its answers.
type hub struct {
	t    *testing.T
	conn *link.Conn

	mu       sync.Mutex
	epochs   map[feedback.Epoch]*stored
	store    string
	term     int64
	requests []wire.Batch
	states   []wire.State
	healths  []wire.Health
	// bend replaces the honest answer; nil leaves it. It is called with mu held.
	bend func(b wire.Batch, honest wire.Ack) []any
}

func startHub(t *testing.T, b *mosquittotest.Broker) *hub {
	t.Helper()
	h := &hub{t: t, epochs: map[feedback.Epoch]*stored{}, store: "store-a", term: 1}
	payloads := make(chan link.Message, 10_000)
	var err error
	h.conn, err = link.Dial(t.Context(), link.Options{
		Address: b.URL(), ClientID: "hub_1", Handler: func(m link.Message) { payloads <- m },
		Subscriptions: []string{wire.EveryKiosk(wire.TopicJournal), wire.EveryKiosk(wire.TopicState), wire.EveryKiosk(wire.TopicHealth)},
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var serving sync.WaitGroup
	serving.Go(func() {
		for {
			select {
			case m := <-payloads:
				h.take(ctx, m)
			case <-ctx.Done():
				return
			}
		}
	})
	t.Cleanup(func() { cancel(); serving.Wait(); h.conn.Close() })
	return h
}

func (h *hub) take(ctx context.Context, m link.Message) {
	k, leaf, ok := wire.ParseTopic(m.Topic)
	if !ok || m.Topic == wire.HubState {
		return // its own word
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	switch leaf {
	case wire.TopicState:
		if s, err := wire.Decode[wire.State](m.Payload); err == nil {
			h.states = append(h.states, s)
		}
	case wire.TopicHealth:
		if s, err := wire.Decode[wire.Health](m.Payload); err == nil {
			h.healths = append(h.healths, s)
		}
	case wire.TopicJournal:
		b, err := wire.DecodeBatch(m.Payload)
		if err != nil {
			h.t.Errorf("the kiosk sent %.80s: %v", m.Payload, err)
			return
		}
		h.requests = append(h.requests, b)
		answers := []any(nil)
		if h.bend != nil {
			answers = h.bend(b, h.peek(b))
		}
		if answers == nil {
			answers = []any{h.decide(b)}
		}
		for _, a := range answers {
			payload, _ := a.([]byte)
			if a, ok := a.(wire.Ack); ok {
				payload = wire.Encode(a)
			}
			_ = h.conn.Publish(ctx, link.Message{Topic: wire.Topic(k, wire.TopicAck), Payload: payload})
		}
	}
}

func (h *hub) ack(b wire.Batch, through feedback.Seq) wire.Ack {
	return wire.Ack{V: wire.Version, Re: b.Re, Store: h.store, Term: h.term, Epoch: b.Epoch, Through: through, At: 1_790_000_000_000}
}

// peek is the answer that changes nothing: where the hub is.
func (h *hub) peek(b wire.Batch) wire.Ack {
	if s := h.epochs[b.Epoch]; s != nil {
		return h.ack(b, s.through())
	}
	return h.ack(b, 0)
}

// decide is step 4 of the conversation.
func (h *hub) decide(b wire.Batch) wire.Ack {
	s := h.epochs[b.Epoch]
	if s == nil {
		s = &stored{hashes: []feedback.Hash{{}}, pruned: map[feedback.Seq]bool{}}
		h.epochs[b.Epoch] = s
	}
	fork := func() wire.Ack {
		a := h.ack(b, s.through())
		a.Refused, a.Why = wire.RefusedFork, "other records"
		return a
	}
	if b.First > s.through()+1 {
		if len(b.Records) == 0 || b.Oldest != b.First {
			return h.ack(b, s.through())
		}
		for s.through() < b.First-1 { // a declared gap
			s.records = append(s.records, "")
			s.pruned[s.through()] = true
			s.hashes = append(s.hashes, b.Before)
		}
		s.hashes[s.through()] = b.Before
	}
	if s.hashes[b.First-1] != b.Before && !s.pruned[b.First-1] {
		return fork()
	}
	before := b.Before
	for i, r := range b.Records {
		seq := b.First + feedback.Seq(i)
		before = before.Next(r)
		if seq <= s.through() {
			if s.hashes[seq] != before && !s.pruned[seq] {
				return fork()
			}
			continue
		}
		s.records = append(s.records, string(r))
		s.hashes = append(s.hashes, before)
	}
	return h.ack(b, s.through())
}

// say publishes the hub's own state.
func (h *hub) say(store string, term int64) {
	h.mu.Lock()
	h.store, h.term = store, term
	h.mu.Unlock()
	state := wire.Hub{V: wire.Version, Online: true, Store: store, Term: term}
	if err := h.conn.Publish(h.t.Context(), link.Message{Topic: wire.HubState, Payload: wire.Encode(state), QoS: 1, Retained: true}); err != nil {
		h.t.Error(err)
	}
}

// with runs f while nothing is answered.
func (h *hub) with(f func()) {
	h.mu.Lock()
	defer h.mu.Unlock()
	f()
}

// presses returns the numbers that the presses stored carry, over all epochs.
func (h *hub) presses() map[int64]int {
	h.mu.Lock()
	defer h.mu.Unlock()
	all := map[int64]int{}
	for _, s := range h.epochs {
		for _, r := range s.records {
			if rec, err := wire.DecodeRecord([]byte(r)); err == nil {
				if p, ok := rec.Fact.(feedback.Press); ok {
					all[p.Held]++
				}
			}
		}
	}
	return all
}

// steadyClock is a clock that runs, from an instant that is trusted or not.
type steadyClock struct {
	boot    string
	trusted bool
	began   time.Time
}

func (c steadyClock) Now() clock.Reading {
	since := time.Since(c.began) + time.Minute
	return clock.Reading{BootID: c.boot, Since: since, Wall: time.Unix(1_789_000_000, 0).Add(since), Trusted: c.trusted}
}

// kiosk is a journal with its uplink.
type kiosk struct {
	t    *testing.T
	dir  string
	j    *journal.Journal
	o    uplink.Options
	u    *uplink.Uplink
	stop func()
	next int64
}

func (k *kiosk) path() string { return filepath.Join(k.dir, "journal.db") }

func newKiosk(t *testing.T, b *mosquittotest.Broker) *kiosk {
	t.Helper()
	k := &kiosk{t: t, dir: t.TempDir(), stop: func() {}}
	k.o = uplink.Options{
		Kiosk: "k1", Link: link.Options{Address: b.URL(), Username: "k1", Password: "key"},
		Times: uplink.Times{
			Answer: 80 * time.Millisecond, AnswerMax: 400 * time.Millisecond, Redial: 10 * time.Millisecond,
			RedialMax: 100 * time.Millisecond, Announce: 50 * time.Millisecond, Health: 50 * time.Millisecond, Tries: 5,
		},
		Birth: func(context.Context) wire.State { return wire.State{Version: "v1", Boot: 1} },
	}
	k.open()
	t.Cleanup(k.close)
	return k
}

func (k *kiosk) open() {
	k.t.Helper()
	j, err := journal.Open(context.Background(), journal.Options{
		Path: k.path(), Kiosk: "k1", Version: "v1", Clock: steadyClock{boot: "a", began: time.Now(), trusted: true},
	})
	if err != nil {
		k.t.Fatal(err)
	}
	k.j = j
	k.o.Journal, k.o.Changed, k.o.Session, k.o.HubTime = j, j.Changed(), j.NextSession, j.HubTime
}

// start runs the uplink until stop.
func (k *kiosk) start() {
	k.u = uplink.New(k.o)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- k.u.Run(ctx) }() // awaited by stop
	k.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			k.t.Errorf("Run: %v", err)
		}
	})
}

func (k *kiosk) close() {
	k.stop()
	if k.j != nil {
		if err := k.j.Close(); err != nil {
			k.t.Error(err)
		}
		k.j = nil
	}
}

func (k *kiosk) press(n int) {
	k.t.Helper()
	for range n {
		k.next++
		if _, err := k.j.Append(context.Background(), feedback.Press{Rating: 1, Held: k.next}); err != nil {
			k.t.Fatal(err)
		}
	}
}

// await waits until something observable is so.
func await(t *testing.T, what string, so func() bool) {
	t.Helper()
	late := time.After(deadline)
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for !so() {
		select {
		case <-late:
			t.Fatalf("waited in vain until %s", what)
		case <-tick.C:
		}
	}
}

// settle waits until everything is acknowledged, and checks that the hub has
// each press once.
func (k *kiosk) settle(h *hub) {
	k.t.Helper()
	await(k.t, "all is acknowledged", func() bool { return k.queue() == 0 && k.u.Status().Settled })
	got := h.presses()
	for n := int64(1); n <= k.next; n++ {
		if got[n] != 1 {
			k.t.Errorf("press %d is stored %d times, want once", n, got[n])
		}
	}
}

func (k *kiosk) queue() (n int64) {
	for _, e := range k.j.Epochs() {
		n += int64(e.Next - 1 - e.Acked)
	}
	return n
}

func kindsOf(records []string) string {
	var all []string
	for _, r := range records {
		var el []json.RawMessage
		_ = json.Unmarshal([]byte(r), &el)
		if len(el) > 0 {
			all = append(all, strings.Trim(string(el[0]), `"`))
		}
	}
	return strings.Join(all, " ")
}
