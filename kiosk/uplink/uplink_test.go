package uplink_test

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"sourire/internal/feedback"
	"sourire/internal/link"
	"sourire/internal/mosquittotest"
	"sourire/internal/wire"
	"sourire/kiosk/journal"
	"sourire/kiosk/uplink"
)

// The first request of every connection is a question; a backlog goes in full
// batches; a press on an idle line goes at once, alone.
func TestUplink_straight(t *testing.T) {
	b := mosquittotest.Start(t, mosquittotest.Options{})
	h, k := startHub(t, b), newKiosk(t, b)
	k.press(1200)
	k.start()
	k.settle(h)
	k.press(1)
	k.settle(h)
	h.with(func() {
		var sizes []int
		for _, r := range h.requests {
			sizes = append(sizes, len(r.Records))
		}
		if len(sizes) < 5 || sizes[0] != 0 || sizes[1] != wire.MaxRecords || sizes[len(sizes)-1] != 1 {
			t.Errorf("got batches of %v records, want a question, full ones, and the press alone", sizes)
		}
	})
	k.stop()
	await(t, "the goodbye came", func() bool {
		h.mu.Lock()
		defer h.mu.Unlock()
		return len(h.states) > 0 && !h.states[len(h.states)-1].Online
	})
	h.with(func() {
		birth, last := h.states[0], h.states[len(h.states)-1]
		if !birth.Online || birth.Epoch != k.j.Head().ID || birth.Version != "v1" || last.Session != birth.Session {
			t.Errorf("got %+v … %+v", birth, last)
		}
	})
}

// A lost link: the broker says so with the session's own number, and the next
// session has a higher one.
func TestUplink_will(t *testing.T) {
	b := mosquittotest.Start(t, mosquittotest.Options{})
	h, k := startHub(t, b), newKiosk(t, b)
	cut := make(chan *link.Conn, 10)
	k.o.Dial = func(ctx context.Context, o link.Options) (uplink.Conn, error) {
		c, err := link.Dial(ctx, o)
		if err != nil {
			return nil, err
		}
		cut <- c
		return c, nil
	}
	k.start()
	k.settle(h)
	(<-cut).Abandon()
	k.press(3)
	k.settle(h)
	await(t, "birth, will, birth", func() bool {
		h.mu.Lock()
		defer h.mu.Unlock()
		var online []bool
		for _, s := range h.states {
			online = append(online, s.Online)
		}
		return slices.Equal(online, []bool{true, false, true}) &&
			h.states[0].Session == h.states[1].Session && h.states[2].Session > h.states[1].Session
	})
}

// Only the answer to the outstanding request is obeyed.
func TestUplink_ignores(t *testing.T) {
	foreign := func(a wire.Ack) wire.Ack { a.Re.Nonce = "0123456789abcdef"; return a }
	cases := map[string]func(wire.Batch, wire.Ack) []any{
		"late":          func(_ wire.Batch, a wire.Ack) []any { a.Re.Number--; a.Through += 3; return []any{a} },
		"foreign":       func(_ wire.Batch, a wire.Ack) []any { a.Through += 3; return []any{foreign(a)} },
		"other epoch":   func(_ wire.Batch, a wire.Ack) []any { a.Epoch++; a.Through += 3; return []any{a} },
		"lower term":    func(_ wire.Batch, a wire.Ack) []any { a.Term--; a.Through += 3; return []any{a} },
		"negative":      func(_ wire.Batch, a wire.Ack) []any { a.Through = -1; return []any{a} },
		"other version": func(_ wire.Batch, a wire.Ack) []any { a.V = 9; a.Through += 3; return []any{a} },
		"garbage":       func(wire.Batch, wire.Ack) []any { return []any{[]byte("\xff{"), []byte{}, make([]byte, 200_000)} },
		"PUBACK only":   func(wire.Batch, wire.Ack) []any { return []any{} },
	}
	b := mosquittotest.Start(t, mosquittotest.Options{})
	for name, bend := range cases {
		t.Run(name, func(t *testing.T) {
			h, k := startHub(t, b), newKiosk(t, b)
			k.start()
			k.settle(h)
			mark := k.j.Head().Acked
			asked := 0
			h.with(func() {
				h.bend = func(b wire.Batch, a wire.Ack) []any { asked++; return bend(b, a) }
			})
			k.press(5)
			await(t, "it has asked three times", func() bool { h.mu.Lock(); defer h.mu.Unlock(); return asked >= 3 })
			if got := k.j.Head().Acked; got != mark {
				t.Errorf("got mark %d, want %d", got, mark)
			}
			if got := len(k.j.Epochs()); got != 1 {
				t.Errorf("got %d epochs, want one", got)
			}
			h.with(func() { h.bend = nil })
			k.settle(h)
		})
	}
}

// Doubled answers change nothing either.
func TestUplink_doubled(t *testing.T) {
	b := mosquittotest.Start(t, mosquittotest.Options{})
	h, k := startHub(t, b), newKiosk(t, b)
	h.with(func() {
		h.bend = func(b wire.Batch, _ wire.Ack) []any { a := h.decide(b); return []any{a, a, a} }
	})
	k.start()
	for range 20 {
		k.press(3)
		k.settle(h)
	}
}

// The hub commits, but the answer is lost: the same comes again and is a repeat.
func TestUplink_lostAnswers(t *testing.T) {
	b := mosquittotest.Start(t, mosquittotest.Options{})
	h, k := startHub(t, b), newKiosk(t, b)
	n := 0
	h.with(func() {
		h.bend = func(b wire.Batch, _ wire.Ack) []any {
			a := h.decide(b)
			if n++; n%3 != 0 {
				return []any{}
			}
			return []any{a}
		}
	})
	k.press(30)
	k.start()
	k.settle(h)
	k.press(30)
	k.settle(h)
}

// A connection on which nothing is answered is thrown away.
func TestUplink_silence(t *testing.T) {
	b := mosquittotest.Start(t, mosquittotest.Options{})
	h, k := startHub(t, b), newKiosk(t, b)
	var dials atomic.Int64
	k.o.Dial = func(ctx context.Context, o link.Options) (uplink.Conn, error) {
		if dials.Add(1) == 3 {
			h.with(func() { h.bend = nil })
		}
		return uplink.Dial(ctx, o)
	}
	k.o.Times.AnswerMax = 100 * time.Millisecond
	h.with(func() { h.bend = func(wire.Batch, wire.Ack) []any { return []any{} } })
	k.press(3)
	k.start()
	await(t, "the trouble shows", func() bool { return strings.Contains(k.u.Status().Trouble, "does not answer") })
	k.settle(h)
}

func TestUplink_refusals(t *testing.T) {
	b := mosquittotest.Start(t, mosquittotest.Options{})
	for _, refusal := range []wire.Refusal{wire.RefusedBusy, wire.RefusedStore, wire.RefusedUnreadable, "of-a-later-version"} {
		t.Run(string(refusal), func(t *testing.T) {
			h, k := startHub(t, b), newKiosk(t, b)
			var sizes []int
			h.with(func() {
				h.bend = func(b wire.Batch, a wire.Ack) []any {
					sizes = append(sizes, len(b.Records))
					a.Refused, a.Why = refusal, "because"
					return []any{a}
				}
			})
			k.press(40)
			k.start()
			await(t, "the refusal shows", func() bool { return strings.Contains(k.u.Status().Trouble, string(refusal)) })
			h.with(func() {
				honest := h.bend
				h.bend = func(b wire.Batch, a wire.Ack) []any {
					if len(b.Records) <= 3 {
						return nil // what is small enough is read
					}
					return honest(b, a)
				}
			})
			if refusal != wire.RefusedUnreadable {
				await(t, "three tries", func() bool { h.mu.Lock(); defer h.mu.Unlock(); return len(sizes) >= 3 })
				h.with(func() { h.bend = nil })
			}
			k.settle(h)
			if refusal == wire.RefusedUnreadable && (len(sizes) < 5 || sizes[len(sizes)-1] > sizes[0] && sizes[0] > 0) {
				t.Errorf("got batches of %v records, want them halved", sizes)
			}
			if got := k.u.Status().Trouble; got != "" {
				t.Errorf("got %q in the end, want no trouble", got)
			}
		})
	}
}

// `wait` is obeyed before the next request.
func TestUplink_wait(t *testing.T) {
	b := mosquittotest.Start(t, mosquittotest.Options{})
	h, k := startHub(t, b), newKiosk(t, b)
	var at []time.Time
	h.with(func() {
		h.bend = func(b wire.Batch, _ wire.Ack) []any {
			a := h.decide(b)
			if at = append(at, time.Now()); len(at) == 1 {
				a.Wait = 1
			}
			return []any{a}
		}
	})
	k.press(3)
	k.start()
	k.settle(h)
	if got := at[1].Sub(at[0]); got < 700*time.Millisecond {
		t.Errorf("got the next request after %v, want about a second", got)
	}
}

// A hub restored from an old backup says so by its store; what it lost comes
// again, of every epoch that is held.
func TestUplink_restoredHub(t *testing.T) {
	b := mosquittotest.Start(t, mosquittotest.Options{})
	h, k := startHub(t, b), newKiosk(t, b)
	k.press(20)
	if _, err := k.j.Fork(t.Context(), k.j.Head().ID, 10, "test"); err != nil {
		t.Fatal(err)
	}
	k.press(20)
	k.start()
	k.settle(h)
	births := 0
	h.with(func() {
		births = len(h.states)
		for _, s := range h.epochs {
			s.records, s.hashes = s.records[:5], s.hashes[:6]
		}
	})
	h.say("store-b", 1)
	await(t, "it announced itself again", func() bool { h.mu.Lock(); defer h.mu.Unlock(); return len(h.states) > births })
	await(t, "what was lost came again", func() bool { return len(h.presses()) == 40 })
	k.settle(h)
}

// A take-over (a higher term) is greeted; a lower term is not.
func TestUplink_terms(t *testing.T) {
	b := mosquittotest.Start(t, mosquittotest.Options{})
	h, k := startHub(t, b), newKiosk(t, b)
	k.start()
	k.settle(h)
	h.say("store-a", 5)
	await(t, "a second birth", func() bool { h.mu.Lock(); defer h.mu.Unlock(); return len(h.states) == 2 })
	h.say("store-a", 4)
	h.say("store-a", 6)
	await(t, "a third birth", func() bool { h.mu.Lock(); defer h.mu.Unlock(); return len(h.states) == 3 })
	if got := k.u.Status(); got.Term != 6 || got.Store != "store-a" {
		t.Errorf("got %+v", got)
	}
}

// The hub lost records that the kiosk has dropped since: it sends from its
// oldest, and the hub declares the gap.
func TestUplink_gap(t *testing.T) {
	b := mosquittotest.Start(t, mosquittotest.Options{})
	h, k := startHub(t, b), newKiosk(t, b)
	k.press(20)
	k.start()
	k.settle(h)
	k.close()
	h.with(func() { clear(h.epochs) })
	// Drop what is acknowledged, as a month would.
	j, err := journal.Open(t.Context(), journal.Options{
		Path: k.path(), Kiosk: "k1", Version: "v1", Clock: steadyClock{boot: "a", began: time.Now().Add(-60 * 24 * time.Hour), trusted: true},
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	k.open()
	if k.j.Head().Oldest < 20 {
		t.Fatalf("got %+v, want most of it dropped", k.j.Head())
	}
	k.press(2)
	k.start()
	await(t, "all is acknowledged", func() bool { return k.queue() == 0 && k.u.Status().Settled })
	got := h.presses()
	if len(got) != 2 || got[21] != 1 || got[22] != 1 {
		t.Errorf("got presses %v, want 21 and 22 behind the gap", got)
	}
}

// copyJournal makes the image of a card.
func copyJournal(t *testing.T, from, to string) {
	t.Helper()
	data, err := os.ReadFile(from)
	if err == nil {
		err = os.WriteFile(to, data, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// A restored card image: the kiosk finds the last record that both share, and
// goes on in a new epoch with what the hub does not have.
func TestUplink_fork(t *testing.T) {
	for name, fresh := range map[string]int{
		"fewer than the hub has": 3, "as many": 30, "more than the hub has": 90, "none": 0,
	} {
		t.Run(name, func(t *testing.T) {
			b := mosquittotest.Start(t, mosquittotest.Options{})
			h, k := startHub(t, b), newKiosk(t, b)
			k.press(41)
			k.start()
			k.settle(h)
			k.close()
			image := t.TempDir() + "/image.db"
			copyJournal(t, k.path(), image)
			k.open()
			k.press(30)
			k.start()
			k.settle(h)
			parent := k.j.Head().ID
			k.close()
			copyJournal(t, image, k.path())

			k.open()
			k.press(fresh)
			k.start()
			await(t, "a new epoch", func() bool { return k.j.Head().ID != parent })
			k.settle(h)
			h.with(func() {
				s := h.epochs[k.j.Head().ID]
				r, err := wire.DecodeRecord([]byte(s.records[0]))
				if err != nil {
					t.Fatal(err)
				}
				if f := r.Fact.(feedback.EpochBegan); f.Parent != parent || f.ParentLast < 45 || f.ParentLast > 47 {
					t.Errorf("got %+v, want the 45 records of the image shared, and perhaps the start after them", f)
				}
			})
			if got := len(k.j.Epochs()); got != 2 {
				t.Errorf("got %d epochs, want two", got)
			}
			// It is over: another connection does not fork again.
			k.stop()
			k.start()
			k.press(1)
			k.settle(h)
			if got := len(k.j.Epochs()); got != 2 {
				t.Errorf("got %d epochs after another connection, want two", got)
			}
		})
	}
}

// A restored card whose new records end exactly where the hub's end: the
// numbers agree, the hashes do not, and no number is taken on trust.
func TestUplink_forkOfSameLength(t *testing.T) {
	b := mosquittotest.Start(t, mosquittotest.Options{})
	h, k := startHub(t, b), newKiosk(t, b)
	k.press(10)
	id := k.j.Head().ID
	full, err := k.j.Batch(t.Context(), id, 1, journal.Limit{Records: 500, Bytes: 1 << 20})
	if err != nil {
		t.Fatal(err)
	}
	full.V = wire.Version
	h.with(func() { // the hub has ten others above record 7
		for i := 7; i < len(full.Records); i++ {
			full.Records[i] = []byte(`["press",1,70000,0,1]`)
		}
		h.decide(full)
	})
	if err := k.j.Ack(id, 5); err != nil {
		t.Fatal(err)
	}
	k.start()
	await(t, "a new epoch", func() bool { return k.j.Head().ID != id })
	await(t, "all is acknowledged", func() bool { return k.queue() == 0 && k.u.Status().Settled })
	h.with(func() {
		s := h.epochs[k.j.Head().ID]
		if got := strings.Count(kindsOf(s.records), "press"); got != 7 {
			t.Errorf("got %d presses again (%s), want the 7 above record 7", got, kindsOf(s.records))
		}
	})
}

// An epoch with a hole: run by run, and a fork is found on either side of it.
func TestUplink_hole(t *testing.T) {
	b := mosquittotest.Start(t, mosquittotest.Options{})
	h, k := startHub(t, b), newKiosk(t, b)
	k.press(60)
	old := k.j.Head().ID
	k.close()
	damage(t, k.path())
	k.open()
	if es := k.j.Epochs(); len(es) != 2 || es[0].ID != old {
		t.Fatalf("got %+v, want the old epoch salvaged", es)
	}
	k.press(2)
	k.start()
	await(t, "all is acknowledged", func() bool { return k.queue() == 0 && k.u.Status().Settled })
	got := h.presses()
	for n := int64(1); n <= 62; n++ {
		if want := 1; n == 30 && got[n] != 0 || n != 30 && got[n] != want {
			t.Errorf("press %d is stored %d times", n, got[n])
		}
	}
}

// Plans reach the kiosk; a birth tells when another one is in force.
func TestUplink_plan(t *testing.T) {
	b := mosquittotest.Start(t, mosquittotest.Options{})
	h, k := startHub(t, b), newKiosk(t, b)
	var plan atomic.Value
	plan.Store(feedback.PlanID(""))
	k.o.Plan = func(_ context.Context, p []byte) { plan.Store(feedback.NewPlanID(p)) }
	k.o.Birth = func(context.Context) wire.State { return wire.State{Plan: plan.Load().(feedback.PlanID)} }
	k.start()
	k.settle(h)
	for _, p := range []string{"one", "one", "", "two"} {
		err := h.conn.Publish(t.Context(), link.Message{Topic: wire.Topic("k1", wire.TopicPlan), Payload: []byte(p), QoS: 1})
		if err != nil {
			t.Fatal(err)
		}
		want := plan.Load()
		if p != "" {
			want = feedback.NewPlanID([]byte(p))
		}
		await(t, "the plan is reported", func() bool {
			h.mu.Lock()
			defer h.mu.Unlock()
			return h.states[len(h.states)-1].Plan == want
		})
	}
	if n := len(h.states); n != 3 {
		t.Errorf("got %d births, want three", n)
	}
}

// Health is told at once and then again and again, whatever the conversation does.
func TestUplink_health(t *testing.T) {
	b := mosquittotest.Start(t, mosquittotest.Options{})
	h, k := startHub(t, b), newKiosk(t, b)
	k.o.Health = func(context.Context) wire.Health { return wire.Health{Queue: k.queue()} }
	h.with(func() { h.bend = func(wire.Batch, wire.Ack) []any { return []any{} } })
	k.press(3)
	k.start()
	await(t, "three healths", func() bool { h.mu.Lock(); defer h.mu.Unlock(); return len(h.healths) >= 3 })
	h.with(func() {
		if got := h.healths[2]; got.V != wire.Version || got.Session == 0 || got.Queue < 3 {
			t.Errorf("got %+v", got)
		}
	})
}

// The broker dies and comes back, again and again.
func TestUplink_brokerRestarts(t *testing.T) {
	b := mosquittotest.Start(t, mosquittotest.Options{})
	k := newKiosk(t, b)
	k.start()
	for range 3 {
		h := startHub(t, b)
		k.press(50)
		await(t, "something is acknowledged", func() bool { return k.u.Status().Settled && k.queue() == 0 })
		_ = h
		b.Kill()
		k.press(10)
		await(t, "the trouble shows", func() bool { return !k.u.Status().Connected && k.u.Status().Trouble != "" })
		b.Restart()
	}
}

// A wrong key is told in words, and tried again later.
func TestUplink_credentials(t *testing.T) {
	b := mosquittotest.Start(t, mosquittotest.Options{Users: []mosquittotest.User{{Name: "k1", Password: "another"}}})
	k := newKiosk(t, b)
	k.start()
	await(t, "the trouble shows", func() bool { return strings.Contains(k.u.Status().Trouble, "user name and password") })
}

// A journal that fails ends Run: nothing can go on without it.
func TestUplink_journalFails(t *testing.T) {
	b := mosquittotest.Start(t, mosquittotest.Options{})
	k := newKiosk(t, b)
	broken := errors.New("the card is gone")
	k.o.Session = func(context.Context) (int64, error) { return 0, broken }
	if err := uplink.New(k.o).Run(t.Context()); !errors.Is(err, broken) {
		t.Errorf("got %v, want %v", err, broken)
	}
}

// An outage is told once, however often it is tried, and so is its end.
func TestUplink_saysOnce(t *testing.T) {
	b := mosquittotest.Start(t, mosquittotest.Options{})
	k := newKiosk(t, b)
	var log lines
	k.o.Log = slog.New(slog.NewTextHandler(&log, nil))
	var dials atomic.Int32
	k.o.Dial = func(ctx context.Context, o link.Options) (uplink.Conn, error) {
		dials.Add(1)
		return uplink.Dial(ctx, o)
	}
	h := startHub(t, b)
	k.start()
	k.settle(h)
	for range 2 {
		b.Kill()
		await(t, "it has dialled in vain", func() bool { return k.u.Status().Trouble != "" })
		from := dials.Load()
		await(t, "it has dialled four times more", func() bool { return dials.Load() >= from+4 })
		b.Restart()
		startHub(t, b)
		await(t, "the hub is back", func() bool { return k.u.Status().Settled })
	}
	if n := strings.Count(log.String(), "connection refused"); n != 2 {
		t.Errorf("got the refusal %d times, want it once in each outage:\n%s", n, log.String())
	}
	if n := strings.Count(log.String(), "the hub answers"); n != 3 {
		t.Errorf("got %d answers, want the first and two ends:\n%s", n, log.String())
	}
}

// lines collects what is logged.
type lines struct {
	mu   sync.Mutex
	text strings.Builder // guarded by mu
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *lines) String() string { l.mu.Lock(); defer l.mu.Unlock(); return l.text.String() }
