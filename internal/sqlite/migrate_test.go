package sqlite_test

import (
	"errors"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"sourire/internal/migration"
	"sourire/internal/sqlite"
)

var steps = []migration.Step{
	{Name: "records", SQL: "CREATE TABLE record (seq INTEGER PRIMARY KEY); CREATE TABLE mark (seq INTEGER); INSERT INTO mark VALUES (0)"},
	{Name: "comments", SQL: "ALTER TABLE record ADD COLUMN comment TEXT"},
}

func TestMigrate(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.db")
	db := open(t, path, sqlite.Options{})
	for n := range 3 { // 0, 1 and 2 steps; each again changes nothing
		for range 2 {
			if err := sqlite.Migrate(t.Context(), db, steps[:n]); err != nil {
				t.Fatalf("%d steps: %v", n, err)
			}
		}
	}
	exec(t, db.Write, "INSERT INTO record (seq, comment) VALUES (1, 'x')")
	if got := scalar(t, db.Read, "SELECT group_concat(version || name) FROM schema_migration"); got != "1records,2comments" {
		t.Errorf("got %s, want both steps", got)
	}
	if got := scalar(t, db.Read, "SELECT count(*) FROM mark"); got != "1" {
		t.Errorf("got %s, want the first step taken once", got)
	}
}

func TestMigrate_refused(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.db")
	db := open(t, path, sqlite.Options{})
	if err := sqlite.Migrate(t.Context(), db, steps); err != nil {
		t.Fatal(err)
	}
	edited := []migration.Step{steps[0], {Name: "comments", SQL: steps[1].SQL + " "}}
	for _, test := range []struct {
		name  string
		steps []migration.Step
		is    error
		want  string
	}{
		{"newer", steps[:1], migration.ErrNewer, "its schema has version 2 and this program knows 1: run the newer program"},
		{"edited", edited, migration.ErrChanged, "step 2 (comments) differs"},
	} {
		err := sqlite.Migrate(t.Context(), db, test.steps)
		if !errors.Is(err, test.is) || !strings.Contains(err.Error(), test.want) || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: got %v, want %q and the path", test.name, err, test.want)
		}
	}
}

// A step that fails takes those before it back.
func TestMigrate_atomic(t *testing.T) {
	db := open(t, filepath.Join(t.TempDir(), "a.db"), sqlite.Options{})
	bad := slices.Concat(steps, []migration.Step{{Name: "typo", SQL: "CREATE TABLE x (y); CREATE TABEL z (y)"}})
	err := sqlite.Migrate(t.Context(), db, bad)
	if err == nil || !strings.Contains(err.Error(), "step 3 (typo)") {
		t.Errorf("got %v, want an error that names the step", err)
	}
	if got := scalar(t, db.Read, "SELECT count(*) FROM sqlite_schema"); got != "0" {
		t.Errorf("got %s tables and indexes, want none", got)
	}
	if err := sqlite.Migrate(t.Context(), db, steps); err != nil {
		t.Error(err)
	}
}
