package e2e

import (
	"bytes"
	"context"
	"log/slog"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"sourire/hub/app"
	"sourire/hub/store/sqlstore"
	"sourire/hub/verify"
	"sourire/internal/certtest"
	"sourire/internal/ledger"
	"sourire/internal/transcript"
	"sourire/kiosk/fleetsim"
	"sourire/kiosk/input/script"
	"sourire/kiosk/settings"
	"sourire/kiosk/uplink"
)

// serveHub starts a hub in this process. When it is stopped it has everything.
func serveHub(t *testing.T, change func(*app.Settings)) *app.App {
	t.Helper()
	s := app.Defaults()
	s.Data = filepath.Join(t.TempDir(), "hub")
	s.Web.Listen, s.Broker.Listen = "127.0.0.1:0", "127.0.0.1:0"
	change(&s)
	hub, err := app.New(context.Background(), app.Options{Settings: s, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := hub.Stop(); err != nil {
			t.Error(err)
		}
	})
	return hub
}

// fleet returns a fleet of a hub, and the ledger that it writes.
func fleet(t *testing.T, hub *app.App) (fleetsim.Options, *bytes.Buffer) {
	s := settings.Defaults()
	s.Hub.Address, s.Hub.Key = hub.BrokerAddr(), hub.Key()
	var text bytes.Buffer
	return fleetsim.Options{
		Kiosks: 50, Folder: t.TempDir(), Settings: s, Arrivals: script.Poisson(7200), Count: 20, Seed: 1, Settle: 90 * time.Second, Ledger: &text,
		Times: uplink.Times{Answer: 200 * time.Millisecond, AnswerMax: 2 * time.Second, Redial: 20 * time.Millisecond, RedialMax: 500 * time.Millisecond},
		Log:   slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelError})),
	}, &text
}

// compare holds the hub's store against a ledger, and against itself.
func compare(t *testing.T, data string, text *bytes.Buffer) verify.Comparison {
	t.Helper()
	store, err := sqlstore.Open(t.Context(), filepath.Join(data, app.FileName))
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	report, err := verify.Run(t.Context(), store, "", nil)
	if err != nil || !report.OK() {
		t.Errorf("verify: %v, problems %v", err, report.Problems)
		for _, f := range report.Findings {
			for _, p := range f.Problems {
				t.Errorf("%s %v: %s", f.Source.Key.Kiosk, f.Source.Key.Epoch, p)
			}
		}
	}
	book, err := ledger.Read(bytes.NewReader(text.Bytes()))
	if err != nil {
		t.Fatal(err)
	}
	found, err := verify.Compare(t.Context(), store, book)
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// Everything that the simulator can do to fifty kiosks befalls them, again and
// again; what their ledger says is at the hub, each press once.
func TestSimulator_faults(t *testing.T) {
	var data string
	hub := serveHub(t, func(s *app.Settings) { data = s.Data })
	o, text := fleet(t, hub)
	o.CutEvery, o.CutFor = 3*time.Second, 300*time.Millisecond
	o.PowerEvery, o.PowerFor = 5*time.Second, 200*time.Millisecond
	o.ImageEvery = 3 * time.Second
	o.ClockEvery = 2 * time.Second
	o.LostAnswers = 0.1
	tally, err := fleetsim.Run(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%+v", tally)
	if !tally.Settled || tally.Pressed != 50*20 || tally.Durable+tally.Dark != tally.Pressed {
		t.Errorf("got %+v, want 1000 presses, settled", tally)
	}
	if min(tally.Cuts, tally.PowerCuts, tally.ImagesRestored, tally.ClockJumps, tally.LostAnswers) == 0 {
		t.Errorf("got %+v, want some of each fault", tally)
	}
	found := compare(t, data, text)
	sentences := strings.Join(found.Sentences(), "\n")
	t.Log(sentences)
	if !found.OK() || found.Must+found.Lost != tally.Durable || found.Lost != tally.Gone {
		t.Errorf("got %s\nwant all but %d of %d there", sentences, tally.Gone, tally.Durable)
	}
}

// Fifty kiosks show certificates of their own, and no key. Whose certificate is
// wrong hears so in a sentence, and so does the technician.
func TestSimulator_certificates(t *testing.T) {
	ca, other := certtest.New(t), certtest.New(t)
	server := ca.Server(t, "hub.example", "127.0.0.1")
	var data string
	hub := serveHub(t, func(s *app.Settings) {
		data = s.Data
		s.Broker.TLSCertFile, s.Broker.TLSKeyFile, s.Broker.ClientCAFile = server.Cert, server.Key, ca.File
	})
	o, text := fleet(t, hub)
	o.Settings.Hub.CAFile = ca.File
	o.Settings.Hub.ClientCertFile = filepath.Join(filepath.Dir(ca.File), "{id}.crt")
	o.Settings.Hub.ClientKeyFile = filepath.Join(filepath.Dir(ca.File), "{id}.key")
	if _, err := fleetsim.Run(t.Context(), o); err == nil || !strings.Contains(err.Error(), "hub.client_cert_file") {
		t.Errorf("got %v without certificates, want a sentence", err)
	}
	for i := range o.Kiosks {
		ca.Client(t, "sim-"+strconv.Itoa(i+1))
	}
	o.CutEvery, o.CutFor = 3*time.Second, 100*time.Millisecond
	tally, err := fleetsim.Run(t.Context(), o)
	if err != nil || !tally.Settled || tally.Cuts == 0 {
		t.Fatalf("got %+v, %v, want all settled after some cuts", tally, err)
	}
	if found := compare(t, data, text); !found.OK() || found.Arrived != 1000 {
		t.Errorf("got %v, want 1000 arrived", found.Sentences())
	}

	stranger := other.Client(t, "sim-1")
	for name, c := range map[string]struct {
		change func(*settings.Settings)
		want   string // in an error of Run, or in the log
	}{
		"of another authority": {func(s *settings.Settings) {
			s.Hub.ClientCertFile, s.Hub.ClientKeyFile = stranger.Cert, stranger.Key
		}, "the encrypted connection was refused: remote error: tls: unknown certificate authority"},
		"none": {
			func(s *settings.Settings) { s.Hub.ClientCertFile, s.Hub.ClientKeyFile = "", "" },
			"the encrypted connection was refused: remote error: tls: certificate required",
		},
		"of another kiosk": {func(s *settings.Settings) {
			s.Hub.ClientCertFile = strings.ReplaceAll(s.Hub.ClientCertFile, "{id}", "sim-2")
			s.Hub.ClientKeyFile = strings.ReplaceAll(s.Hub.ClientKeyFile, "{id}", "sim-2")
		}, `sim-2.crt is the certificate of \"sim-2\", and this is kiosk \"sim-1\": copy its own`},
		"a hub of another authority": {
			func(s *settings.Settings) { s.Hub.CAFile = other.File },
			"the encrypted connection was refused: tls: failed to verify certificate: x509: certificate signed by unknown authority",
		},
	} {
		t.Run(name, func(t *testing.T) {
			var log transcript.Buffer
			wrong := o
			wrong.Kiosks, wrong.Count, wrong.Folder, wrong.Ledger, wrong.CutEvery = 1, 1, t.TempDir(), nil, 0
			wrong.Settle = 2 * time.Second
			wrong.Log = slog.New(slog.NewTextHandler(&log, nil))
			c.change(&wrong.Settings)
			tally, err := fleetsim.Run(t.Context(), wrong)
			if tally.Acknowledged != 0 {
				t.Errorf("got %+v, want nothing acknowledged", tally)
			}
			if err != nil {
				wrong.Log.Error("the kiosk does not start", "err", err)
			}
			if text := log.String(); !strings.Contains(text, c.want) {
				t.Errorf("got\n%s\nwant %q in it", text, c.want)
			}
		})
	}
}
