package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"sourire/internal/durable"
)

// call runs a command line in a folder of its own.
func call(t *testing.T, args ...string) (status int, out, errs string) {
	t.Helper()
	var o, e bytes.Buffer
	status = program(args, &o, &e)
	return status, o.String(), e.String()
}

// The printed settings are the defaults: a hub that reads them starts.
func TestConfig_loads(t *testing.T) {
	t.Chdir(t.TempDir())
	status, text, _ := call(t, "config")
	if status != 0 {
		t.Fatalf("got status %d", status)
	}
	if err := os.WriteFile("sourire-hub.toml", []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	status, _, errs := call(t, "verify")
	if status != 1 || !strings.Contains(errs, "sourire-hub-data") {
		t.Errorf("got status %d, %q, want the data folder of the printed settings to be missing", status, errs)
	}
}

func TestProgram_refuses(t *testing.T) {
	for name, c := range map[string]struct {
		config string
		args   []string
		status int
		want   []string // parts of the sentence
	}{
		"unknown key":           {"[web]\nlisten_on = \":1\"\n", []string{"serve"}, 2, []string{"sourire-hub.toml", "listen_on", "listen"}},
		"bad value":             {"zone = 7\n", []string{"serve"}, 2, []string{"sourire-hub.toml", "zone"}},
		"no TOML":               {"zone = \n", []string{"serve"}, 2, []string{"sourire-hub.toml"}},
		"unknown zone":          {"zone = \"Mars\"\n", []string{"serve"}, 2, []string{"Mars", "Europe/Paris"}},
		"missing file":          {"", []string{"serve", "--config", "nowhere.toml"}, 2, []string{"nowhere.toml"}},
		"unknown flag":          {"", []string{"serve", "--web.lisen=x"}, 2, []string{"--web.lisen", "--help"}},
		"unknown command":       {"", []string{"sevre"}, 2, []string{"sevre"}},
		"no hub to verify":      {"", []string{"verify"}, 1, []string{"sourire-hub-data", "--data"}},
		"no ledger":             {"", []string{"verify", "--ledger", "absent"}, 2, []string{"--ledger", "absent"}},
		"bad ledger":            {"data = \"used\"\n", []string{"verify", "--ledger", "file"}, 2, []string{"--ledger=file", "line 1"}},
		"ledger of one":         {"", []string{"verify", "--ledger", "file", "k1"}, 2, []string{"leave the kiosk out"}},
		"half a certificate":    {"[broker]\ntls_cert_file = \"x\"\n", []string{"serve"}, 2, []string{"tls_key_file"}},
		"bad kiosk":             {"", []string{"verify", "Kiosk 1"}, 2, []string{"Kiosk 1", "a-z"}},
		"folder in use":         {"data = \"used\"\n", []string{"serve"}, 1, []string{"used"}},
		"folder is a file":      {"data = \"file\"\n", []string{"serve"}, 1, []string{"file"}},
		"damaged database":      {"data = \"broken\"\n", []string{"serve"}, 1, []string{"hub.db"}},
		"no address of a store": {"[store]\npostgres = \"host=x password=geheim\"\n", []string{"serve"}, 1, []string{"[store] postgres", "postgres://user@host"}},
		"unreachable store":     {"[store]\npostgres = \"postgres://u:geheim@127.0.0.1:1/db\"\n", []string{"serve"}, 1, []string{"[store] postgres", "postgres://u@127.0.0.1:1/db"}},
		"no store to verify":    {"[store]\npostgres = \"postgres://u:geheim@127.0.0.1:1/db\"\n", []string{"verify"}, 1, []string{"[store] postgres", "cannot be reached"}},
		"unreachable broker":    {"[broker]\naddress = \"tcp://x\"\n", []string{"serve"}, 1, []string{"tcp://x", "broker.address"}},
		"no host and port":      {"", []string{"serve", "--web.listen=8080"}, 2, []string{"setting web.listen: \"8080\" is no host:port: write 127.0.0.1:8080, or :8080"}},
		"empty listen":          {"[web]\nlisten = \"\"\n", []string{"serve"}, 2, []string{"setting web.listen: \"\" is no host:port"}},
		"no address":            {"", []string{"serve", "--broker.listen=300.1.1.1:1"}, 2, []string{"setting broker.listen: \"300.1.1.1:1\": 300.1.1.1 is no address"}},
		"not our address":       {"[web]\nlisten = \"127.0.0.1:0\"\n", []string{"serve", "--broker.listen=192.0.2.1:1883"}, 1, []string{"192.0.2.1:1883", "broker.listen", "192.0.2.1 is no address of this machine: write one that is, or none for every interface"}},
		"pages elsewhere":       {"", []string{"serve", "--web.listen=192.0.2.1:8080"}, 1, []string{"192.0.2.1:8080", "that is no address of this machine, so write one that is into [web] listen"}},
		"own zone":              {"zone = \"Local\"\n", []string{"serve"}, 2, []string{"setting zone \"Local\" is no IANA time zone"}},
		"bad site":              {"[[site]]\nid = \"a\"\n[[site]]\nid = \"Bad Site\"\n", []string{"serve"}, 2, []string{"sourire-hub.toml: in [[site]] number 2: id: ", "Bad Site"}},
		"site twice":            {"[[site]]\nid = \"a\"\n[[site]]\nid = \"a\"\n", []string{"serve"}, 2, []string{"sourire-hub.toml: [[site]] a is listed twice"}},
		"site's own zone":       {"[[site]]\nid = \"a\"\nzone = \"Local\"\n", []string{"serve"}, 2, []string{"sourire-hub.toml: [[site]] a: zone \"Local\""}},
		"bad period":            {"[keep]\ncomments = \"a year\"\n", []string{"serve"}, 2, []string{"sourire-hub.toml", "keep.comments", "90 days"}},
		"short period":          {"[keep]\nrecords = \"7 days\"\n", []string{"serve"}, 2, []string{"setting keep.records is \"7 days\"", "30 days"}},
		"folder as settings":    {"", []string{"serve", "--config", "broken"}, 2, []string{"settings file broken is a folder: name the file in it"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Chdir(t.TempDir())
			used, err := durable.Open("used")
			if err != nil {
				t.Fatal(err)
			}
			defer used.Close()
			write(t, "file", "x\n")
			write(t, filepath.Join("broken", "hub.db"), strings.Repeat("garbage ", 5000))
			if c.config != "" {
				write(t, "sourire-hub.toml", c.config)
			}
			done := make(chan struct{})
			go func() {
				defer close(done)
				status, _, errs := call(t, c.args...)
				if status != c.status {
					t.Errorf("got status %d, want %d: %s", status, c.status, errs)
				}
				if strings.Contains(errs, "geheim") {
					t.Errorf("got %q, with a password", errs)
				}
				for _, w := range c.want {
					if !strings.Contains(errs, w) {
						t.Errorf("got %q, want it to name %q", errs, w)
					}
				}
			}()
			select {
			case <-done:
			case <-time.After(30 * time.Second):
				t.Fatal("it starts instead of refusing")
			}
		})
	}
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestVersion(t *testing.T) {
	if status, out, _ := call(t, "version"); status != 0 || !strings.HasPrefix(out, "sourire-hub ") {
		t.Errorf("got %d, %q", status, out)
	}
}

func TestHelp(t *testing.T) {
	status, out, _ := call(t, "--help")
	if status != 0 || !strings.Contains(out, "verify") || !strings.Contains(out, "SOURIRE_HUB_DATA") {
		t.Errorf("got %d, %q", status, out)
	}
}

// What a command does not read its help does not list; the others have an example.
func TestHelp_commands(t *testing.T) {
	for command, settings := range map[string]bool{"serve": true, "verify": true, "export": true, "import": true, "audit": true, "version": false, "config": false} {
		status, out, _ := call(t, command, "--help")
		if got := strings.Contains(out, "SOURIRE_HUB_DATA"); status != 0 || got != settings {
			t.Errorf("%s: got status %d and settings listed %v, want %v", command, status, got, settings)
		}
		if want := "sourire-hub " + command; command != "version" && !strings.Contains(out, "Example: "+want) {
			t.Errorf("%s: got %q, want an example", command, out)
		}
	}
}
