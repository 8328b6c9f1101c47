package app_test

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"sourire/hub/app"
	"sourire/internal/transcript"
)

// What lies in the file of the kiosks' key is a key, or is told of.
func TestNew_kioskKey(t *testing.T) {
	for name, test := range map[string]struct {
		text    string
		gone    bool // there is no file
		served  bool // the folder has had a hub
		refused bool
		warned  bool
		want    string // "": one that was drawn
	}{
		"a key":        {text: "sesame\n", want: "sesame"},
		"of a windows": {text: "sesame\r\n", want: "sesame"},
		"emptied":      {text: "", warned: true},
		"gone":         {gone: true, served: true, warned: true},
		"a new hub":    {gone: true},
		"blank":        {text: " \n", warned: true},
		"random bytes": {text: strings.Repeat("\x00\xff\x81", 33), refused: true},
		"two lines":    {text: "one\ntwo\n", refused: true},
		"too long":     {text: strings.Repeat("x", 70_000), refused: true},
	} {
		t.Run(name, func(t *testing.T) {
			s := settings(t)
			s.Kiosks.Key = ""
			path := filepath.Join(s.Data, app.KeyFile)
			if err := os.MkdirAll(s.Data, 0o700); err != nil {
				t.Fatal(err)
			}
			if !test.gone {
				write(t, path, test.text)
			}
			if test.served {
				serveOnce(t, s)
			}
			var log transcript.Buffer
			o := options(s)
			o.Log = slog.New(slog.NewTextHandler(&log, nil))
			a, err := app.New(context.Background(), o)
			if test.refused {
				if err == nil {
					_ = a.Stop()
					t.Fatal("got a hub, want an error")
				}
				if !strings.Contains(err.Error(), path+" does not hold the kiosks' key") {
					t.Errorf("got %v, want it to name the file", err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			defer a.Stop()
			if got := a.Key(); got == "" || test.want != "" && got != test.want {
				t.Errorf("got key %q, want %q", got, test.want)
			}
			if got := strings.Contains(log.String(), path) && strings.Contains(log.String(), "or gone and a new key was drawn"); got != test.warned {
				t.Errorf("got warned %v, want %v: %s", got, test.warned, log.String())
			}
		})
	}
}

// serveOnce lets a hub begin in the folder and end. It embeds no broker, which would
// leave goroutines behind when stopped at once.
func serveOnce(t *testing.T, s app.Settings) {
	t.Helper()
	s.Broker.Address = "mqtt://127.0.0.1:1"
	a, err := app.New(context.Background(), options(s))
	if err != nil {
		t.Fatal(err)
	}
	if err := a.Stop(); err != nil {
		t.Fatal(err)
	}
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// A key in the settings that no kiosk could read from its file is refused.
func TestSettings_Check_kiosksKey(t *testing.T) {
	for key, good := range map[string]bool{"": true, "sesame": true, " " + "sesame": false, "a\nb": false, "\xff": false} {
		s := settings(t)
		s.Kiosks.Key = key
		if err := s.Check(); (err == nil) != good || err != nil && !strings.Contains(err.Error(), "setting kiosks.key ") {
			t.Errorf("%q: got %v, want it good: %v", key, err, good)
		}
	}
}
