package setting_test

import (
	"maps"
	"strings"
	"testing"

	"github.com/alecthomas/kong"

	"sourire/internal/setting"
)

// parse runs the arguments through the parser that the programs use.
func parse(t *testing.T, args ...string) (given map[string]string, help string, err error) {
	t.Helper()
	flags := setting.NewFlags(defaults(), prefix)
	var cli struct {
		Run struct {
			kong.Plugins
		} `cmd:""`
		Version struct{} `cmd:""`
	}
	cli.Run.Plugins = kong.Plugins{flags.Target()}
	var out strings.Builder
	parser, err := kong.New(&cli, kong.Name("kiosk"), kong.Writers(&out, &out), kong.Exit(func(int) {}))
	if err != nil {
		t.Fatal(err)
	}
	_, err = parser.Parse(args)
	return flags.Given(), out.String(), err
}

func TestFlags(t *testing.T) {
	for _, test := range []struct {
		args []string
		want map[string]string
	}{
		{[]string{"run"}, map[string]string{}},
		{[]string{"run", "--hub.address=a:1"}, map[string]string{"hub.address": "a:1"}},
		{[]string{"run", "--hub.address", "a:1", "--data="}, map[string]string{"hub.address": "a:1", "data": ""}},
		{[]string{"run", "--hub.tls", "--hub.max-retries=0"}, map[string]string{"hub.tls": "true", "hub.max-retries": "0"}},
		{[]string{"run", "--hub.tls=false"}, map[string]string{"hub.tls": "false"}},
		{[]string{"run", "--log.parts=a, b"}, map[string]string{"log.parts": "a, b"}},
	} {
		got, _, err := parse(t, test.args...)
		if err != nil || !maps.Equal(got, test.want) {
			t.Errorf("%q: got %q, %v, want %q", test.args, got, err, test.want)
		}
		if _, err := setting.Load(defaults(), setting.Source{Flags: got}); err != nil {
			t.Errorf("%q: %v", test.args, err)
		}
	}
	for _, args := range [][]string{{"run", "--hub.adress=x"}, {"version", "--hub.address=x"}, {"run", "--site=x"}} {
		if _, _, err := parse(t, args...); err == nil {
			t.Errorf("%q: got nil, want an error", args)
		}
	}
}

func TestFlags_help(t *testing.T) {
	_, help, _ := parse(t, "run", "--help")
	help = strings.Join(strings.Fields(help), " ")
	for _, want := range []string{
		`--hub.address="localhost:1883" Host and port of the hub. ($SOURIRE_KIOSK_HUB_ADDRESS)`,
		`--hub.timeout="30s" How long to wait, and this`,
		`--hub.tls Whether the link is "encrypted", mutually. ($SOURIRE_KIOSK_HUB_TLS)`,
		`--journal.bytes=1099511627776`,
	} {
		if !strings.Contains(help, want) {
			t.Errorf("got %s, want it to say %s", help, want)
		}
	}
}
