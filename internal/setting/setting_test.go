package setting_test

import (
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"sourire/internal/setting"
)

type site struct {
	Name  string        `toml:"name" help:"The site's name." example:"Gare du Nord"`
	Zone  string        `toml:"zone" help:"Its time zone." example:"Europe/Paris"`
	Open  []string      `toml:"open" help:"Opening hours." example:"08:00, 18:00"`
	Quiet time.Duration `toml:"quiet" help:"When to ask." example:"90m"`
}

type kioskID string

// settings has every kind of field.
type settings struct {
	Data string `toml:"data" help:"The data folder."`
	Hub  struct {
		Address string        `toml:"address" help:"Host and port of the hub."`
		Timeout time.Duration `toml:"timeout" help:"How long to wait, and this is a long sentence, for it must be seen that it wraps where a line ends."`
		TLS     bool          `toml:"tls" help:"Whether the link is \"encrypted\", mutually."`
		Retries int           `toml:"max-retries" help:"How often."`
	} `toml:"hub" help:"Where the hub is."`
	Log struct {
		Level slog.Level `toml:"level" help:"DEBUG, INFO, WARN or ERROR."`
		Parts []kioskID  `toml:"parts" help:"Which."`
	} `toml:"log" help:"What is logged."`
	Journal struct {
		Bytes int64   `toml:"bytes" help:"How large."`
		Ratio float64 `toml:"ratio" help:"How full."`
	} `toml:"journal" help:"The journal."`
	Sites []site `toml:"site" help:"One table for each site."`
}

func defaults() settings {
	var s settings
	s.Data = "/var/lib/sourire/kiosk"
	s.Hub.Address = "localhost:1883"
	s.Hub.Timeout = 30 * time.Second
	s.Hub.Retries = 3
	s.Log.Parts = []kioskID{"a", `b "quoted", \ and ü`}
	s.Journal.Bytes = 1 << 40
	s.Journal.Ratio = 1
	return s
}

const prefix = "SOURIRE_KIOSK"

// file writes a settings file and returns its path.
func file(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "kiosk.toml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestLoad_defaults(t *testing.T) {
	for name, from := range map[string]setting.Source{
		"nothing":       {},
		"empty file":    {File: file(t, "")},
		"optional file": {File: "/nowhere/kiosk.toml", Optional: true},
		"empty variable, and those of others": {
			EnvPrefix: prefix,
			Environ:   []string{"SOURIRE_KIOSK_HUB_ADDRESS=", "SOURIRE_HUB_DATA=x", "HOME=/root", "odd"},
		},
	} {
		if got, err := setting.Load(defaults(), from); err != nil || !reflect.DeepEqual(got, defaults()) {
			t.Errorf("%s: got %+v, %v, want the defaults", name, got, err)
		}
	}
}

func TestLoad_file(t *testing.T) {
	got, err := setting.Load(defaults(), setting.Source{File: file(t, `
		data = "/srv"
		[hub]
		timeout = "1m30s"
		tls = true
		max-retries = 0
		[log]
		level = "debug"
		parts = []
		[journal]
		ratio = 2
		bytes = 1_000
		[[site]]
		name = "Nord"
		open = ["08:00", "18:00, or so"]
		[[site]]
		quiet = "5m"
	`)})
	if err != nil {
		t.Fatal(err)
	}
	want := defaults()
	want.Data = "/srv"
	want.Hub.Timeout = 90 * time.Second
	want.Hub.TLS = true
	want.Hub.Retries = 0
	want.Log.Level = slog.LevelDebug
	want.Log.Parts = []kioskID{}
	want.Journal.Ratio = 2
	want.Journal.Bytes = 1000
	want.Sites = []site{{Name: "Nord", Open: []string{"08:00", "18:00, or so"}}, {Quiet: 5 * time.Minute}}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

// A flag beats the environment, that beats the file, that beats the default.
func TestLoad_precedence(t *testing.T) {
	path := file(t, `
		data = "file"
		[hub]
		address = "file"
		timeout = "2s"
	`)
	got, err := setting.Load(defaults(), setting.Source{
		File:      path,
		EnvPrefix: prefix,
		Environ: []string{
			"SOURIRE_KIOSK_DATA=environment", "SOURIRE_KIOSK_HUB_ADDRESS=a=b", "SOURIRE_KIOSK_HUB_MAX_RETRIES=7",
			"SOURIRE_KIOSK_LOG_PARTS=x, y",
		},
		Flags: map[string]string{"data": "flag", "hub.tls": "true", "journal.ratio": "0.5"},
	})
	if err != nil {
		t.Fatal(err)
	}
	want := defaults()
	want.Data = "flag"
	want.Hub.Address = "a=b"
	want.Hub.Timeout = 2 * time.Second
	want.Hub.Retries = 7
	want.Hub.TLS = true
	want.Log.Parts = []kioskID{"x", "y"}
	want.Journal.Ratio = 0.5
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

func TestLoad_badFile(t *testing.T) {
	for _, test := range []struct{ name, text, want string }{
		{"unknown key", "[hub]\nadress = 'x'", "kiosk.toml: unknown key hub.adress, did you mean hub.address?"},
		{"unknown section", "[hubs]\naddress = 'x'", "unknown key hubs, did you mean hub?"},
		{"key without its section", "address = 'x'", "unknown key address, did you mean hub.address?"},
		{"key in the wrong section", "[log]\naddress = 'x'", "unknown key log.address, did you mean hub.address?"},
		{"nothing like it", "[journal]\nzebra_crossing = 1", "unknown key journal.zebra_crossing, known are journal.bytes, journal.ratio"},
		{"nothing like it at the top", "q = 1", "unknown key q, known are hub, log, journal, data, hub.address"},
		{"upper case", "[hub]\nAddress = 'x'", "did you mean hub.address?"},
		{"section as value", "hub = 3", "hub is a section, write it as [hub]"},
		{"tables as section", "[site]\nname = 'x'", "site is a list of tables, write each as [[site]]"},
		{"unknown key in a table", "[[site]]\nname = 'x'\n[[site]]\nnam = 'y'", "in [[site]] number 2: "},
		{"section as table", "[[hub]]\naddress = 'x'", "hub is a section"},
		{"value as section", "[data]\nx = 1", `data is a table: expected text in quotes`},
		{"deeper than a section", "[hub.address]\nx = 1", `hub.address is a table: expected text in quotes`},
		{"text for a number", "[hub]\nmax-retries = '3'", `hub.max-retries is "3": expected a whole number`},
		{"fraction for a whole number", "[hub]\nmax-retries = 3.5", `hub.max-retries is 3.5: expected a whole number`},
		{"number for text", "data = 3", `data is 3: expected text in quotes`},
		{"number for a duration", "[hub]\ntimeout = 30", `hub.timeout is 30: expected a duration such as "30s"`},
		{"unit missing", "[hub]\ntimeout = '30'", `hub.timeout is "30": expected a duration such as "30s"`},
		{"text for a boolean", "[hub]\ntls = 'yes'", `hub.tls is "yes": expected true or false`},
		{"boolean for a number", "[journal]\nratio = true", `journal.ratio is true: expected a number`},
		{"text for a list", "[log]\nparts = 'a'", `log.parts is "a": expected a list, each of it text in quotes`},
		{"wrong element", "[log]\nparts = ['a', 3]", `log.parts is ["a", 3]: expected text in quotes`},
		{"date for text", "data = 2024-01-01", `data is 2024-01-01`},
		{"refused by its type", "[log]\nlevel = 'loud'", `log.level is "loud": slog: level string "loud"`},
		{"twice", "data = 'a'\ndata = 'b'", "is not a TOML file"},
		{"no TOML", "\x00\x01 what", "is not a TOML file"},
	} {
		t.Run(test.name, func(t *testing.T) {
			path := file(t, test.text)
			got, err := setting.Load(defaults(), setting.Source{File: path})
			if err == nil {
				t.Fatal("got nil, want an error")
			}
			if !strings.Contains(err.Error(), test.want) || !strings.Contains(err.Error(), path) {
				t.Errorf("got %q, want it to say %q and the path", err, test.want)
			}
			if !reflect.DeepEqual(got, defaults()) {
				t.Errorf("got %+v with an error, want the defaults", got)
			}
		})
	}
}

func TestLoad_unreadableFile(t *testing.T) {
	_, err := setting.Load(defaults(), setting.Source{File: "/nowhere/kiosk.toml"})
	if !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), "/nowhere/kiosk.toml") {
		t.Errorf("got %v, want fs.ErrNotExist and the path", err)
	}
	if !strings.Contains(err.Error(), "is not there: correct its name, or put there what config prints") {
		t.Errorf("got %v, want it to say what to do", err)
	}
	folder := t.TempDir()
	_, err = setting.Load(defaults(), setting.Source{File: folder, Optional: true})
	if err == nil || !strings.Contains(err.Error(), "settings file "+folder+" is a folder: name the file in it") {
		t.Errorf("got %v for a folder, want an error that says so", err)
	}
}

func TestLoad_badText(t *testing.T) {
	for _, test := range []struct{ key, value, want string }{
		{"hub.max-retries", "many", `"many": expected a whole number`},
		{"hub.timeout", "30", `"30": expected a duration`},
		{"hub.tls", "yes", `"yes": expected true or false`},
		{"journal.ratio", "half", `"half": expected a number`},
		{"journal.bytes", "99999999999999999999", `expected a whole number`},
		{"log.level", "loud", `"loud": slog:`},
	} {
		variable := prefix + "_" + strings.NewReplacer(".", "_", "-", "_").Replace(strings.ToUpper(test.key))
		_, err := setting.Load(defaults(), setting.Source{EnvPrefix: prefix, Environ: []string{variable + "=" + test.value}})
		if err == nil || !strings.Contains(err.Error(), "environment variable "+variable+" is ") || !strings.Contains(err.Error(), test.want) {
			t.Errorf("got %v, want it to say %s and %s", err, variable, test.want)
		}
		_, err = setting.Load(defaults(), setting.Source{Flags: map[string]string{test.key: test.value}})
		if err == nil || !strings.Contains(err.Error(), "flag --"+test.key+" is ") || !strings.Contains(err.Error(), test.want) {
			t.Errorf("got %v, want it to say --%s and %s", err, test.key, test.want)
		}
	}
	_, err := setting.Load(defaults(), setting.Source{Flags: map[string]string{"hub.adress": "x"}})
	if err == nil || err.Error() != "flag --hub.adress: unknown key hub.adress, did you mean hub.address?" {
		t.Errorf("got %v, want the known key", err)
	}
}

// A variable with the prefix that means nothing is refused like a key of the file.
func TestLoad_unknownVariable(t *testing.T) {
	for _, test := range []struct{ variable, want string }{
		{"HUB_ADRESS", "environment variable SOURIRE_KIOSK_HUB_ADRESS: unknown, did you mean SOURIRE_KIOSK_HUB_ADDRESS?"},
		{"ADDRESS", "did you mean SOURIRE_KIOSK_HUB_ADDRESS?"},
		{"HUB_MAXRETRIES", "did you mean SOURIRE_KIOSK_HUB_MAX_RETRIES?"},
		{"SITE", "site is a list of tables and stands in the settings file only, each as [[site]]"},
		{"SITES", "each as [[site]]"},
		{"SITE_1_NAME", "each as [[site]]"},
		{"ZEBRA_CROSSING", "SOURIRE_KIOSK_ZEBRA_CROSSING: unknown, known are SOURIRE_KIOSK_DATA, SOURIRE_KIOSK_HUB_ADDRESS, "},
	} {
		_, err := setting.Load(defaults(), setting.Source{EnvPrefix: prefix, Environ: []string{prefix + "_" + test.variable + "=x"}})
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: got %v, want it to say %s", test.variable, err, test.want)
		}
	}
}

// A cluster tells every program where the services are, in variables that may
// begin like ours; those of other programs and empty ones mean nothing either.
func TestLoad_foreignVariable(t *testing.T) {
	got, err := setting.Load(defaults(), setting.Source{EnvPrefix: prefix, Environ: []string{
		"SOURIRE_KIOSK_SERVICE_HOST=10.0.0.1", "SOURIRE_KIOSK_SERVICE_PORT=1883", "SOURIRE_KIOSK_SERVICE_PORT_MQTT=1883",
		"SOURIRE_KIOSK_PORT=tcp://10.0.0.1:1883", "SOURIRE_KIOSK_PORT_1883_TCP=tcp://10.0.0.1:1883",
		"SOURIRE_KIOSK_PORT_1883_TCP_ADDR=10.0.0.1",
		"SOURIRE_KIOSKS=x", "SOURIRE_HUB_ZOEN=x", "SOURIRE_SUMMARY=x", "SOURIRE_KIOSK_ZOEN=",
	}})
	if err != nil || !reflect.DeepEqual(got, defaults()) {
		t.Errorf("got %+v, %v, want the defaults", got, err)
	}
}

// Every fault is named, so that a file is corrected in one go.
func TestLoad_severalFaults(t *testing.T) {
	_, err := setting.Load(defaults(), setting.Source{
		File:      file(t, "dat = 1\n[hub]\nadress = 1\ntls = 1"),
		EnvPrefix: prefix,
		Environ:   []string{"SOURIRE_KIOSK_HUB_TIMEOUT=x"},
	})
	if err == nil || strings.Count(err.Error(), "\n") != 3 {
		t.Errorf("got %v, want four lines", err)
	}
}

// A default is not changed through the copy that Load returns.
func TestLoad_ownsLists(t *testing.T) {
	d := defaults()
	got, err := setting.Load(d, setting.Source{Flags: map[string]string{"log.parts": "x,y"}})
	if err != nil || got.Log.Parts[0] != "x" || d.Log.Parts[0] != "a" {
		t.Errorf("got %q, %v from %q, want a list of its own", got.Log.Parts, err, d.Log.Parts)
	}
}

func TestLoad_defects(t *testing.T) {
	for name, load := range map[string]func(){
		"no help": func() {
			_, _ = setting.Load(struct {
				X string `toml:"x"`
			}{}, setting.Source{})
		},
		"a map": func() {
			_, _ = setting.Load(struct {
				X map[string]string `toml:"x" help:"x"`
			}{}, setting.Source{})
		},
		"two deep": func() {
			type deep struct {
				Y struct{} `toml:"y" help:"y"`
			}
			_, _ = setting.Load(struct {
				X deep `toml:"x" help:"x"`
			}{}, setting.Source{})
		},
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s: got no panic", name)
				}
			}()
			load()
		}()
	}
}
