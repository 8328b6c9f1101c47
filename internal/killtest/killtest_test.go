package killtest_test

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"

	"sourire/internal/killtest"
)

// child makes the test binary the program that is killed.
const child = "SOURIRE_KILLTEST_CHILD"

func TestMain(m *testing.M) {
	if os.Getenv(child) == "" {
		os.Exit(m.Run())
	}
	if err := errors.Join(os.Rename("a", "b"), os.Rename("b", "c"), os.Remove("c")); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

// A program is killed before each of its calls: what it had done by then is there,
// and nothing else.
func TestRun(t *testing.T) {
	want := []string{"a", "b", "c", ""} // is left
	for at := 1; at <= len(want); at++ {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, "a"), nil, 0o600); err != nil {
			t.Fatal(err)
		}
		var calls []killtest.Call
		cmd := exec.Command(os.Args[0])
		cmd.Dir, cmd.Env = dir, append(os.Environ(), child+"=1")
		status, err := killtest.Run(cmd, func(c killtest.Call) bool {
			calls = append(calls, c)
			return c.N != at
		})
		if err != nil {
			t.Fatal(err)
		}
		killed := at < len(want)
		if got := status.Signaled() && status.Signal() == syscall.SIGKILL; got != killed || !killed && status.ExitStatus() != 0 {
			t.Errorf("at %d: got status %v, want it killed: %v", at, status, killed)
		}
		if len(calls) != min(at, len(want)-1) || calls[0].String() != "1: rename a to b" {
			t.Errorf("at %d: got calls %v", at, calls)
		}
		left, err := os.ReadDir(dir)
		if err != nil {
			t.Fatal(err)
		}
		name := ""
		if len(left) == 1 {
			name = left[0].Name()
		}
		if name != want[at-1] {
			t.Errorf("at %d: got %v left, want %q", at, left, want[at-1])
		}
	}
}

// A program that is not there is an error.
func TestRun_missing(t *testing.T) {
	if _, err := killtest.Run(exec.Command(filepath.Join(t.TempDir(), "absent")), nil); err == nil {
		t.Error("got nil, want an error")
	}
}
