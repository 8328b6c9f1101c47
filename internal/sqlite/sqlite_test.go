package sqlite_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"sourire/internal/sqlite"
)

// open opens a database in the test's folder and closes it with the test.
func open(t *testing.T, path string, o sqlite.Options) *sqlite.DB {
	t.Helper()
	db, err := sqlite.Open(path, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	return db
}

func exec(t *testing.T, pool *sql.DB, statement string, args ...any) {
	t.Helper()
	if _, err := pool.Exec(statement, args...); err != nil {
		t.Fatalf("%s: %v", statement, err)
	}
}

func scalar(t *testing.T, pool *sql.DB, query string) string {
	t.Helper()
	var got string
	if err := pool.QueryRow(query).Scan(&got); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	return got
}

func TestOpen_settings(t *testing.T) {
	db := open(t, filepath.Join(t.TempDir(), "a.db"), sqlite.Options{
		Synchronous: sqlite.Normal, BusyTimeout: 1234 * time.Millisecond, CacheKiB: 777, CheckpointSize: 55,
	})
	for _, test := range []struct {
		pool         *sql.DB
		pragma, want string
	}{
		{db.Write, "journal_mode", "wal"},
		{db.Write, "synchronous", "1"},
		{db.Write, "busy_timeout", "1234"},
		{db.Write, "cache_size", "-777"},
		{db.Write, "wal_autocheckpoint", "55"},
		{db.Write, "foreign_keys", "1"},
		{db.Write, "query_only", "0"},
		{db.Write, "secure_delete", "0"},
		{db.Read, "journal_mode", "wal"},
		{db.Read, "busy_timeout", "1234"},
		{db.Read, "cache_size", "-777"},
		{db.Read, "query_only", "1"},
	} {
		if got := scalar(t, test.pool, "PRAGMA "+test.pragma); got != test.want {
			t.Errorf("%s: got %s, want %s", test.pragma, got, test.want)
		}
	}
	durable := open(t, filepath.Join(t.TempDir(), "b.db"), sqlite.Options{SecureDelete: true})
	if got := scalar(t, durable.Write, "PRAGMA secure_delete"); got != "1" {
		t.Errorf("got secure_delete %s, want 1", got)
	}
	if got := scalar(t, durable.Write, "PRAGMA synchronous"); got != "2" {
		t.Errorf("got synchronous %s by default, want 2 (full)", got)
	}
}

// The path is a path, whatever SQLite and URIs think of its characters.
func TestOpen_path(t *testing.T) {
	for _, name := range []string{
		"plain.db", "with space.db", "what?.db", "a%20b.db", "50%.db", "#1.db", "a&b=c;d.db", "ü ☺.db",
		"plus+.db", "file:odd.db", "q?mode=ro&vfs=none.db", ":memory:",
	} {
		t.Run(name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "in ?#% folder")
			if err := os.Mkdir(dir, 0o700); err != nil {
				t.Fatal(err)
			}
			path := filepath.Join(dir, name)
			db := open(t, path, sqlite.Options{})
			exec(t, db.Write, "CREATE TABLE t (x)")
			if db.Path() != path {
				t.Errorf("got path %s, want %s", db.Path(), path)
			}
			if info, err := os.Stat(path); err != nil || info.Size() == 0 && scalar(t, db.Read, "SELECT count(*) FROM t") != "0" {
				t.Errorf("the file is not where it should be: %v", err)
			}
			entries, err := os.ReadDir(dir)
			if err != nil {
				t.Fatal(err)
			}
			for _, entry := range entries {
				if !strings.HasPrefix(entry.Name(), name) {
					t.Errorf("got a file %q, want only %q and its log", entry.Name(), name)
				}
			}
		})
	}
}

// A relative path stays what it was when the program changes its folder.
func TestOpen_relative(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	db := open(t, "rel.db", sqlite.Options{Readers: 2})
	t.Chdir(os.TempDir())
	exec(t, db.Write, "CREATE TABLE t (x)")
	if got := scalar(t, db.Read, "SELECT count(*) FROM t"); got != "0" {
		t.Errorf("got %s rows, want 0", got)
	}
}

func TestOpen_refused(t *testing.T) {
	dir := t.TempDir()
	text := filepath.Join(dir, "letter.txt")
	if err := os.WriteFile(text, []byte(strings.Repeat("Dear visitor, ", 1000)), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name, path, want string
		options          sqlite.Options
		damaged          bool
	}{
		{"missing folder", filepath.Join(dir, "none", "a.db"), "its folder exists", sqlite.Options{}, false},
		{"folder", dir, "see that it is a file", sqlite.Options{}, false},
		{"missing file", filepath.Join(dir, "a.db"), "cannot be opened", sqlite.Options{MustExist: true}, false},
		{"no database", text, "the database is damaged", sqlite.Options{}, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := sqlite.Open(test.path, test.options)
			if err == nil {
				t.Fatal("got nil, want an error")
			}
			if got := errors.Is(err, sqlite.ErrDamaged); got != test.damaged {
				t.Errorf("got ErrDamaged %v, want %v", got, test.damaged)
			}
			if !strings.Contains(err.Error(), test.want) || !strings.Contains(err.Error(), test.path) {
				t.Errorf("got %q, want it to say %q and the path", err, test.want)
			}
		})
	}
	if _, err := os.Stat(filepath.Join(dir, "a.db")); err == nil {
		t.Error("a missing file was created against MustExist")
	}
}

func TestDB_Read_cannotWrite(t *testing.T) {
	db := open(t, filepath.Join(t.TempDir(), "a.db"), sqlite.Options{})
	exec(t, db.Write, "CREATE TABLE t (x)")
	_, err := db.Read.Exec("INSERT INTO t VALUES (1)")
	if !sqlite.IsReadOnly(err) {
		t.Errorf("got %v, want an error of a read-only connection", err)
	}
}

// A reader sees the state it began with and does not hold up the writer.
func TestDB_View(t *testing.T) {
	ctx := t.Context()
	db := open(t, filepath.Join(t.TempDir(), "a.db"), sqlite.Options{})
	exec(t, db.Write, "CREATE TABLE t (x)")
	count := func(tx *sql.Tx) (n int) {
		if err := tx.QueryRowContext(ctx, "SELECT count(*) FROM t").Scan(&n); err != nil {
			t.Fatal(err)
		}
		return n
	}
	err := db.View(ctx, func(tx *sql.Tx) error {
		if n := count(tx); n != 0 {
			t.Errorf("got %d rows, want 0", n)
		}
		if err := db.Update(ctx, func(w *sql.Tx) error {
			_, err := w.ExecContext(ctx, "INSERT INTO t VALUES (1)")
			return err
		}); err != nil {
			return err
		}
		if n := count(tx); n != 0 {
			t.Errorf("got %d rows in the old state, want 0", n)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if got := scalar(t, db.Read, "SELECT count(*) FROM t"); got != "1" {
		t.Errorf("got %s rows afterwards, want 1", got)
	}
}

func TestDB_Update(t *testing.T) {
	ctx := t.Context()
	db := open(t, filepath.Join(t.TempDir(), "a.db"), sqlite.Options{})
	exec(t, db.Write, "CREATE TABLE t (x)")

	refusal := errors.New("second thoughts")
	err := db.Update(ctx, func(tx *sql.Tx) error {
		if _, err := tx.ExecContext(ctx, "INSERT INTO t VALUES (1)"); err != nil {
			return err
		}
		return refusal
	})
	if !errors.Is(err, refusal) {
		t.Errorf("got %v, want %v", err, refusal)
	}
	func() {
		defer func() { _ = recover() }()
		_ = db.Update(ctx, func(tx *sql.Tx) error { panic("in a transaction") })
	}()
	cancelled, cancel := context.WithCancel(ctx)
	err = db.Update(cancelled, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, "INSERT INTO t VALUES (1)")
		cancel()
		return err
	})
	if err == nil {
		t.Error("got nil from a cancelled transaction, want an error")
	}
	if got := scalar(t, db.Write, "SELECT count(*) FROM t"); got != "0" {
		t.Errorf("got %s rows, want 0: the writer is free and nothing was kept", got)
	}
}

// Concurrent transactions of two instances wait for each other; none fails
// because another had written between its read and its write.
func TestDB_Update_concurrent(t *testing.T) {
	ctx := t.Context()
	path := filepath.Join(t.TempDir(), "a.db")
	dbs := []*sqlite.DB{open(t, path, sqlite.Options{}), open(t, path, sqlite.Options{})}
	exec(t, dbs[0].Write, "CREATE TABLE t (n INTEGER)")
	exec(t, dbs[0].Write, "INSERT INTO t VALUES (0)")
	const rounds = 25
	var wg sync.WaitGroup
	for i := range 4 {
		wg.Go(func() {
			for range rounds {
				err := dbs[i%2].Update(ctx, func(tx *sql.Tx) error {
					var n int
					if err := tx.QueryRowContext(ctx, "SELECT n FROM t").Scan(&n); err != nil {
						return err
					}
					_, err := tx.ExecContext(ctx, "UPDATE t SET n = ?", n+1)
					return err
				})
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if got := scalar(t, dbs[1].Read, "SELECT n FROM t"); got != strconv.Itoa(4*rounds) {
		t.Errorf("got %s, want %d", got, 4*rounds)
	}
}

func TestErrors(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.db")
	db := open(t, path, sqlite.Options{})
	exec(t, db.Write, "CREATE TABLE t (x UNIQUE NOT NULL, y REFERENCES t (x))")
	exec(t, db.Write, "INSERT INTO t (x) VALUES (1)")

	causes := map[string]func() error{
		"unique":  func() error { return last(db.Write.Exec("INSERT INTO t (x) VALUES (1)")) },
		"null":    func() error { return last(db.Write.Exec("INSERT INTO t (x) VALUES (NULL)")) },
		"foreign": func() error { return last(db.Write.Exec("INSERT INTO t (x, y) VALUES (2, 3)")) },
		"busy": func() error {
			impatient := open(t, path, sqlite.Options{BusyTimeout: time.Millisecond})
			return db.Update(t.Context(), func(*sql.Tx) error {
				return last(impatient.Write.Exec("INSERT INTO t (x) VALUES (9)"))
			})
		},
		"read-only": func() error { return last(db.Read.Exec("DELETE FROM t")) },
		"full": func() error {
			exec(t, db.Write, "PRAGMA max_page_count = 4")
			return last(db.Write.Exec("INSERT INTO t (x) VALUES (zeroblob(100000))"))
		},
		"misspelt column": func() error { return last(db.Read.Query(`SELECT "nope" FROM t`)) },
		"no error":        func() error { return nil },
	}
	kinds := map[string]func(error) bool{
		"constraint": sqlite.IsConstraint, "busy": sqlite.IsBusy, "read-only": sqlite.IsReadOnly,
		"full": sqlite.IsFull, "damaged": sqlite.IsDamaged,
	}
	want := map[string]string{
		"unique": "constraint", "null": "constraint", "foreign": "constraint",
		"busy": "busy", "read-only": "read-only", "full": "full",
	}
	for cause, provoke := range causes {
		err := provoke()
		if (err == nil) != (cause == "no error") {
			t.Errorf("%s: got %v", cause, err)
		}
		for kind, is := range kinds {
			wrapped := err
			if err != nil {
				wrapped = fmt.Errorf("wrapped: %w", err)
			}
			if got := is(wrapped); got != (want[cause] == kind) {
				t.Errorf("%s: got %s %v (%v)", cause, kind, got, err)
			}
		}
	}
}

func last[T any](_ T, err error) error { return err }
