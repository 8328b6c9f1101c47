package app_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"sourire/internal/mosquittotest"
	"sourire/kiosk/app"
	"sourire/kiosk/settings"
)

// What was noted of the link goes away when it is no longer true and the new word
// finds no place, so that status tells nothing false.
func TestKiosk_Link_noteWithoutRoom(t *testing.T) {
	o := options(t)
	k := open(t, o)
	path := filepath.Join(o.Settings.Data, app.NoteFile)
	if err := os.Mkdir(path, 0o700); err != nil { // no file can take its place
		t.Fatal(err)
	}
	stop := start(t, k)
	defer stop()
	await(t, "the note is gone", func() bool {
		_, err := os.Lstat(path)
		return errors.Is(err, fs.ErrNotExist)
	})
}

// A kiosk that is not let in says which of its settings is wrong.
func TestKiosk_Link_refused(t *testing.T) {
	b := mosquittotest.Start(t, mosquittotest.Options{Users: []mosquittotest.User{{Name: "k1", Password: "right"}}})
	file := filepath.Join(t.TempDir(), "kiosk-key")
	if err := os.WriteFile(file, []byte("wrong\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		change func(*settings.Settings)
		want   string
	}{
		"no key":    {func(*settings.Settings) {}, "hub.key and hub.key_file are empty: copy the file kiosk-key of the hub's data folder"},
		"wrong key": {func(s *settings.Settings) { s.Hub.Key = "wrong" }, "hub.key is not the hub's key: copy the file kiosk-key"},
		"wrong file": {
			func(s *settings.Settings) { s.Hub.KeyFile = file },
			file + ", of hub.key_file, is not the hub's key: copy the file kiosk-key",
		},
		"nobody": {func(s *settings.Settings) { s.Hub.Address = "mqtt://127.0.0.1:1" }, "hub.address is its host and port"},
	} {
		t.Run(name, func(t *testing.T) {
			o := options(t)
			o.Settings.Hub.Address = b.URL()
			test.change(&o.Settings)
			k := open(t, o)
			stop := start(t, k)
			defer stop()
			await(t, "the kiosk says why: "+test.want, func() bool { return strings.Contains(k.Link().Trouble, test.want) })
		})
	}
}
