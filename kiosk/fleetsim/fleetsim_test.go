package fleetsim_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"sourire/internal/feedback"
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

// Links are cut in the middle of bursts, and what arrives is what the ledger
// says, each press once.
func TestRun_cuts(t *testing.T) { runCuts(t, 7) }

// runCuts returns how often links were cut.
func runCuts(t *testing.T, seed uint64) int64 {
	b := mosquittotest.Start(t, mosquittotest.Options{})
	h := startTaker(t, b.URL())
	s := settings.Defaults()
	s.Hub.Address = b.URL()
	var ledger bytes.Buffer
	reports := 0
	tally, err := fleetsim.Run(t.Context(), fleetsim.Options{
		Kiosks: 4, Folder: t.TempDir(), Settings: s, Arrivals: script.Poisson(200_000), Count: 100, Seed: seed,
		CutEvery: 200 * time.Millisecond, CutFor: 50 * time.Millisecond, Ledger: &ledger,
		Each:     func(i int, s *settings.Settings) { s.Kiosk.Touchpoint = []string{"exit", "till"}[i%2] },
		Progress: func(fleetsim.Tally) { reports++ },
		Times:    uplink.Times{Answer: 100 * time.Millisecond, Redial: 5 * time.Millisecond, RedialMax: 50 * time.Millisecond},
		Log:      slog.New(slog.NewTextHandler(io.Discard, nil)),
	})
	if err != nil || tally.Pressed != 400 || tally.Durable != 400 || tally.Queued != 0 || !tally.Settled || tally.Cuts == 0 {
		t.Errorf("got %+v, %v, want 400 presses and cuts", tally, err)
	}
	if reports == 0 {
		t.Error("got no report of progress")
	}
	lines := strings.Split(strings.TrimSpace(ledger.String()), "\n")
	if len(lines) != 400 || len(h.presses) != 400 {
		t.Errorf("got %d lines and %d presses, want 400", len(lines), len(h.presses))
	}
	for _, text := range lines {
		var line struct {
			Kiosk feedback.KioskID
			Epoch feedback.Epoch
			Seq   feedback.Seq
		}
		if err := json.Unmarshal([]byte(text), &line); err != nil {
			t.Fatal(err)
		}
		key, _ := json.Marshal([]any{line.Kiosk, line.Epoch, line.Seq})
		if got := h.presses[string(key)]; got != 1 {
			t.Errorf("%s arrived %d times, want once", key, got)
		}
	}
	return tally.Cuts
}
