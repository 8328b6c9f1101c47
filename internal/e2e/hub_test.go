package e2e

import (
	"bytes"
	"context"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"sourire/hub/app"
	"sourire/hub/store/sqlstore"
	"sourire/hub/verify"
	"sourire/internal/e2e/rawkiosk"
	"sourire/internal/wire"
)

func hubSettings(t testing.TB) app.Settings {
	s := app.Defaults()
	s.Data = filepath.Join(t.TempDir(), "hub")
	s.Web.Listen, s.Broker.Listen = "127.0.0.1:0", "127.0.0.1:0"
	s.Kiosks.Key = "key"
	return s
}

// startHub runs a hub until the test ends.
func startHub(t testing.TB, s app.Settings) *app.App {
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

func dialRaw(t testing.TB, hub *app.App, id string) *rawkiosk.Kiosk {
	t.Helper()
	k, err := rawkiosk.Dial(context.Background(), hub.BrokerAddr(), hub.Key(), id)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(k.Close)
	return k
}

func drain(t testing.TB, k *rawkiosk.Kiosk) (waits int) {
	t.Helper()
	waits, err := k.Drain()
	if err != nil {
		t.Fatal(err)
	}
	return waits
}

// proved fails the test for everything that a store, of a stopped or a running
// hub, cannot prove.
func proved(t testing.TB, s app.Settings) verify.Report {
	t.Helper()
	store, err := app.OpenStore(context.Background(), s, sqlstore.Options{MustExist: true})
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
	s := hubSettings(t)
	hub, err := app.New(context.Background(), app.Options{Settings: s, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	k := dialRaw(t, hub, "lounge-1")
	k.Press(1000)
	drain(t, k)
	k.Close()
	if err := hub.Stop(); err != nil {
		t.Fatal(err)
	}
	if got := proved(t, s).Findings[0].Presses; got != 1000 {
		t.Errorf("got %d presses, want 1000", got)
	}
	goleak.VerifyNone(t, before)
}

// Ten thousand full batches arrive at once: the hub stays up, drops what it
// cannot take, says wait, and loses nothing.
func TestHub_flood(t *testing.T) {
	s := hubSettings(t)
	hub := startHub(t, s)
	f := newFlood(t, "kiosk")
	f.connect(t, hub.BrokerAddr(), hub.Key())
	began := time.Now()
	if err := f.send(nil); err != nil {
		t.Error(err)
	}
	t.Logf("sent after %v: %+v", time.Since(began), hub.Stats())
	if err := f.heard(); err != nil {
		t.Error(err)
	}
	if err := f.drain(nil); err != nil {
		t.Fatal(err)
	}
	waits := f.told()
	t.Logf("all stored after %v: %+v, told to wait %d times", time.Since(began), hub.Stats(), waits)
	if hub.Stats().Dropped == 0 || waits == 0 {
		t.Errorf("dropped %d, waits %d: the flood was none", hub.Stats().Dropped, waits)
	}
	provedFloods(t, s, f)
}

// Garbage costs its sender an answer, and its neighbours nothing.
func TestHub_garbage(t *testing.T) {
	s := hubSettings(t)
	hub := startHub(t, s)
	good := dialRaw(t, hub, "good")
	good.Press(10)
	drain(t, good)
	for name, c := range map[string]struct {
		payload string
		answer  bool // whether the sender can be told
	}{
		"bytes":           {"\x00\xff\xfe", false},
		"not an envelope": {`[1,2,3]`, false},
		"no request":      {`{"v":1}`, false},
		"other version":   {`{"re":["n",5],"v":9,"epoch":"0000000000000007","first":1}`, true},
		"broken off":      {`{"v":1,"re":["n",5],"epoch":"00000000000`, true},
		"no epoch":        {`{"v":1,"re":["n",5],"first":1}`, true},
		"above 64 KiB":    {`{"v":1,"re":["n",5],"records":["` + strings.Repeat("x", 65<<10) + `"]}`, true},
	} {
		t.Run(name, func(t *testing.T) {
			k := dialRaw(t, hub, "bad-"+strings.NewReplacer(" ", "-", "KiB", "k").Replace(name))
			if err := k.Send([]byte(c.payload)); err != nil {
				t.Fatal(err)
			}
			if c.answer {
				a, err := k.Answer(5)
				if err != nil || a.Refused != wire.RefusedUnreadable || a.Why == "" {
					t.Errorf("got %+v, %v, want a refusal with a reason", a, err)
				}
			}
			k.Press(5)
			drain(t, k) // it is heard again once it speaks properly
		})
	}
	t.Run("10 MB", func(t *testing.T) {
		k := dialRaw(t, hub, "huge")
		_ = k.Send(bytes.Repeat([]byte("x"), 10<<20)) // the broker hangs up
		if _, err := k.Answer(1); err == nil {
			t.Error("got an answer, want the connection closed")
		}
	})
	good.Press(10)
	drain(t, good)
	for _, f := range proved(t, s).Findings {
		if f.Source.Key.Kiosk == "good" && f.Presses != 20 {
			t.Errorf("got %d presses of the good kiosk, want 20", f.Presses)
		}
	}
}
