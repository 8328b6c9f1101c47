package sqlite_test

import (
	"bufio"
	"fmt"
	"os"
	osexec "os/exec"
	"path/filepath"
	"strconv"
	"testing"

	"sourire/internal/sqlite"
)

// The test binary runs itself as a writer that is killed: it commits rows into
// the database named here and prints each number after its commit.
const writerVariable = "SOURIRE_TEST_WRITER"

func TestMain(m *testing.M) {
	path := os.Getenv(writerVariable)
	if path == "" {
		os.Exit(m.Run())
	}
	if err := writeForever(path); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func writeForever(path string) error {
	db, err := sqlite.Open(path, sqlite.Options{})
	if err != nil {
		return err
	}
	if _, err := db.Write.Exec("CREATE TABLE IF NOT EXISTS t (n INTEGER PRIMARY KEY)"); err != nil {
		return err
	}
	for {
		var n int
		if err := db.Write.QueryRow("INSERT INTO t DEFAULT VALUES RETURNING n").Scan(&n); err != nil {
			return err
		}
		fmt.Println(n)
	}
}

// Every row whose commit returned is there after SIGKILL, and the file is whole.
func TestDB_killedWriter(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.db")
	committed := 0
	for round := range 5 {
		committed = killWriter(t, path, 50*(round+1), committed)
		db, err := sqlite.Open(path, sqlite.Options{})
		if err != nil {
			t.Fatal(err)
		}
		if err := db.QuickCheck(t.Context()); err != nil {
			t.Error(err)
		}
		got, err := strconv.Atoi(scalar(t, db.Read, "SELECT count(*) FROM t"))
		if err != nil || got < committed {
			t.Errorf("got %d rows, %v, want the %d that were committed", got, err, committed)
		}
		committed = got
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// killWriter lets a writer commit some rows, kills it, reads what it had still
// said, and returns the last number.
func killWriter(t *testing.T, path string, rows, before int) (last int) {
	t.Helper()
	child := osexec.Command(os.Args[0])
	child.Env = append(os.Environ(), writerVariable+"="+path)
	child.Stderr = os.Stderr
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	for n := 0; lines.Scan(); n++ {
		number, err := strconv.Atoi(lines.Text())
		if err != nil {
			continue // the last line may be cut
		}
		last = number
		if n == rows {
			if err := child.Process.Kill(); err != nil {
				t.Fatal(err)
			}
		}
	}
	_ = child.Wait() // it was killed
	if last < before+rows {
		t.Fatalf("the writer said %d, want at least %d", last, before+rows)
	}
	return last
}
