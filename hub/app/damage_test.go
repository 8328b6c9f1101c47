package app_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"sourire/hub/app"
	"sourire/hub/ingest"
	"sourire/internal/sqlite"
)

// served returns the settings of a hub that has served and was stopped.
func served(t *testing.T) (s app.Settings, database string) {
	t.Helper()
	s = settings(t)
	a, err := app.New(context.Background(), options(s))
	if err != nil {
		t.Fatal(err)
	}
	if err := a.Stop(); err != nil {
		t.Fatal(err)
	}
	return s, filepath.Join(s.Data, app.FileName)
}

// A database that is not what it was is refused at the start, in a sentence that
// names it and says what to do.
func TestNew_database(t *testing.T) {
	for name, c := range map[string]struct {
		spoil func(path string) error
		want  string
	}{
		"gone":  {os.Remove, "empty or gone"},
		"empty": {func(path string) error { return os.Truncate(path, 0) }, "empty or gone"},
		"a page of an index": {func(path string) error {
			return overwrite(path, 12)
		}, "restore a backup"},
		"cut short": {func(path string) error { return os.Truncate(path, 8*4096) }, "restore a backup"},
	} {
		t.Run(name, func(t *testing.T) {
			s, path := served(t)
			if err := c.spoil(path); err != nil {
				t.Fatal(err)
			}
			a, err := app.New(context.Background(), options(s))
			if err == nil {
				_ = a.Stop()
				t.Fatal("got a hub, want an error")
			}
			if !strings.Contains(err.Error(), path) || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %q, want it to name %s and to say %q", err, path, c.want)
			}
		})
	}
}

// overwrite makes a page one of no kind that SQLite knows.
func overwrite(path string, page int64) error {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = f.WriteAt(bytes.Repeat([]byte{0xa5}, 4096), (page-1)*4096)
	return err
}

// A folder that has not served may begin anew.
func TestNew_databaseBegunAnew(t *testing.T) {
	s, path := served(t)
	if err := errors.Join(os.Remove(path), os.Remove(filepath.Join(s.Data, "last-term"))); err != nil {
		t.Fatal(err)
	}
	a, err := app.New(context.Background(), options(s))
	if err != nil {
		t.Fatal(err)
	}
	if err := a.Stop(); err != nil {
		t.Error(err)
	}
}

// rotten is a store whose file has been damaged meanwhile.
type rotten struct{ ingest.Store }

func (rotten) Apply(context.Context, int64, []ingest.Change) ([]error, error) {
	return nil, fmt.Errorf("records: %w", sqlite.ErrDamaged)
}

// A hub whose database is damaged while it serves ends, and says why.
func TestApp_damaged(t *testing.T) {
	o := options(settings(t))
	o.WrapStore = func(s ingest.Store) ingest.Store { return rotten{s} }
	a, err := app.New(context.Background(), o)
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- a.Run() }()
	press(t, a)
	select {
	case err := <-ended:
		if !sqlite.IsDamaged(err) || !strings.Contains(err.Error(), app.FileName) || !strings.Contains(err.Error(), "backup") {
			t.Errorf("got %v, want the damage, the file and what to do", err)
		}
	case <-time.After(20 * time.Second):
		t.Fatal("the hub goes on with a damaged database")
	}
}
