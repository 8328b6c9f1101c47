package sqlite_test

import (
	"database/sql"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"sourire/internal/sqlite"
)

const pageSize = 4096

// fill makes a database of several hundred pages.
func fill(t *testing.T, path string) {
	t.Helper()
	db, err := sqlite.Open(path, sqlite.Options{})
	if err != nil {
		t.Fatal(err)
	}
	exec(t, db.Write, "CREATE TABLE t (id INTEGER PRIMARY KEY, text TEXT)")
	exec(t, db.Write, `WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i < 5000)
		INSERT INTO t SELECT i, printf('%050d', i) FROM n`)
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestDB_QuickCheck(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.db")
	fill(t, path)
	if err := open(t, path, sqlite.Options{}).QuickCheck(t.Context()); err != nil {
		t.Error(err)
	}
}

// Pages damaged in the middle of the file: it opens, and yet is
// damaged.
func TestDB_QuickCheck_damagedPage(t *testing.T) {
	for _, test := range []struct {
		name   string
		damage func(page []byte)
		want   string
	}{
		{"garbage", func(page []byte) { copy(page, strings.Repeat("\xa5", pageSize)) }, "malformed"},
		{"zeros", func(page []byte) { clear(page) }, "malformed"},
		{"cells moved", func(page []byte) { copy(page[8:], page[10:20]) }, "page 41"},
	} {
		t.Run(test.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "a.db")
			fill(t, path)
			rewrite(t, path, 40*pageSize, test.damage)
			db := open(t, path, sqlite.Options{})
			err := db.QuickCheck(t.Context())
			if !errors.Is(err, sqlite.ErrDamaged) || !sqlite.IsDamaged(err) {
				t.Fatalf("got %v, want ErrDamaged", err)
			}
			for _, part := range []string{path, "restore a backup", test.want} {
				if !strings.Contains(err.Error(), part) {
					t.Errorf("got %q, want it to say %q", err, part)
				}
			}
		})
	}
}

// A statement that meets a damaged page fails with an error that IsDamaged knows.
func TestIsDamaged(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.db")
	fill(t, path)
	rewrite(t, path, 40*pageSize, func(page []byte) { clear(page) })
	db := open(t, path, sqlite.Options{})
	var sum sql.NullInt64
	err := db.Read.QueryRow("SELECT sum(length(text)) FROM t").Scan(&sum)
	if !sqlite.IsDamaged(err) {
		t.Errorf("got %v, want an error of a damaged database", err)
	}
}

// rewrite changes the page that begins at offset.
func rewrite(t *testing.T, path string, offset int, damage func(page []byte)) {
	t.Helper()
	file, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	damage(file[offset : offset+pageSize])
	if err := os.WriteFile(path, file, 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestOpen_damagedHead(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.db")
	fill(t, path)
	rewrite(t, path, 0, func(page []byte) { clear(page[:100]) })
	if _, err := sqlite.Open(path, sqlite.Options{}); !errors.Is(err, sqlite.ErrDamaged) {
		t.Errorf("got %v, want ErrDamaged", err)
	}
}

func TestDB_BackupTo(t *testing.T) {
	dir := t.TempDir()
	fill(t, filepath.Join(dir, "a.db"))
	db := open(t, filepath.Join(dir, "a.db"), sqlite.Options{})
	copied := filepath.Join(dir, "back up?.db")
	// The writer is busy meanwhile: the copy has the state before.
	err := db.Update(t.Context(), func(tx *sql.Tx) error {
		if _, err := tx.ExecContext(t.Context(), "DELETE FROM t"); err != nil {
			return err
		}
		return db.BackupTo(t.Context(), copied)
	})
	if err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(copied); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("got mode %v, %v, want 0600", info.Mode(), err)
	}
	backup := open(t, copied, sqlite.Options{MustExist: true})
	if err := backup.QuickCheck(t.Context()); err != nil {
		t.Error(err)
	}
	if got := scalar(t, backup.Read, "SELECT count(*) FROM t"); got != "5000" {
		t.Errorf("got %s rows, want 5000", got)
	}

	err = db.BackupTo(t.Context(), copied)
	if !errors.Is(err, os.ErrExist) {
		t.Errorf("got %v for an existing file, want os.ErrExist", err)
	}
	err = db.BackupTo(t.Context(), filepath.Join(dir, "none", "b.db"))
	if !errors.Is(err, os.ErrNotExist) {
		t.Errorf("got %v for a missing folder, want os.ErrNotExist", err)
	}
	if left, _ := filepath.Glob(filepath.Join(dir, "*.part*")); len(left) != 0 {
		t.Errorf("got %q left behind, want nothing", left)
	}
}
