package app

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"sourire/hub/backup"
	"sourire/hub/store/sqlstore"
	"sourire/hub/store/storetest"
	"sourire/hub/verify"
	"sourire/internal/durable"
	"sourire/internal/feedback"
	"sourire/internal/migration"
	"sourire/internal/postgrestest"
	"sourire/internal/sqlite"
)

// filled makes a store in a data folder, with so many presses.
func filled(t *testing.T, data string, presses int) {
	t.Helper()
	if err := os.MkdirAll(data, 0o700); err != nil {
		t.Fatal(err)
	}
	s, err := sqlstore.Open(t.Context(), filepath.Join(data, FileName))
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	now := time.Date(2026, 3, 1, 10, 0, 0, 0, time.UTC)
	k := storetest.NewKiosk(t, storetest.Ingester(t, s, func() time.Time { return now }), "k", now)
	k.Asks(now, feedback.Asked{Site: "lyon", Touchpoint: "exit", Survey: "visit", Scale: "smiley3"})
	for i := range presses {
		k.Press(now.Add(time.Duration(i)*time.Minute), 2)
	}
	k.Send()
}

// presses counts those of a store, and proves it.
func presses(t *testing.T, s *sqlstore.Store) int64 {
	t.Helper()
	r, err := verify.Run(t.Context(), s, "", nil)
	if err != nil || !r.OK() || len(r.Findings) != 1 {
		t.Fatalf("got %+v, %v, want one journal without a problem", r, err)
	}
	return r.Findings[0].Presses
}

func backedUp(t *testing.T, data string) (file string, m sqlstore.Manifest) {
	t.Helper()
	s, err := sqlstore.Open(t.Context(), filepath.Join(data, FileName))
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	file = filepath.Join(t.TempDir(), "backup.db")
	taken, err := backup.Take(t.Context(), s, file, backup.Options{})
	if err != nil || !taken.Verified || !taken.Report.OK() {
		t.Fatalf("got %+v, %v", taken, err)
	}
	return file, taken.Manifest
}

func restoreSettings(data string) Settings {
	s := Defaults()
	s.Data = data
	s.Web.Listen, s.Broker.Listen = "127.0.0.1:0", "127.0.0.1:0"
	return s
}

// A restore is killed at each of its steps. Whatever it left: no hub serves a part
// of it, the next restore ends as one that was never killed, what was there is set
// aside whole, and the hub that starts then speaks under the new id at once.
func TestRestore_killedAtEachStep(t *testing.T) {
	steps := []string{"staged", "settled", "planned", "set aside", "set aside-wal", "renamed", "vouched"}
	for _, at := range steps {
		t.Run(at, func(t *testing.T) {
			dir := t.TempDir()
			filled(t, filepath.Join(dir, "source"), 3)
			file, manifest := backedUp(t, filepath.Join(dir, "source"))
			s := restoreSettings(filepath.Join(dir, "hub"))
			filled(t, s.Data, 5)
			// A hub that was killed leaves a log, which belongs to its file.
			withLog(t, filepath.Join(s.Data, FileName))
			killed := false
			func() {
				defer func() { killed = recover() == "killed" }()
				_, err := Restore(t.Context(), s, file, RestoreOptions{Replace: true, step: func(name string) error {
					if name == at {
						panic("killed")
					}
					return nil
				}})
				t.Errorf("got %v, want it to be killed", err)
			}()
			if !killed {
				t.Fatal("there is no such step")
			}
			planned := at != "staged" && at != "settled"
			store, err := OpenStore(t.Context(), s, sqlstore.Options{MustExist: true})
			switch {
			case planned && !errors.Is(err, ErrRestoring):
				t.Errorf("got %v, want ErrRestoring", err)
			case !planned && err != nil:
				t.Error(err)
			case !planned:
				if got := presses(t, store); got != 6 {
					t.Errorf("got %d presses in the old store, want 6", got)
				}
				if err := store.Close(); err != nil {
					t.Error(err)
				}
			}
			if planned {
				if hub, err := New(t.Context(), Options{Settings: s, Log: slog.New(slog.DiscardHandler)}); !errors.Is(err, ErrRestoring) {
					if err == nil {
						_ = hub.Stop()
					}
					t.Errorf("got %v, want ErrRestoring", err)
				}
			}
			r, err := Restore(t.Context(), s, file, RestoreOptions{Replace: true})
			if err != nil || r.Finished != planned {
				t.Fatalf("got %+v, %v, want it to finish: %v", r, err, planned)
			}
			restored(t, s, r, manifest)
		})
	}
}

// withLog adds a press to a store and leaves it in the log, as a hub does that is
// killed.
func withLog(t *testing.T, path string) {
	t.Helper()
	s, err := sqlstore.Open(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	now := time.Date(2026, 3, 2, 10, 0, 0, 0, time.UTC)
	k := storetest.NewKiosk(t, storetest.Ingester(t, s, func() time.Time { return now }), "k", time.Date(2026, 3, 1, 10, 0, 0, 0, time.UTC))
	k.Asks(time.Date(2026, 3, 1, 10, 0, 0, 0, time.UTC), feedback.Asked{Site: "lyon", Touchpoint: "exit", Survey: "visit", Scale: "smiley3"})
	for i := range 6 {
		k.Press(time.Date(2026, 3, 1, 10, i, 0, 0, time.UTC), 2)
	}
	k.Send()
	kept := make(map[string][]byte)
	for _, suffix := range []string{"", "-wal"} {
		if kept[suffix], err = os.ReadFile(path + suffix); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	for suffix, b := range kept {
		if err := os.WriteFile(path+suffix, b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// restored checks what a restore of a backup with three presses left.
func restored(t *testing.T, s Settings, r Restored, m sqlstore.Manifest) {
	t.Helper()
	aside, err := filepath.Glob(filepath.Join(s.Data, FileName+".replaced-*Z"))
	if err != nil || len(aside) != 1 || r.Aside != aside[0] {
		t.Fatalf("got %q set aside, %q said", aside, r.Aside)
	}
	old, err := sqlstore.Open(t.Context(), aside[0])
	if err != nil {
		t.Fatal(err)
	}
	if got := presses(t, old); got != 6 {
		t.Errorf("got %d presses in what was set aside, want 6", got)
	}
	if err := old.Close(); err != nil {
		t.Error(err)
	}
	for _, name := range []string{planName, stagedName, stagedName + "-wal"} {
		if exists(filepath.Join(s.Data, name)) {
			t.Errorf("%s is left", name)
		}
	}
	store, err := OpenStore(t.Context(), s, sqlstore.Options{MustExist: true})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	if got := presses(t, store); got != 3 {
		t.Errorf("got %d presses, want 3", got)
	}
	id, term, err := takeOver(t.Context(), store, filepath.Join(s.Data, lastTermName), doubt, slog.New(slog.DiscardHandler))
	if err != nil || id != r.Store || id == m.Store || term != m.Term+1 {
		t.Errorf("got store %s term %d, %v, want %s and %d, and not %s", id, term, err, r.Store, m.Term+1, m.Store)
	}
	if m, err := store.Manifest(t.Context()); m != nil || err != nil {
		t.Errorf("got %v, %v, want no manifest in a store that is served", m, err)
	}
}

// What is no backup of this version is refused in a sentence, and changes nothing.
func TestRestore_refuses(t *testing.T) {
	dir := t.TempDir()
	filled(t, filepath.Join(dir, "source"), 3)
	file, _ := backedUp(t, filepath.Join(dir, "source"))
	exec := func(path, query string) {
		t.Helper()
		db, err := sqlite.Open(path, sqlite.Options{})
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close()
		if _, err := db.Write.Exec(query); err != nil {
			t.Fatal(err)
		}
	}
	altered := func(name, query string) string {
		t.Helper()
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		exec(path, query)
		return path
	}
	journal := filepath.Join(dir, "journal.db")
	exec(journal, "CREATE TABLE schema_migration (version INTEGER); CREATE TABLE record (seq INTEGER)")
	torn := filepath.Join(dir, "torn.db")
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(torn, b[:len(b)/2], 0o600); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		file, want string
		is         error
	}{
		"newer":       {altered("newer.db", "INSERT INTO schema_migration VALUES (99, 'later', 'x')"), "made by a newer sourire-hub", migration.ErrNewer},
		"other steps": {altered("other.db", "UPDATE schema_migration SET checksum = 'x'"), "no backup of a hub", migration.ErrChanged},
		"a kiosk's":   {journal, "no backup of a hub", backup.ErrForeign},
		"torn":        {torn, "damaged", sqlite.ErrDamaged},
		"incomplete":  {altered("half.db", "INSERT INTO meta VALUES ('incomplete', 'x')"), "begun and not finished", sqlstore.ErrIncomplete},
		"miscounted":  {altered("wrong.db", "UPDATE cell SET s2 = s2 + 1"), "does not prove what it counts", nil},
	} {
		t.Run(name, func(t *testing.T) {
			s := restoreSettings(filepath.Join(dir, "hub "+name))
			_, err := Restore(t.Context(), s, c.file, RestoreOptions{})
			if err == nil || !strings.Contains(err.Error(), c.want) || c.is != nil && !errors.Is(err, c.is) {
				t.Errorf("got %v, want it to say %q", err, c.want)
			}
			left, err := filepath.Glob(filepath.Join(s.Data, "*db*"))
			if err != nil || len(left) != 0 {
				t.Errorf("got %q, %v left, want nothing", left, err)
			}
		})
	}
	t.Run("a hub runs", func(t *testing.T) {
		s := restoreSettings(filepath.Join(dir, "held"))
		folder, err := durable.Open(s.Data)
		if err != nil {
			t.Fatal(err)
		}
		defer folder.Close()
		if _, err := Restore(t.Context(), s, file, RestoreOptions{Replace: true}); !errors.Is(err, durable.ErrLocked) || !strings.Contains(err.Error(), "must not run") {
			t.Errorf("got %v, want ErrLocked", err)
		}
	})
}

// A backup goes into an empty database; one that holds a store is refused, and
// stays as it is. One into which it was not finished is begun anew.
func TestRestore_intoPostgres(t *testing.T) {
	dir := t.TempDir()
	filled(t, filepath.Join(dir, "source"), 3)
	file, manifest := backedUp(t, filepath.Join(dir, "source"))
	s := restoreSettings(filepath.Join(dir, "hub"))
	s.Store.Postgres = postgrestest.Start(t).Database()
	ctx, cancel := context.WithCancel(t.Context())
	_, err := Restore(ctx, s, file, RestoreOptions{Options: backup.Options{Progress: func(what string, _, total int64) {
		if total > 0 && strings.Contains(what, "written") {
			cancel()
		}
	}}})
	if err == nil {
		t.Fatal("got nil, want it cancelled")
	}
	if _, err := OpenStore(t.Context(), s, sqlstore.Options{}); !errors.Is(err, sqlstore.ErrIncomplete) {
		t.Errorf("got %v, want ErrIncomplete", err)
	}
	for range 2 {
		r, err := Restore(t.Context(), s, file, RestoreOptions{Replace: true})
		if r.Store == "" {
			if !errors.Is(err, sqlstore.ErrNotEmpty) || !strings.Contains(err.Error(), "[store] postgres") {
				t.Errorf("got %v, want ErrNotEmpty", err)
			}
			return
		} else if err != nil {
			t.Fatal(err)
		}
		store, err := OpenStore(t.Context(), s, sqlstore.Options{MustExist: true})
		if err != nil {
			t.Fatal(err)
		}
		id, term, err := takeOver(t.Context(), store, filepath.Join(s.Data, lastTermName), doubt, slog.New(slog.DiscardHandler))
		if got := presses(t, store); got != 3 || err != nil || id != r.Store || term != manifest.Term+1 {
			t.Errorf("got %d presses in %s term %d, %v, want 3 in %s", got, id, term, err, r.Store)
		}
		if err := store.Close(); err != nil {
			t.Error(err)
		}
	}
	t.Error("a database that holds a store was restored into")
}
