package journal_test

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"sourire/internal/feedback"
	"sourire/kiosk/journal"
)

// fillUp presses until the journal is full and returns how many were thanked.
func fillUp(t *testing.T, j *journal.Journal) (n int) {
	t.Helper()
	for range 500_000 {
		_, err := j.Append(context.Background(), manyPresses...)
		if errors.Is(err, journal.ErrFull) {
			if !strings.Contains(err.Error(), "free some space") {
				t.Errorf("got %v, want a sentence that says what to do", err)
			}
			return n
		}
		if err != nil {
			t.Fatal(err)
		}
		n += len(manyPresses)
	}
	t.Fatal("the journal never became full")
	return 0
}

var manyPresses = func() []feedback.Fact {
	facts := make([]feedback.Fact, 50)
	for i := range facts {
		facts[i] = feedback.Press{Rating: 1, Held: int64(i)}
	}
	return facts
}()

// The bound of the file: nothing that the hub lacks is dropped; once it has
// something, that makes room.
func TestJournal_full_bound(t *testing.T) {
	o := options(t.TempDir(), newClock())
	o.MaxBytes = 1 << 20
	j := open(t, o)
	defer closeIt(t, j)
	n := fillUp(t, j)
	e := j.Head()
	all := held(t, j, e.ID, 1)
	if len(all) != n+4 || e.Oldest != 1 {
		t.Errorf("got %d records from %d, want the %d that were thanked and 4", len(all), e.Oldest, n)
	}
	s, err := j.Stats(t.Context())
	if err != nil || s.DaysLeft > 1 {
		t.Errorf("got %v days left, %v, want none", s.DaysLeft, err)
	}
	if err := j.Ack(e.ID, e.Next/2); err != nil {
		t.Fatal(err)
	}
	if s, err = j.Stats(t.Context()); err != nil || s.DaysLeft < 10 {
		t.Errorf("got %v days left, %v, want the room that can be made", s.DaysLeft, err)
	}
	for range 40 {
		if _, err := j.Append(t.Context(), manyPresses...); err != nil {
			t.Fatal(err)
		}
	}
	if got := j.Head(); got.Oldest <= 1 || got.Oldest > got.Acked+1 {
		t.Errorf("got %+v, want acknowledged records to have made room", got)
	}
	if got := held(t, j, e.ID, e.Next/2+1); got[0] != all[e.Next/2] {
		t.Errorf("got %s, want %s: nothing unacknowledged may go", got[0], all[e.Next/2])
	}
}

// A disk that is really full, where this test may mount one.
func TestJournal_full_disk(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "small")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=1m"); err != nil {
		t.Logf("no file system can be mounted here (%v); the limit of a process takes its place", err)
		fullByLimit(t)
		return
	}
	defer syscall.Unmount(dir, 0)
	ballast := filepath.Join(dir, "ballast")
	if err := os.WriteFile(ballast, make([]byte, 200<<10), 0o600); err != nil {
		t.Fatal(err)
	}
	o := options(dir, newClock())
	j := open(t, o)
	n := fillUp(t, j)
	if got := len(held(t, j, j.Head().ID, 1)); got != n+4 {
		t.Errorf("got %d records, want %d", got, n+4)
	}
	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	press(t, j, 2) // with space again
	closeIt(t, j)
	j = open(t, o)
	defer closeIt(t, j)
	if got := len(held(t, j, j.Head().ID, 1)); got != n+4+1+2 {
		t.Errorf("got %d records after a restart, want %d", got, n+7)
	}
}

// A journal that has dropped all that it held has all of its room.
func TestJournal_Stats_roomOfNothing(t *testing.T) {
	c := newClock()
	o := options(t.TempDir(), c)
	o.Keep = time.Hour
	j := open(t, o)
	defer closeIt(t, j)
	press(t, j, 1)
	if e := j.Head(); j.Ack(e.ID, e.Next-1) != nil {
		t.Fatal("the press could not be acknowledged")
	}
	c.pass(2 * time.Hour)
	if err := j.Renew(t.Context()); err != nil {
		t.Fatal(err)
	}
	s, err := j.Stats(t.Context())
	if err != nil || s.Held != 0 || s.DaysLeft < 10 {
		t.Errorf("got %d records held and room for %v days, %v, want none and for months", s.Held, s.DaysLeft, err)
	}
}

func fullByLimit(t *testing.T) {
	dir := t.TempDir()
	child := exec.Command(os.Args[0])
	child.Env = append(os.Environ(), childFolder+"="+dir, childLimit+"=300000")
	out, _ := child.Output()
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	if said := lines[len(lines)-1]; !strings.Contains(said, "journal") {
		t.Errorf("got %q, want a sentence", said)
	}
	j := open(t, options(dir, newClock()))
	defer closeIt(t, j)
	if got := len(held(t, j, j.Head().ID, 1)); got < len(lines)-1+4 {
		t.Errorf("got %d records, want the %d that were thanked", got, len(lines)-1)
	}
}

func TestOpen_readOnly(t *testing.T) {
	dir := t.TempDir()
	closeIt(t, open(t, options(dir, newClock())))
	for path := dir; path != filepath.Dir(os.TempDir()) && path != "/"; path = filepath.Dir(path) {
		if err := os.Chmod(path, 0o755); err != nil {
			break
		}
	}
	if err := os.Chmod(filepath.Join(dir, "journal.db"), 0o444); err != nil {
		t.Fatal(err)
	}
	if os.Geteuid() == 0 {
		// Root may write anywhere; this thread looks at files as nobody does.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		if err := syscall.Setfsuid(65534); err != nil {
			t.Fatal(err)
		}
		defer syscall.Setfsuid(0)
	} else if err := os.Chmod(dir, 0o500); err != nil {
		t.Fatal(err)
	}
	_, err := journal.Open(t.Context(), options(dir, newClock()))
	if err == nil || !strings.Contains(err.Error(), "journal.db") || !strings.Contains(err.Error(), "writ") && !strings.Contains(err.Error(), "read-only") {
		t.Errorf("got %v, want a sentence that says what to make writable", err)
	}
}
