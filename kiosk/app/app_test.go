package app_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"sourire/internal/durable"
	"sourire/internal/feedback"
	"sourire/internal/link"
	"sourire/internal/mosquittotest"
	"sourire/internal/wire"
	"sourire/kiosk/app"
	"sourire/kiosk/input"
	"sourire/kiosk/journal"
	"sourire/kiosk/session"
	"sourire/kiosk/settings"
	"sourire/kiosk/uplink"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const deadline = 20 * time.Second

func quiet() *slog.Logger { return slog.New(slog.NewTextHandler(io.Discard, nil)) }

func options(t *testing.T) app.Options {
	s := settings.Defaults()
	s.Data = filepath.Join(t.TempDir(), "data")
	s.Kiosk.ID = "k1"
	s.Hub.Address = "mqtt://127.0.0.1:1" // nobody is there
	return app.Options{Settings: s, Log: quiet(), Version: "test"}
}

func open(t *testing.T, o app.Options) *app.Kiosk {
	t.Helper()
	k, err := app.New(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = k.Close() })
	return k
}

// start runs a kiosk until stop.
func start(t *testing.T, k *app.Kiosk) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- k.Run(ctx) }() // awaited by stop
	stop = sync.OnceFunc(func() {
		cancel()
		select {
		case err := <-ended:
			if err != nil {
				t.Errorf("Run: %v", err)
			}
		case <-time.After(deadline):
			t.Error("Run did not return")
		}
	})
	t.Cleanup(stop)
	return stop
}

func await(t *testing.T, what string, so func() bool) {
	t.Helper()
	late := time.After(deadline)
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for !so() {
		select {
		case <-late:
			t.Fatalf("waited in vain until %s", what)
		case <-tick.C:
		}
	}
}

// seen is a front that remembers.
type seen struct {
	mu     sync.Mutex
	views  []session.View
	thanks int
}

func (s *seen) Show(v session.View) { s.mu.Lock(); defer s.mu.Unlock(); s.views = append(s.views, v) }
func (s *seen) Thank()              { s.mu.Lock(); defer s.mu.Unlock(); s.thanks++ }

func (s *seen) last() session.View {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.views[len(s.views)-1]
}

func (s *seen) thanked() int { s.mu.Lock(); defer s.mu.Unlock(); return s.thanks }

// fingers is a source that a test drives.
type fingers chan input.Signal

func (f fingers) Run(ctx context.Context, emit func(input.Signal)) error {
	for {
		select {
		case s := <-f:
			emit(s)
		case <-ctx.Done():
			return nil
		}
	}
}

// A kiosk without a hub: a press is on disk, its visitor is thanked, and the
// faces come back by themselves.
func TestKiosk_offline(t *testing.T) {
	o := options(t)
	front, source := new(seen), make(fingers)
	o.Front, o.Sources = front, []input.Source{source}
	k := open(t, o)
	if got := front.last(); got.Screen != session.Faces || got.Scale.Steps != 3 || got.Words.Question == "" {
		t.Errorf("got %+v at the start, want three faces and a question", got)
	}
	stop := start(t, k)
	source <- input.Signal{Kind: input.Press, Place: 2}
	await(t, "thanks", func() bool { return front.thanked() == 1 && front.last().Screen == session.Thanks })
	e, err := k.Press(t.Context(), 0)
	if err != nil || e.Record.Fact != (feedback.Press{Rating: 0}) {
		t.Errorf("got %+v, %v", e, err)
	}
	await(t, "faces", func() bool { return front.last().Screen == session.Faces })
	s, err := k.Status(t.Context())
	if err != nil || s.Journal.Presses != 2 || s.Journal.QueuedPresses != 2 || s.Link.Connected {
		t.Errorf("got %+v, %v", s, err)
	}
	if _, err := k.Press(t.Context(), 3); err == nil || !strings.Contains(err.Error(), "from 0 to 2") {
		t.Errorf("got %v, want the ratings that there are", err)
	}
	stop()

	// Another start: the numbers go on, the plan is not repeated.
	k = open(t, o)
	again, err := k.Press(t.Context(), 1)
	if err != nil || again.Epoch != e.Epoch || again.Seq != e.Seq+3 {
		t.Errorf("got %v %d after %d, %v, want boot, wall and the press", again.Epoch, again.Seq, e.Seq, err)
	}
}

// failing fails the appends of presses while it is told to.
type failing struct {
	app.Appender
	mu     sync.Mutex
	broken error
}

func (f *failing) set(err error) { f.mu.Lock(); defer f.mu.Unlock(); f.broken = err }

func (f *failing) AppendAt(ctx context.Context, at journal.At, facts ...feedback.Fact) ([]journal.Entry, error) {
	f.mu.Lock()
	err := f.broken
	f.mu.Unlock()
	if err != nil {
		return nil, err
	}
	return f.Appender.AppendAt(ctx, at, facts...)
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

// A full disk is told of once, not at each press, and so is its end.
func TestKiosk_fullDiskSaidOnce(t *testing.T) {
	o := options(t)
	f, log := new(failing), new(lines)
	o.Log = slog.New(slog.NewTextHandler(log, nil))
	o.WrapAppender = func(a app.Appender) app.Appender { f.Appender = a; return f }
	k := open(t, o)
	f.set(journal.ErrFull)
	for range 5 {
		if _, err := k.Press(t.Context(), 1); !errors.Is(err, journal.ErrFull) {
			t.Errorf("got %v, want ErrFull", err)
		}
	}
	if n := strings.Count(log.String(), "cannot be stored"); n != 1 {
		t.Errorf("got %d lines, want one:\n%s", n, log)
	}
	f.set(nil)
	for range 2 {
		if _, err := k.Press(t.Context(), 1); err != nil {
			t.Error(err)
		}
	}
	if n := strings.Count(log.String(), "stored again\" not_stored=5"); n != 1 {
		t.Errorf("got %d ends, want one:\n%s", n, log)
	}
}

// A language without words is told of, for visitors see another.
func TestKiosk_languageWithoutWords(t *testing.T) {
	for language, warned := range map[string]bool{"pl": true, "de": false, "fr": false, "fr-CH": false, "en": false} {
		o, log := options(t), new(lines)
		o.Log, o.Settings.Kiosk.Language = slog.New(slog.NewTextHandler(log, nil)), language
		open(t, o)
		if got := strings.Contains(log.String(), "kiosk.language"); got != warned {
			t.Errorf("%s: got warned %v, want %v: %s", language, got, warned, log)
		}
	}
}

// What is not on disk is never thanked; the kiosk says that there is trouble,
// and goes on when the disk does.
func TestKiosk_thanksAfterDurable(t *testing.T) {
	o := options(t)
	front, f := new(seen), new(failing)
	o.Front = front
	o.WrapAppender = func(a app.Appender) app.Appender { f.Appender = a; return f }
	k := open(t, o)
	f.set(journal.ErrFull)
	if _, err := k.Press(t.Context(), 1); !errors.Is(err, journal.ErrFull) {
		t.Errorf("got %v, want ErrFull", err)
	}
	if front.thanked() != 0 || !front.last().Trouble {
		t.Errorf("got %d thanks and %+v, want none, and trouble", front.thanked(), front.last())
	}
	f.set(nil)
	if _, err := k.Press(t.Context(), 1); err != nil {
		t.Error(err)
	}
	if front.thanked() != 1 || front.last().Trouble {
		t.Errorf("got %d thanks and %+v, want one, and no trouble", front.thanked(), front.last())
	}
}

// A plan of the hub: its fact goes before the next press, a birth reports it,
// and it is kept for the next start. Bad plans change nothing.
func TestKiosk_plan(t *testing.T) {
	b := mosquittotest.Start(t, mosquittotest.Options{Users: []mosquittotest.User{
		{Name: "k1", Password: "secret"}, {Name: "hub_1", Password: "h", Hub: true},
	}})
	births := make(chan wire.State, 100)
	hub, err := link.Dial(t.Context(), link.Options{
		Address: b.URL(), ClientID: "hub_1", Username: "hub_1", Password: "h", Subscriptions: []string{wire.EveryKiosk(wire.TopicState)},
		Handler: func(m link.Message) {
			if s, err := wire.Decode[wire.State](m.Payload); err == nil {
				births <- s
			}
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer hub.Close()
	o := options(t)
	o.Settings.Hub.Address, o.Settings.Hub.Key = b.URL(), "secret"
	o.Times = uplink.Times{Redial: 10 * time.Millisecond}
	k := open(t, o)
	stop := start(t, k)
	<-births
	plan := wire.Encode(wire.Plan{V: wire.Version, Touchpoint: "till-3", Survey: "queue", Scale: "smiley4"})
	for _, p := range [][]byte{[]byte("{"), []byte(`{"v":1,"scale":"stars"}`), plan} {
		if err := hub.Publish(t.Context(), link.Message{Topic: wire.Topic("k1", wire.TopicPlan), Payload: p, QoS: 1, Retained: true}); err != nil {
			t.Fatal(err)
		}
	}
	if got := <-births; got.Plan != feedback.NewPlanID(plan) || got.Version != "test" {
		t.Errorf("got %+v, want the plan reported", got)
	}
	if _, err := k.Press(t.Context(), 4); err != nil {
		t.Errorf("got %v, want a fourth face", err)
	}
	stop()
	if got := <-births; got.Online {
		t.Errorf("got %+v, want a goodbye", got)
	}
	o.Offline = true
	k = open(t, o)
	s, err := k.Status(t.Context())
	want := feedback.Asked{Site: "main", Touchpoint: "till-3", Survey: "queue", Scale: "smiley4"}
	if err != nil || s.Plan.Asked != want || s.Journal.Asked.Asked != want {
		t.Errorf("got %+v, %v, want %+v after a restart", s.Plan.Asked, err, want)
	}
}

// Each refusal is a sentence, and leaves nothing behind.
func TestNew_refuses(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, []byte("no certificate"), 0o600); err != nil {
		t.Fatal(err)
	}
	cases := map[string]struct {
		bend func(*settings.Settings)
		want string
	}{
		"no id":        {func(s *settings.Settings) { s.Kiosk.ID = "" }, "kiosk.id"},
		"bad address":  {func(s *settings.Settings) { s.Hub.Address = "http://hub" }, "hub.address"},
		"no key":       {func(s *settings.Settings) { s.Hub.KeyFile = file + "x" }, "hub.key_file"},
		"no CA":        {func(s *settings.Settings) { s.Hub.Address, s.Hub.CAFile = "mqtts://hub", file }, "hub.ca_file"},
		"folder: file": {func(s *settings.Settings) { s.Data = file }, "a file has its name"},
	}
	for name, test := range cases {
		t.Run(name, func(t *testing.T) {
			o := options(t)
			test.bend(&o.Settings)
			_, err := app.New(t.Context(), o)
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want a sentence about %s", err, test.want)
			}
		})
	}
	o := options(t)
	open(t, o)
	if _, err := app.New(t.Context(), o); !errors.Is(err, durable.ErrLocked) {
		t.Errorf("got %v for a second instance, want ErrLocked", err)
	}
}

// A damaged journal ends nothing: the kiosk sets it aside and goes on.
func TestNew_damagedJournal(t *testing.T) {
	o := options(t)
	k := open(t, o)
	if _, err := k.Press(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	if err := k.Close(); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(o.Settings.Data, app.JournalFile)
	if err := os.WriteFile(path, slices.Repeat([]byte("noise"), 3000), 0o600); err != nil {
		t.Fatal(err)
	}
	k = open(t, o)
	if _, err := k.Press(t.Context(), 1); err != nil {
		t.Error(err)
	}
}

// A journal that is gone from a folder in which a kiosk has run is told of; a new
// kiosk's is not.
func TestNew_journalGone(t *testing.T) {
	o, log := options(t), new(lines)
	o.Log = slog.New(slog.NewTextHandler(log, nil))
	if err := open(t, o).Close(); err != nil {
		t.Fatal(err)
	}
	if got := log.String(); strings.Contains(got, "is gone") {
		t.Errorf("got %s for a new kiosk, want nothing", got)
	}
	path := filepath.Join(o.Settings.Data, app.JournalFile)
	for _, err := range []error{
		os.Remove(path), os.WriteFile(filepath.Join(o.Settings.Data, app.NoteFile), []byte("{}"), 0o600),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	open(t, o)
	if got := log.String(); strings.Count(got, "its journal is gone") != 1 || !strings.Contains(got, path) {
		t.Errorf("got %s, want it to name the file that is gone", got)
	}
}

// Presses that wait when the kiosk stops are taken: their fingers were there.
func TestKiosk_Run_drains(t *testing.T) {
	o := options(t)
	o.Offline = true
	source := make(fingers)
	o.Sources = []input.Source{source}
	k := open(t, o)
	stop := start(t, k)
	const n = 100
	for i := range n {
		source <- input.Signal{Kind: input.Press, Place: i % 3}
	}
	stop()
	s, err := journal.Inspect(t.Context(), journal.Options{Path: filepath.Join(o.Settings.Data, app.JournalFile)})
	if err != nil || s.Presses != n {
		t.Errorf("got %d presses, %v, want %d", s.Presses, err, n)
	}
}
