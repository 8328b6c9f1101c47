package run

import (
	"runtime"
	"runtime/debug"
	"strings"
)

// version is set by the release build: -ldflags "-X sourire/internal/run.version=1.2.3".
var version = "dev"

// Version returns the program's version, the commit it was built from when the
// build knew it, and the platform: "dev (0f3a9c2d1b7e, modified) go1.26.0 linux/arm64".
func Version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		info = &debug.BuildInfo{}
	}
	return describe(version, info)
}

// describe writes one line out of what the build left behind.
func describe(version string, info *debug.BuildInfo) string {
	settings := map[string]string{}
	for _, s := range info.Settings {
		settings[s.Key] = s.Value
	}
	var commit []string
	if revision := settings["vcs.revision"]; revision != "" {
		commit = append(commit, revision[:min(12, len(revision))])
	}
	if settings["vcs.modified"] == "true" {
		commit = append(commit, "modified")
	}
	parts := []string{version}
	if len(commit) > 0 {
		parts = append(parts, "("+strings.Join(commit, ", ")+")")
	}
	return strings.Join(append(parts, runtime.Version(), runtime.GOOS+"/"+runtime.GOARCH), " ")
}
