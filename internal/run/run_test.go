package run_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"sourire/internal/run"
)

// diary notes what happens in order. Only one part writes at a time, because
// the group ends them one by one.
type diary []string

func (d *diary) part(name string) func(context.Context) error {
	return func(ctx context.Context) error {
		<-ctx.Done()
		*d = append(*d, name)
		return ctx.Err()
	}
}

func (d *diary) closer(name string, err error) func() error {
	return func() error {
		*d = append(*d, name)
		return err
	}
}

func TestGroup_reverseOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		var d diary
		g := run.NewGroup(ctx, run.Options{})
		g.Closer("store", d.closer("store", nil))
		g.Start("ingest", d.part("ingest"))
		g.Closer("listener", d.closer("listener", nil))
		g.Start("pages", d.part("pages"))
		time.AfterFunc(time.Hour, cancel)
		begin := time.Now()
		if err := g.Wait(); err != nil {
			t.Errorf("got %v, want nil", err)
		}
		if took := time.Since(begin); took != time.Hour {
			t.Errorf("got an end after %v, want it when the context is done", took)
		}
		if want := []string{"pages", "listener", "ingest", "store"}; !slices.Equal(d, want) {
			t.Errorf("got %q, want %q", d, want)
		}
	})
}

// One part that ends, with or without an error, ends all.
func TestGroup_partEnds(t *testing.T) {
	broken := errors.New("broken")
	for name, want := range map[string]error{"failure": broken, "return": nil} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var d diary
				g := run.NewGroup(t.Context(), run.Options{})
				g.Closer("store", d.closer("store", nil))
				g.Start("uplink", func(context.Context) error { return want })
				g.Start("pages", d.part("pages"))
				err := g.Wait()
				if !errors.Is(err, want) {
					t.Errorf("got %v, want %v", err, want)
				}
				if want != nil && err.Error() != "uplink: broken" {
					t.Errorf("got %q, want it to name the part", err)
				}
				if want := []string{"pages", "store"}; !slices.Equal(d, want) {
					t.Errorf("got %q, want %q", d, want)
				}
			})
		})
	}
}

// The first failure is returned, later ones are logged.
func TestGroup_severalFailures(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		var d diary
		g := run.NewGroup(t.Context(), run.Options{Log: slog.New(slog.NewTextHandler(&log, nil))})
		g.Closer("store", d.closer("store", errors.New("second")))
		g.Start("uplink", func(context.Context) error { return errors.New("first") })
		if err := g.Wait(); err == nil || err.Error() != "uplink: first" {
			t.Errorf("got %v, want the first failure", err)
		}
		if !strings.Contains(log.String(), "store: second") {
			t.Errorf("got the log %q, want it to name the second failure", log.String())
		}
	})
}

// A part that hangs is named and left behind; those before it still stop.
func TestGroup_late(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		var d diary
		release := make(chan struct{})
		g := run.NewGroup(t.Context(), run.Options{StopTimeout: 3 * time.Second, Log: slog.New(slog.NewTextHandler(&log, nil))})
		g.Closer("store", d.closer("store", nil))
		g.Start("printer", func(context.Context) error {
			<-release
			return nil
		})
		begin := time.Now()
		err := g.Stop()
		if !errors.Is(err, run.ErrLate) || !strings.Contains(err.Error(), "printer") {
			t.Errorf("got %v, want ErrLate and the name", err)
		}
		if took := time.Since(begin); took != 3*time.Second {
			t.Errorf("got %v, want 3s", took)
		}
		if !strings.Contains(log.String(), "part=printer") {
			t.Errorf("got the log %q, want it to name the part", log.String())
		}
		if want := []string{"store"}; !slices.Equal(d, want) {
			t.Errorf("got %q, want %q", d, want)
		}
		if again := g.Stop(); !errors.Is(again, run.ErrLate) {
			t.Errorf("got %v from a second Stop, want the same", again)
		}
		close(release)
	})
}

func TestGroup_empty(t *testing.T) {
	if err := run.NewGroup(t.Context(), run.Options{}).Stop(); err != nil {
		t.Errorf("got %v, want nil", err)
	}
}

func TestContext(t *testing.T) {
	for _, signal := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM} {
		ctx, stop := run.Context()
		if ctx.Err() != nil {
			t.Fatal("the context is done before a signal")
		}
		if err := syscall.Kill(syscall.Getpid(), signal); err != nil {
			t.Fatal(err)
		}
		<-ctx.Done()
		stop()
	}
}
