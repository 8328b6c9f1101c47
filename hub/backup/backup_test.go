package backup_test

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"sourire/hub/backup"
	"sourire/hub/store/sqlstore"
	"sourire/hub/store/storetest"
	"sourire/internal/disktest"
	"sourire/internal/feedback"
	"sourire/internal/postgrestest"
)

func began() time.Time { return time.Date(2026, 3, 1, 10, 0, 0, 0, time.UTC) }

// fill stores presses of some kiosks.
func fill(tb testing.TB, s *sqlstore.Store, kiosks, presses int) {
	tb.Helper()
	g := storetest.Ingester(tb, s, began)
	for i := range kiosks {
		k := storetest.NewKiosk(tb, g, feedback.KioskID(fmt.Sprint("k-", i)), began().Add(-1e7*time.Second))
		k.Asks(began().Add(-1e7*time.Second), feedback.Asked{Site: feedback.SiteID(fmt.Sprint("site-", i/4)), Touchpoint: "exit", Survey: "visit", Scale: "smiley3"})
		for j := range presses {
			k.Press(began().Add(time.Duration(j-presses)*20*time.Second), j%3)
			if j%500 == 499 {
				k.Send()
			}
		}
		k.Send()
	}
}

func open(tb testing.TB, path string) *sqlstore.Store {
	tb.Helper()
	s, err := sqlstore.Open(tb.Context(), path)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = s.Close() })
	return s
}

func dial(tb testing.TB, address string) *sqlstore.Store {
	tb.Helper()
	s, err := sqlstore.Dial(tb.Context(), address, sqlstore.Options{ForCopy: true})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = s.Close() })
	return s
}

// The disk is full in the middle: it is said in a sentence and nothing is left.
func TestTake_diskFull(t *testing.T) {
	s := open(t, filepath.Join(t.TempDir(), "hub.db"))
	fill(t, s, 4, 3000)
	db := dial(t, postgrestest.Start(t).Database())
	if _, err := backup.Move(t.Context(), s, db, backup.Options{}); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "backup.db")
	if _, err := backup.Take(t.Context(), s, file, backup.Options{}); err != nil {
		t.Fatal(err)
	}
	dir := disktest.Mount(t, t.TempDir(), 300<<10).Dir
	to := filepath.Join(dir, "b.db")
	for name, do := range map[string]func() error{
		"backup of a file":     func() error { _, err := backup.Take(t.Context(), s, to, backup.Options{}); return err },
		"backup of PostgreSQL": func() error { _, err := backup.Take(t.Context(), db, to, backup.Options{}); return err },
		"copy from PostgreSQL": func() error { _, err := backup.MoveToFile(t.Context(), db, to, backup.Options{}); return err },
		"restore to a file":    func() error { _, _, err := backup.Unpack(t.Context(), file, to, backup.Options{}); return err },
	} {
		t.Run(name, func(t *testing.T) {
			if err := do(); err == nil || !strings.Contains(err.Error(), "is full, free some space") {
				t.Errorf("got %v, want it to say that the disk is full", err)
			}
			_ = os.Remove(to) // where the caller cleans up
			if left, err := os.ReadDir(dir); err != nil || len(left) != 0 {
				t.Errorf("got %v, %v left, want nothing", left, err)
			}
		})
	}
}

// However full the disk is, there is a whole backup, or none and a sentence. Some
// sizes have room for the file and not for the log beside it.
func TestTake_diskAlmostFull(t *testing.T) {
	s := open(t, filepath.Join(t.TempDir(), "hub.db"))
	fill(t, s, 2, 1500)
	db := dial(t, postgrestest.Start(t).Database())
	if _, err := backup.Move(t.Context(), s, db, backup.Options{}); err != nil {
		t.Fatal(err)
	}
	for name, from := range map[string]*sqlstore.Store{"file": s, "PostgreSQL": db} {
		dir, file := t.TempDir(), "b.db"
		taken, err := backup.Take(t.Context(), from, filepath.Join(dir, file), backup.Options{})
		if err != nil {
			t.Fatal(err)
		}
		kept, refused := 0, 0
		for size := int(taken.Bytes) / 2; kept < 2; size += max(int(taken.Bytes)/12, 16<<10) {
			disk := disktest.Mount(t, filepath.Join(dir, fmt.Sprint(name, size)), size)
			path := filepath.Join(disk.Dir, file)
			_, err := backup.Take(t.Context(), from, path, backup.Options{NoVerify: true})
			left, e := os.ReadDir(disk.Dir)
			switch {
			case e != nil:
				t.Fatal(e)
			case err != nil:
				if refused++; !strings.Contains(err.Error(), "is full, free some space") || len(left) > 0 {
					t.Errorf("%s on %d bytes: got %v and %v left, want a sentence and nothing", name, size, err, left)
				}
			default:
				kept++
				whole := filepath.Join(t.TempDir(), "hub.db")
				m, r, err := backup.Unpack(t.Context(), path, whole, backup.Options{})
				if err != nil || !r.OK() || m == nil || m.Rows["record"] != taken.Rows["record"] || len(left) != 1 {
					t.Errorf("%s on %d bytes: got %v, %+v, %v and %v left, want it whole", name, size, m, r.Problems, err, left)
				}
			}
			if size > 8*int(taken.Bytes) {
				t.Fatalf("%s: nothing was kept on %d bytes", name, size)
			}
		}
		if refused == 0 {
			t.Errorf("%s: no disk was too small", name)
		}
	}
}

// What an interrupted run left is removed; what another process writes is not.
func TestTake_leftovers(t *testing.T) {
	dir := t.TempDir()
	s := open(t, filepath.Join(dir, "hub.db"))
	fill(t, s, 1, 3)
	file := filepath.Join(dir, "b.db")
	for _, name := range []string{file + ".part", file + ".part-wal", file + ".part-journal"} {
		if err := os.WriteFile(name, []byte(strings.Repeat("left ", 1000)), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	held, err := os.Open(file + ".part")
	if err != nil {
		t.Fatal(err)
	}
	if err := syscall.Flock(int(held.Fd()), syscall.LOCK_EX); err != nil {
		t.Fatal(err)
	}
	if _, err := backup.Take(t.Context(), s, file, backup.Options{}); err == nil || !strings.Contains(err.Error(), "another process") {
		t.Errorf("got %v, want it to say that another process writes it", err)
	}
	if err := held.Close(); err != nil {
		t.Fatal(err)
	}
	taken, err := backup.Take(t.Context(), s, file, backup.Options{Program: "1.2"})
	if err != nil || taken.Program != "1.2" || taken.Rows["source"] != 1 {
		t.Fatalf("got %+v, %v", taken, err)
	}
	info, err := os.Stat(file)
	if err != nil || info.Size() != taken.Bytes || info.Mode() != 0o600 {
		t.Errorf("got %v, %v, want %d bytes for its owner only", info, err, taken.Bytes)
	}
	if left, _ := filepath.Glob(file + ".*"); len(left) != 0 {
		t.Errorf("got %q left", left)
	}
	if _, err := backup.Take(t.Context(), s, file, backup.Options{}); !errors.Is(err, fs.ErrExist) {
		t.Errorf("got %v, want fs.ErrExist", err)
	}
}

// BenchmarkMove copies a million presses each way, each with proofs of both sides.
func BenchmarkMove(b *testing.B) {
	const kiosks, each = 20, 50_000
	s := open(b, filepath.Join(b.TempDir(), "hub.db"))
	fill(b, s, kiosks, each)
	server := postgrestest.Start(b)
	for _, verified := range []bool{false, true} {
		o := backup.Options{NoVerify: !verified}
		var db *sqlstore.Store
		run := func(name string, do func() error) {
			b.Run(fmt.Sprintf("%s/verified=%v", name, verified), func(b *testing.B) {
				for b.Loop() {
					if err := do(); err != nil {
						b.Fatal(err)
					}
				}
				b.ReportMetric(kiosks*each/(b.Elapsed().Seconds()/float64(b.N)), "presses/s")
			})
		}
		file := func() string { return filepath.Join(b.TempDir(), "b.db") }
		run("to PostgreSQL", func() error {
			db = dial(b, server.Database())
			_, err := backup.Move(b.Context(), s, db, o)
			return err
		})
		run("to a file", func() error { _, err := backup.MoveToFile(b.Context(), db, file(), o); return err })
		run("backup of a file", func() error { _, err := backup.Take(b.Context(), s, file(), o); return err })
		run("backup of PostgreSQL", func() error { _, err := backup.Take(b.Context(), db, file(), o); return err })
	}
}
