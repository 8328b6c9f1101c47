package postgrestest_test

import (
	"database/sql"
	"testing"

	_ "github.com/jackc/pgx/v5/stdlib" // "pgx"
	"go.uber.org/goleak"

	"sourire/internal/postgrestest"
)

// What was committed is there after a kill, a restart and a dump, and nothing is
// left when the test ends.
func TestServer(t *testing.T) {
	leaks := goleak.IgnoreCurrent()
	t.Run("lives", func(t *testing.T) {
		s := postgrestest.Start(t)
		first, second := s.Database(), s.Database()
		if first == second {
			t.Fatalf("got %s twice", first)
		}
		db := open(t, first)
		defer db.Close()
		if _, err := db.Exec("CREATE TABLE t (n integer); INSERT INTO t VALUES (7)"); err != nil {
			t.Fatal(err)
		}
		s.Kill()
		if err := db.Ping(); err == nil {
			t.Error("got an answer of a server that was killed")
		}
		s.Restart()
		s.Exec(second, s.Dump(first))
		for _, address := range []string{first, second} {
			db := open(t, address)
			var n int
			if err := db.QueryRow("SELECT n FROM t").Scan(&n); err != nil || n != 7 {
				t.Errorf("got %d, %v, want 7", n, err)
			}
			db.Close()
		}
	})
	goleak.VerifyNone(t, leaks)
}

func open(t *testing.T, address string) *sql.DB {
	t.Helper()
	db, err := sql.Open("pgx", address)
	if err != nil {
		t.Fatal(err)
	}
	db.SetMaxOpenConns(1)
	return db
}
