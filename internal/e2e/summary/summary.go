// Package summary keeps the lines by which a long run of tests is judged.
//
// It stands beside the line, for tests alone. go test shows what a test prints
// only when it fails; so make test and make soak name a file in SOURIRE_SUMMARY,
// and each line is also appended there, complete or not at all. It keeps nothing
// else and must not know what is tested.
package summary

import (
	"fmt"
	"os"
)

// Line prints a line that must not be lost among the others.
func Line(format string, args ...any) {
	line := fmt.Sprintf(format, args...)
	fmt.Println(line)
	if path := os.Getenv("SOURIRE_SUMMARY"); path != "" {
		if f, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600); err == nil {
			defer f.Close()
			fmt.Fprintln(f, line)
		}
	}
}
