package app_test

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"sourire/hub/app"
)

// What lies in the file of the kiosks' key is a key, or is told of.
func TestNew_kioskKey(t *testing.T) {
	for name, test := range map[string]struct {
		text    string
		refused bool
		warned  bool
		want    string // "": one that was drawn
	}{
		"a key":        {text: "sesame\n", want: "sesame"},
		"of a windows": {text: "sesame\r\n", want: "sesame"},
		"emptied":      {text: "", warned: true},
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
			if err := os.WriteFile(path, []byte(test.text), 0o600); err != nil {
				t.Fatal(err)
			}
			var log lines
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
			if got := strings.Contains(log.String(), path) && strings.Contains(log.String(), "a new key was drawn"); got != test.warned {
				t.Errorf("got warned %v, want %v: %s", got, test.warned, log.String())
			}
		})
	}
}
