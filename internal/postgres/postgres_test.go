package postgres_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"sourire/internal/postgres"
)

// A server says what it refuses, comes back after a kill, and leaves neither
// folder nor goroutine.
func TestServer(t *testing.T) {
	leaks := goleak.IgnoreCurrent()
	s, err := postgres.Start()
	if errors.Is(err, postgres.ErrMissing) && os.Getenv("CI") != "true" {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	address, err := s.Database()
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Exec(address, "SELECT nothing"); err == nil || !strings.Contains(err.Error(), "nothing") {
		t.Errorf("got %v, want what the server refuses", err)
	}
	s.Kill()
	if pid := s.PID(); pid != 0 {
		t.Errorf("got process %d of a server that was killed", pid)
	}
	if err := s.Restart(); err != nil {
		t.Fatal(err)
	}
	if err := s.Exec(address, "CREATE TABLE t (n integer)"); err != nil {
		t.Error(err)
	}
	if dump, err := s.Dump(address); err != nil || !strings.Contains(dump, "CREATE TABLE public.t") {
		t.Errorf("got %q, %v, want the table", dump, err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(filepath.Dir(s.Socket())); !os.IsNotExist(err) {
		t.Errorf("got %v of its folder, want that it is gone", err)
	}
	goleak.VerifyNone(t, leaks)
}

// What a server that cannot start said is in the error, and nothing is left.
func TestStart_refused(t *testing.T) {
	if _, err := postgres.Start("no_such_setting = on"); errors.Is(err, postgres.ErrMissing) && os.Getenv("CI") != "true" {
		t.Skip(err)
	} else if err == nil || !strings.Contains(err.Error(), "no_such_setting") {
		t.Errorf("got %v, want the setting by name", err)
	}
}
