//go:build soak

package e2e

import (
	"bytes"
	"fmt"
	"os"
	"regexp"
	"strconv"
	"testing"
	"time"
)

// brokers runs a test with both brokers. The name goes into its summary.
func brokers(t *testing.T, test func(t *testing.T, external bool, name string)) {
	t.Run("embedded", func(t *testing.T) { test(t, false, "embedded broker") })
	t.Run("mosquitto", func(t *testing.T) { test(t, true, "Mosquitto") })
}

// TestSoak_table runs the whole failure table again and again: a race that one
// run in a thousand loses is lost here.
func TestSoak_table(t *testing.T) {
	for i := range 10 {
		t.Run(fmt.Sprint("embedded-", i), func(t *testing.T) { runTable(t, false) })
		t.Run(fmt.Sprint("mosquitto-", i), func(t *testing.T) { runTable(t, true) })
	}
}

// verdict is the last word of a test's line in the summary.
func verdict(t *testing.T) string {
	if t.Failed() {
		return "FAILED"
	}
	return "verified"
}

// running fails the test if a program has ended by itself.
func (p *program) running(t *testing.T, name string) {
	t.Helper()
	if status, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.cmd.Process.Pid)); err != nil || bytes.Contains(status, []byte(") Z ")) {
		t.Fatalf("%s ended by itself\n%s", name, p.out)
	}
}

var peakLine = regexp.MustCompile(`VmHWM:\s+(\d+) kB`)

// peak returns the most memory that a running program has had, in MiB.
func (p *program) peak(t *testing.T) int {
	t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	m := peakLine.FindSubmatch(status)
	if m == nil {
		t.Fatalf("no peak of memory in\n%s", status)
	}
	kib, err := strconv.Atoi(string(m[1]))
	if err != nil {
		t.Fatal(err)
	}
	return kib >> 10
}

// until waits until something is so, or fails the test.
func until(t *testing.T, what string, limit time.Duration, is func() bool) {
	t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for end := time.After(limit); !is(); {
		select {
		case <-tick.C:
		case <-end:
			t.Fatalf("%s: not within %v", what, limit)
		}
	}
}
