package e2e

import (
	"context"
	"encoding/json"
	"log/slog"
	"path/filepath"
	"testing"
	"time"

	"go.uber.org/goleak"

	"sourire/hub/app"
	"sourire/hub/store/sqlstore"
	"sourire/hub/verify"
	"sourire/internal/feedback"
	"sourire/internal/link"
	"sourire/internal/wire"
)

func settings(t testing.TB) app.Settings {
	s := app.Defaults()
	s.Data = filepath.Join(t.TempDir(), "hub")
	s.Web.Listen, s.Broker.Listen = "127.0.0.1:0", "127.0.0.1:0"
	s.Kiosks.Key = "key"
	return s
}

// start runs a hub until the test ends.
func start(t testing.TB, s app.Settings) *app.App {
	t.Helper()
	hub, err := app.New(context.Background(), app.Options{Settings: s, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := hub.Stop(); err != nil {
			t.Errorf("stop: %v", err)
		}
	})
	return hub
}

// rawKiosk speaks the wire by hand.
type rawKiosk struct {
	id      feedback.KioskID
	conn    *link.Conn
	acks    chan wire.Ack
	epoch   feedback.Epoch
	records []json.RawMessage // from seq 1
	hashes  []feedback.Hash   // hashes[n] after n records
	full    int               // records in a full batch
}

func newRawKiosk(t testing.TB, hub *app.App, id string, presses int) *rawKiosk {
	t.Helper()
	k := &rawKiosk{id: feedback.KioskID(id), epoch: 7, full: wire.MaxRecords, acks: make(chan wire.Ack, 1000), hashes: make([]feedback.Hash, 1)}
	k.add(feedback.EpochBegan{Why: "new"}, 0)
	k.add(feedback.PlanApplied{Plan: feedback.NewPlanID(nil), Asked: feedback.Asked{Site: "s", Touchpoint: "exit", Survey: "q", Scale: "smiley3"}}, 0)
	k.add(feedback.ClockFix{Boot: 1, Offset: 1_790_000_000_000, Uncertainty: 10, Source: "system"}, 0)
	for i := range presses {
		k.add(feedback.Press{Rating: i % 3, Held: 80}, int64(3000*(i+1)))
	}
	conn, err := link.Dial(context.Background(), link.Options{
		Address: hub.BrokerAddr(), ClientID: id, Username: id, Password: hub.Key(),
		Subscriptions: []string{wire.Topic(k.id, wire.TopicAck)},
		Handler: func(m link.Message) {
			if a, err := wire.Decode[wire.Ack](m.Payload); err == nil {
				select {
				case k.acks <- a:
				default:
				}
			}
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(conn.Close)
	k.conn = conn
	return k
}

func (k *rawKiosk) add(f feedback.Fact, since int64) {
	body := wire.AppendRecord(nil, feedback.Record{Stamp: feedback.Stamp{Boot: 1, Since: since}, Fact: f})
	k.records = append(k.records, body)
	k.hashes = append(k.hashes, k.hashes[len(k.hashes)-1].Next(body))
}

// batch returns the encoded batch of n records from first.
func (k *rawKiosk) batch(t testing.TB, number int64, first, n int) []byte {
	t.Helper()
	n = min(n, len(k.records)-first+1)
	p, err := wire.EncodeBatch(wire.Batch{
		Re: wire.Re{Nonce: "n", Number: number}, Epoch: k.epoch, First: feedback.Seq(first), Before: k.hashes[first-1],
		Oldest: 1, Next: feedback.Seq(len(k.records) + 1), Records: k.records[first-1 : first-1+n],
	})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func (k *rawKiosk) send(t testing.TB, payload []byte) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	if err := k.conn.Publish(ctx, link.Message{Topic: wire.Topic(k.id, wire.TopicJournal), Payload: payload, QoS: 0}); err != nil {
		t.Fatal(err)
	}
}

// answer waits for the answer to a request.
func (k *rawKiosk) answer(t testing.TB, number int64) (wire.Ack, bool) {
	t.Helper()
	limit := time.After(5 * time.Second)
	for {
		select {
		case a := <-k.acks:
			if a.Re.Number == number {
				return a, true
			}
		case <-limit:
			return wire.Ack{}, false
		}
	}
}

// drain sends everything, one request at a time, as the conversation asks, and
// returns how often the hub said wait.
func (k *rawKiosk) drain(t testing.TB, number int64) (waits int) {
	t.Helper()
	through := 0
	for tries := 0; through < len(k.records); tries++ {
		if tries > len(k.records)+200 {
			t.Fatalf("%s: stuck at %d of %d", k.id, through, len(k.records))
		}
		number++
		k.send(t, k.batch(t, number, through+1, k.full))
		a, ok := k.answer(t, number)
		switch {
		case !ok:
		case a.Refused == wire.RefusedBusy:
			waits++
			<-time.After(time.Duration(a.Wait) * 100 * time.Millisecond)
		case a.Refused != "":
			t.Fatalf("%s: refused: %s %s", k.id, a.Refused, a.Why)
		default:
			through = int(a.Through)
		}
	}
	return waits
}

// proved stops at the first thing that the store of a stopped or running hub
// cannot prove, and returns the report.
func proved(t testing.TB, s app.Settings) verify.Report {
	t.Helper()
	store, err := sqlstore.Open(context.Background(), filepath.Join(s.Data, app.FileName))
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	r, err := verify.Run(context.Background(), store, "", nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range r.Findings {
		for _, p := range f.Problems {
			t.Errorf("%s: %s", f.Source.Key.Kiosk, p)
		}
	}
	for _, p := range r.Problems {
		t.Error(p)
	}
	return r
}

func TestHub_roundTrip(t *testing.T) {
	before := goleak.IgnoreCurrent()
	s := settings(t)
	hub, err := app.New(context.Background(), app.Options{Settings: s, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	k := newRawKiosk(t, hub, "lounge-1", 1000)
	k.drain(t, 0)
	k.conn.Close()
	if err := hub.Stop(); err != nil {
		t.Fatal(err)
	}
	r := proved(t, s)
	if got := r.Findings[0].Presses; got != 1000 {
		t.Errorf("got %d presses, want 1000", got)
	}
	goleak.VerifyNone(t, before)
}

// Ten thousand full batches arrive at once: the hub stays up, drops what it
// cannot take, says wait, and loses nothing.
func TestHub_flood(t *testing.T) {
	s := settings(t)
	hub := start(t, s)
	const kiosks, batches = 50, 200
	all := make([]*rawKiosk, kiosks)
	payloads := make([][][]byte, kiosks)
	for i := range all {
		all[i] = newRawKiosk(t, hub, "k-"+string(rune('a'+i/26))+string(rune('a'+i%26)), 0)
		k := all[i]
		k.full = 50
		// Full in bytes too: comments by the hundred.
		for n := 0; len(k.records) < batches*50; n++ {
			k.add(feedback.Press{Rating: n % 3, Held: 80}, int64(3000*(n+1)))
			k.add(feedback.Unknown{Name: feedback.Kind(fill)}, int64(3000*(n+1)))
		}
		for b := range batches {
			payloads[i] = append(payloads[i], k.batch(t, int64(b), b*50+1, 50))
		}
	}
	t.Logf("%d batches of %d bytes", kiosks*batches, len(payloads[0][0]))
	began := time.Now()
	done := make(chan bool)
	for i, k := range all {
		go func() {
			defer func() { done <- true }()
			for _, p := range payloads[i] {
				k.send(t, p)
			}
		}()
	}
	for range all {
		<-done
	}
	t.Logf("sent after %v: %+v", time.Since(began), hub.Stats())
	waits := 0
	for _, k := range all {
		for more := true; more; {
			select {
			case a := <-k.acks:
				if a.Refused == wire.RefusedBusy {
					waits++
					if a.Wait < 1 {
						t.Error("told to wait for no time")
					}
				}
			default:
				more = false
			}
		}
	}
	for _, k := range all {
		waits += k.drain(t, 1000)
	}
	t.Logf("all stored after %v: %+v, told to wait %d times", time.Since(began), hub.Stats(), waits)
	if hub.Stats().Dropped == 0 || waits == 0 {
		t.Errorf("dropped %d, waits %d: the flood was none", hub.Stats().Dropped, waits)
	}
	r := proved(t, s)
	for i, f := range r.Findings {
		if want := int64(len(all[i].records)); f.Received != want {
			t.Errorf("%s: got %d records, want %d", f.Source.Key.Kiosk, f.Received, want)
		}
	}
}

// fill is a kind nobody knows, as long as makes 25 of them half a batch.
var fill = func() string {
	b := make([]byte, 2400)
	for i := range b {
		b[i] = 'x'
	}
	return string(b)
}()
