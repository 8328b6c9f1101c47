package run

import (
	"runtime"
	"runtime/debug"
	"strings"
	"testing"
)

func TestDescribe(t *testing.T) {
	platform := " " + runtime.Version() + " " + runtime.GOOS + "/" + runtime.GOARCH
	setting := func(key, value string) debug.BuildSetting { return debug.BuildSetting{Key: key, Value: value} }
	for _, test := range []struct {
		name     string
		settings []debug.BuildSetting
		want     string
	}{
		{"no commit", nil, "1.2.3" + platform},
		{"commit", []debug.BuildSetting{setting("vcs.revision", "0123456789abcdef"), setting("vcs.modified", "false")}, "1.2.3 (0123456789ab)" + platform},
		{"modified", []debug.BuildSetting{setting("vcs.revision", "0123"), setting("vcs.modified", "true")}, "1.2.3 (0123, modified)" + platform},
	} {
		if got := describe("1.2.3", &debug.BuildInfo{Settings: test.settings}); got != test.want {
			t.Errorf("%s: got %q, want %q", test.name, got, test.want)
		}
	}
	if got := Version(); !strings.HasPrefix(got, "dev") || !strings.HasSuffix(got, platform) {
		t.Errorf("got %q, want dev … %s", got, platform)
	}
}
