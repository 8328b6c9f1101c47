package settings_test

import (
	"bytes"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"sourire/internal/setting"
	"sourire/kiosk/settings"
)

// good returns settings that pass, with a data folder of the test's own.
func good(t *testing.T) settings.Settings {
	t.Helper()
	s := settings.Defaults()
	s.Data = t.TempDir()
	s.Kiosk.ID = "k-1"
	return s
}

func TestDefaults_NeedOnlyAName(t *testing.T) {
	s := settings.Defaults()
	if err := s.Check(); err == nil || !strings.Contains(err.Error(), "kiosk.id is empty") {
		t.Errorf("got %v, want a sentence about kiosk.id", err)
	}
	s.Kiosk.ID = "k-1"
	if err := s.Check(); err != nil {
		t.Error(err)
	}
}

func TestSettings_PrintAndLoad(t *testing.T) {
	var text bytes.Buffer
	if err := setting.Print(&text, settings.Defaults(), "SOURIRE_KIOSK"); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "kiosk.toml")
	if err := os.WriteFile(file, text.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	got, err := setting.Load(settings.Defaults(), setting.Source{File: file})
	for _, list := range []*[]string{&got.Buttons.Lines, &got.Lamps.Lines} {
		if len(*list) == 0 {
			*list = nil // a list of none is none
		}
	}
	if err != nil || !reflect.DeepEqual(got, settings.Defaults()) {
		t.Errorf("got %+v and %v, want the defaults", got, err)
	}
}

func TestSettings_Check(t *testing.T) {
	tests := []struct {
		name string
		do   func(*settings.Settings)
		want []string
	}{
		{"data", func(s *settings.Settings) { s.Data = "" }, []string{"data is empty", "folder"}},
		{"id", func(s *settings.Settings) { s.Kiosk.ID = "K 1" }, []string{"kiosk.id", `"K 1"`}},
		{"reserved id", func(s *settings.Settings) { s.Kiosk.ID = "hub" }, []string{"kiosk.id", "reserved"}},
		{"site", func(s *settings.Settings) { s.Kiosk.Site = "" }, []string{"kiosk.site"}},
		{"touchpoint", func(s *settings.Settings) { s.Kiosk.Touchpoint = "a.b" }, []string{"kiosk.touchpoint"}},
		{"survey", func(s *settings.Settings) { s.Kiosk.Survey = "é" }, []string{"kiosk.survey"}},
		{"scale", func(s *settings.Settings) { s.Kiosk.Scale = "smiley6" }, []string{"kiosk.scale", "smiley5"}},
		{"language", func(s *settings.Settings) { s.Kiosk.Language = "français" }, []string{"kiosk.language", "fr"}},
		{"no language", func(s *settings.Settings) { s.Kiosk.Language = "" }, []string{"kiosk.language", "fr"}},
		{"buttons for other faces", func(s *settings.Settings) { s.Buttons.Lines = []string{"a", "b"} }, []string{"buttons.lines", "2 lines", "smiley3 has 3 faces"}},
		{"a line of two buttons", func(s *settings.Settings) { s.Buttons.Lines = []string{"a", "b", "a"} }, []string{"buttons.lines", `"a" twice`}},
		{"a line of a button and a lamp", func(s *settings.Settings) {
			s.Buttons.Lines, s.Lamps.Lines = []string{"a", "b", "c"}, []string{"c"}
		}, []string{"lamps.lines", `"c" twice`}},
		{"a lamp without a line", func(s *settings.Settings) { s.Lamps.Lines = []string{""} }, []string{"lamps.lines", "empty name"}},
		{"a debounce that swallows presses", func(s *settings.Settings) {
			s.Buttons.Lines, s.Buttons.Debounce = []string{"a", "b", "c"}, 20*time.Millisecond
		}, []string{"buttons.debounce", "15ms"}},
		{"address", func(s *settings.Settings) { s.Hub.Address = "hub:1883" }, []string{"hub.address", "mqtt://"}},
		{"two keys", func(s *settings.Settings) { s.Hub.Key, s.Hub.KeyFile = "a", "b" }, []string{"hub.key", "hub.key_file", "keep one"}},
		{"authority in the clear", func(s *settings.Settings) { s.Hub.CAFile = "ca.pem" }, []string{"hub.ca_file", "mqtts://"}},
		{"keep", func(s *settings.Settings) { s.Journal.Keep = 0 }, []string{"journal.keep", "1h"}},
		{"size", func(s *settings.Settings) { s.Journal.MaxSize = 1000 }, []string{"journal.max_size", "1048576"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := good(t)
			tt.do(&s)
			err := s.Check()
			if err == nil {
				t.Fatal("got no error")
			}
			for _, want := range tt.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("got %q, want %q in it", err, want)
				}
			}
		})
	}
}

func TestSettings_Key(t *testing.T) {
	s := good(t)
	if key, err := s.Key(); key != "" || err != nil {
		t.Errorf("got %q and %v, want no key", key, err)
	}
	s.Hub.Key = "sesame"
	if key, err := s.Key(); key != "sesame" || err != nil {
		t.Errorf("got %q and %v, want the setting", key, err)
	}
	s.Hub.Key, s.Hub.KeyFile = "", s.Path("key")
	if _, err := s.Key(); err == nil || !strings.Contains(err.Error(), "hub.key_file") {
		t.Errorf("got %v, want a sentence that names the setting", err)
	}
	tests := []struct{ text, want string }{{"sesame\n", "sesame"}, {" a b \r\n", "a b"}, {"", ""}, {"one\ntwo\n", ""}, {"\n", ""}}
	for _, tt := range tests {
		text, want := tt.text, tt.want
		if err := os.WriteFile(s.Path("key"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if key, err := s.Key(); key != want || (err != nil) != (want == "") {
			t.Errorf("%q: got %q and %v, want %q", text, key, err, want)
		}
	}
}
