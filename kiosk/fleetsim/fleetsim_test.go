package fleetsim_test

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"sourire/internal/feedback"
	"sourire/internal/ledger"
	"sourire/internal/link"
	"sourire/internal/mosquittotest"
	"sourire/internal/wire"
	"sourire/kiosk/fleetsim"
	"sourire/kiosk/input/script"
	"sourire/kiosk/settings"
	"sourire/kiosk/uplink"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// taker is the least that kiosks take for a hub: it keeps whatever follows on.
type taker struct {
	mu      sync.Mutex
	through map[string]feedback.Seq
	presses map[string]int // by kiosk, epoch and number
}

func (h *taker) answer(k feedback.KioskID, b wire.Batch) wire.Ack {
	h.mu.Lock()
	defer h.mu.Unlock()
	journal := string(k) + " " + b.Epoch.String()
	for i, body := range b.Records {
		seq := b.First + feedback.Seq(i)
		if seq != h.through[journal]+1 {
			continue
		}
		h.through[journal] = seq
		if r, err := wire.DecodeRecord(body); err == nil && r.Fact.Kind() == feedback.KindPress {
			key, _ := json.Marshal([]any{k, b.Epoch, seq})
			h.presses[string(key)]++
		}
	}
	return wire.Ack{V: wire.Version, Re: b.Re, Store: "s", Term: 1, Epoch: b.Epoch, Through: h.through[journal]}
}

func startTaker(t *testing.T, url string) *taker {
	t.Helper()
	h := &taker{through: map[string]feedback.Seq{}, presses: map[string]int{}}
	in := make(chan link.Message, 10_000)
	c, err := link.Dial(t.Context(), link.Options{
		Address: url, ClientID: "hub_1", Subscriptions: []string{wire.EveryKiosk(wire.TopicJournal)},
		Handler: func(m link.Message) { in <- m },
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var serving sync.WaitGroup
	serving.Go(func() {
		for {
			select {
			case m := <-in:
				k, _, _ := wire.ParseTopic(m.Topic)
				if b, err := wire.DecodeBatch(m.Payload); err == nil {
					_ = c.Publish(ctx, link.Message{Topic: wire.Topic(k, wire.TopicAck), Payload: wire.Encode(h.answer(k, b))})
				}
			case <-ctx.Done():
				return
			}
		}
	})
	t.Cleanup(func() { cancel(); serving.Wait(); c.Close() })
	return h
}

// run runs a fleet against the taker and compares what arrived with the ledger.
func run(t *testing.T, change func(*fleetsim.Options)) fleetsim.Tally {
	t.Helper()
	b := mosquittotest.Start(t, mosquittotest.Options{})
	h := startTaker(t, b.URL())
	s := settings.Defaults()
	s.Hub.Address = b.URL()
	var text bytes.Buffer
	o := fleetsim.Options{
		Kiosks: 4, Folder: t.TempDir(), Settings: s, Arrivals: script.Poisson(200_000), Count: 100, Seed: 7, Ledger: &text,
		Each:  func(i int, s *settings.Settings) { s.Kiosk.Touchpoint = []string{"exit", "till"}[i%2] },
		Times: uplink.Times{Answer: 100 * time.Millisecond, Redial: 5 * time.Millisecond, RedialMax: 50 * time.Millisecond},
		Log:   slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelError})),
	}
	change(&o)
	tally, err := fleetsim.Run(t.Context(), o)
	if err != nil || tally.Pressed != 400 || tally.Durable+tally.Dark != 400 || tally.Queued != 0 || !tally.Settled {
		t.Errorf("got %+v, %v, want 400 presses, none of them queued", tally, err)
	}
	book, err := ledger.Read(&text)
	if err != nil {
		t.Fatal(err)
	}
	if n := int64(len(book.Must)); n != tally.Durable || n != int64(len(h.presses)) {
		t.Errorf("got %d presses in the ledger and %d arrived, want %d", n, len(h.presses), tally.Durable)
	}
	for k := range book.Must {
		key, _ := json.Marshal([]any{k.Kiosk, k.Epoch, k.Seq})
		if got := h.presses[string(key)]; got != 1 {
			t.Errorf("%s arrived %d times, want once", key, got)
		}
	}
	return tally
}

// Links are cut in the middle of bursts, and what arrives is what the ledger
// says, each press once.
func TestRun_cuts(t *testing.T) { runCuts(t, 7) }

// runCuts returns how often links were cut.
func runCuts(t *testing.T, seed uint64) int64 {
	t.Helper()
	reports := 0
	tally := run(t, func(o *fleetsim.Options) {
		o.Seed = seed
		o.CutEvery, o.CutFor = 200*time.Millisecond, 50*time.Millisecond
		o.Progress = func(fleetsim.Tally) { reports++ }
	})
	if tally.Cuts == 0 || tally.Dark != 0 || tally.Acknowledged != 400 {
		t.Errorf("got %+v, want cuts, light, and all acknowledged", tally)
	}
	if reports == 0 {
		t.Error("got no report of progress")
	}
	return tally.Cuts
}

// The power is cut in the middle of bursts, clocks jump and answers are lost: what
// was on a card arrives, each press once.
func TestRun_powerCuts(t *testing.T) {
	tally := run(t, func(o *fleetsim.Options) {
		o.PowerEvery, o.PowerFor = 300*time.Millisecond, 20*time.Millisecond
		o.ClockEvery = 100 * time.Millisecond
		o.LostAnswers = 0.2
	})
	if tally.PowerCuts == 0 || tally.ClockJumps == 0 || tally.LostAnswers == 0 {
		t.Errorf("got %+v, want some of each fault", tally)
	}
}

// Another run on the same folders goes on with the same kiosks, and its ledger,
// a new one, holds what the first left on them.
func TestRun_again(t *testing.T) {
	folder := t.TempDir()
	var text bytes.Buffer
	o := fleetsim.Options{
		Kiosks: 2, Folder: folder, Settings: settings.Defaults(), Arrivals: script.Poisson(1_000_000), Count: 10, Ledger: &text,
		Settle: 10 * time.Millisecond, Log: slog.New(slog.DiscardHandler),
	}
	o.Settings.Hub.Address = "mqtt://127.0.0.1:1" // nobody listens
	for n := range 2 {
		text.Reset()
		tally, err := fleetsim.Run(t.Context(), o)
		if err != nil || tally.Queued != int64(20*(n+1)) || tally.Durable != 20 {
			t.Fatalf("run %d: got %+v, %v", n+1, tally, err)
		}
		book, err := ledger.Read(&text)
		if err != nil || len(book.Must) != 20*(n+1) {
			t.Errorf("run %d: got %d presses in the ledger, %v", n+1, len(book.Must), err)
		}
	}
}

func TestRun_refuses(t *testing.T) {
	for want, o := range map[string]fleetsim.Options{
		"nothing to run":                {},
		"share of 1":                    {Kiosks: 1, LostAnswers: 1},
		"1 weights for the 3":           {Kiosks: 2, Settings: settings.Defaults(), Weights: []float64{1}, Folder: t.TempDir()},
		"use 1 to 40 of the characters": {Kiosks: 2, Settings: settings.Defaults(), Prefix: "UPPER", Folder: t.TempDir(), Arrivals: script.Poisson(1)},
	} {
		if _, err := fleetsim.Run(t.Context(), o); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q in it", err, want)
		}
	}
}
