package sqlite_test

import (
	"database/sql"
	"os"
	"path/filepath"
	"testing"

	"sourire/internal/sqlite"
)

// The log is cut to nothing while others have the database open, unless somebody
// reads an earlier state.
func TestDB_EmptyLog(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.db")
	db := open(t, path, sqlite.Options{})
	exec(t, db.Write, "CREATE TABLE t (n INTEGER)")
	size := func() int64 {
		t.Helper()
		log, err := os.Stat(path + "-wal")
		if err != nil {
			t.Fatal(err)
		}
		return log.Size()
	}
	if size() == 0 {
		t.Fatal("got no log: this test sees nothing")
	}
	if done, err := db.EmptyLog(t.Context()); err != nil || !done || size() != 0 {
		t.Errorf("got %v, %v and %d bytes, want none", done, err, size())
	}
	err := db.View(t.Context(), func(tx *sql.Tx) error {
		var n int
		if err := tx.QueryRow("SELECT count(*) FROM t").Scan(&n); err != nil {
			return err
		}
		exec(t, db.Write, "INSERT INTO t VALUES (1)")
		if done, err := db.EmptyLog(t.Context()); err != nil || done {
			t.Errorf("got %v, %v beside a reader, want that it was kept from it", done, err)
		}
		exec(t, db.Write, "INSERT INTO t VALUES (2)") // the writer is free
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if done, err := db.EmptyLog(t.Context()); err != nil || !done || size() != 0 {
		t.Errorf("got %v, %v and %d bytes, want none", done, err, size())
	}
	if got := scalar(t, db.Read, "SELECT count(*) FROM t"); got != "2" {
		t.Errorf("got %s rows, want 2", got)
	}
}
