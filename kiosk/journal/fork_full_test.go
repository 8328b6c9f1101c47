package journal_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"
	"testing"

	"sourire/internal/feedback"
	"sourire/kiosk/journal"
)

// talkative is what ten visitors from n on do: a press each, why, and what one
// wrote. They name the presses by the numbers that these will have.
func talkative(n int, next feedback.Seq) (facts []feedback.Fact) {
	for ; len(facts) < 10*2; n++ {
		at := next + feedback.Seq(len(facts))
		facts = append(facts, feedback.Press{Rating: n % 3, Held: int64(n)}, feedback.Reason{Press: at, Code: strconv.Itoa(n)})
	}
	n--
	facts = append(facts, journal.Remark{Press: next + 18, Text: fmt.Sprintf("visitor %d wrote this", n)})
	if n%100 == 0 {
		facts = append(facts, feedback.Test{On: n%200 == 0})
	}
	return facts
}

// fillWith writes visitors until so much of the bound is used, in percent, or,
// with 100, until nothing fits any more. It returns how many there are.
func fillWith(t *testing.T, j *journal.Journal, bound int64, percent float64) (n int) {
	t.Helper()
	for ; percent == 100 || float64(used(t, j)) < float64(bound)*percent/100; n += 10 {
		_, err := j.Append(context.Background(), talkative(n+1, j.Head().Next)...)
		if errors.Is(err, journal.ErrFull) {
			return n
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return n
}

func used(t *testing.T, j *journal.Journal) int64 {
	t.Helper()
	s, err := j.Stats(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return s.Bytes
}

// visitors checks that an epoch holds visitors 1 to n once, each with what she
// said, among the records from a number on.
func visitors(t *testing.T, j *journal.Journal, id feedback.Epoch, n int) {
	t.Helper()
	all := held(t, j, id, 1)
	texts := map[feedback.Seq]string{}
	for from := feedback.Seq(1); from <= feedback.Seq(len(all)); {
		b, err := j.Batch(t.Context(), id, from, journal.Limit{Records: 500, Bytes: 1 << 20})
		if err != nil {
			t.Fatal(err)
		}
		for _, x := range b.Texts {
			texts[x.Seq] = x.Text
		}
		from = b.Last() + 1
	}
	presses, reasons, comments := 0, 0, 0
	number := func(seq feedback.Seq) int {
		p, _ := decode(t, all[seq-1]).Fact.(feedback.Press)
		return int(p.Held)
	}
	for i, body := range all {
		switch f := decode(t, body).Fact.(type) {
		case feedback.Press:
			if presses++; int(f.Held) != presses {
				t.Fatalf("got visitor %d, want %d", f.Held, presses)
			}
		case feedback.Reason:
			if reasons++; f.Code != strconv.Itoa(number(f.Press)) {
				t.Fatalf("got %+v, which names visitor %d", f, number(f.Press))
			}
		case feedback.Comment:
			comments++
			if want := fmt.Sprintf("visitor %d wrote this", number(f.Press)); texts[feedback.Seq(i+1)] != want {
				t.Fatalf("got %q, want %q", texts[feedback.Seq(i+1)], want)
			}
		}
	}
	if presses != n || reasons != n || comments != n/10 {
		t.Errorf("got %d presses, %d reasons, %d comments, want those of %d visitors", presses, reasons, comments, n)
	}
}

// A journal that is all but full of what the hub lacks can still be forked, and
// again, for the new epoch takes the room of the old one.
func TestJournal_Fork_full(t *testing.T) {
	for _, percent := range []float64{95, 100} {
		t.Run(fmt.Sprintf("%.0f percent", percent), func(t *testing.T) {
			o := options(t.TempDir(), newClock())
			o.MaxBytes = 512 << 10
			j := open(t, o)
			appendAll(t, j, asked)
			n := fillWith(t, j, o.MaxBytes, percent)
			before := used(t, j)
			if float64(before) < float64(o.MaxBytes)*(percent-3)/100 {
				t.Errorf("got %d bytes used, want %.0f %% of %d", before, percent, o.MaxBytes)
			}
			common := feedback.Seq(5) // all but the first records, of which none is a press
			for range 2 {
				old := j.Head()
				id, err := j.Fork(t.Context(), old.ID, common, "test")
				if err != nil {
					t.Fatal(err)
				}
				all := held(t, j, id, 1)
				began := decode(t, all[0]).Fact.(feedback.EpochBegan)
				if want := int64(old.Next - 1 - common); began.Again != want {
					t.Errorf("got %d records again, want %d", began.Again, want)
				}
				visitors(t, j, id, n)
				common = 1
			}
			t.Logf("%d visitors: %d bytes used before, %d after two forks, bound %d", n, before, used(t, j), o.MaxBytes)
			s, err := j.Stats(t.Context())
			if err != nil || s.Presses != int64(n) || s.QueuedPresses != int64(n) {
				t.Errorf("got %+v, %v, want %d presses, all queued", s, err, n)
			}
			id := j.Head().ID
			closeIt(t, j)
			o.MaxBytes *= 2 // the start of the program needs room
			j = open(t, o)  // and follows the chain
			defer closeIt(t, j)
			if j.Head().ID != id {
				t.Errorf("got epoch %v after a restart, want %v", j.Head().ID, id)
			}
			visitors(t, j, id, n)
		})
	}
}

// A full journal of which the hub has all but the last: what is moved is less
// than what the new epoch states.
func TestJournal_Fork_fullOfAcknowledged(t *testing.T) {
	o := options(t.TempDir(), newClock())
	o.MaxBytes = 512 << 10
	j := open(t, o)
	defer closeIt(t, j)
	appendAll(t, j, asked)
	fillUp(t, j)
	e := j.Head()
	if err := j.Ack(e.ID, e.Next-1); err != nil {
		t.Fatal(err)
	}
	common := e.Next - 3
	moving := held(t, j, e.ID, common+1)
	id, err := j.Fork(t.Context(), e.ID, common, "test")
	if err != nil {
		t.Fatal(err)
	}
	if got := held(t, j, id, 1); !slices.Equal(got[len(got)-2:], moving) {
		t.Errorf("got %v, want %v at the end", got, moving)
	}
	if es := j.Epochs(); es[0].Acked != common || es[0].Next != common+1 {
		t.Errorf("got %+v, want it cut off at %d", es[0], common)
	}
}

// On a disk without room for the log a fork changes nothing and presses go on;
// with room it succeeds.
func TestJournal_Fork_fullDisk(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "small")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=8m"); err != nil {
		if os.Getenv("CI") != "" {
			t.Fatalf("no file system can be mounted here, as root may: %v", err)
		}
		t.Skipf("no file system can be mounted here: %v", err)
	}
	defer syscall.Unmount(dir, 0)
	o := options(dir, newClock())
	j := open(t, o)
	appendAll(t, j, asked)
	n := fillWith(t, j, 1<<20, 50)
	closeIt(t, j) // the log is gone
	j = open(t, o)
	defer closeIt(t, j)
	var disk syscall.Statfs_t
	if err := syscall.Statfs(dir, &disk); err != nil {
		t.Fatal(err)
	}
	ballast := filepath.Join(dir, "ballast")
	if err := os.WriteFile(ballast, make([]byte, int64(disk.Bavail)*disk.Bsize-(300<<10)), 0o600); err != nil {
		t.Fatal(err)
	}
	old := j.Head()
	if _, err := j.Fork(t.Context(), old.ID, 5, "test"); !errors.Is(err, journal.ErrFull) {
		t.Fatalf("got %v, want ErrFull", err)
	}
	if got := j.Head(); got != old {
		t.Errorf("got %+v, want %+v", got, old)
	}
	appendAll(t, j, talkative(n+1, j.Head().Next)...)
	n += 10
	visitors(t, j, old.ID, n)
	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	id, err := j.Fork(t.Context(), old.ID, 5, "test")
	if err != nil {
		t.Fatal(err)
	}
	visitors(t, j, id, n)
}

// How long a fork of many records takes, and what memory.
func BenchmarkJournal_Fork(b *testing.B) {
	o := options(b.TempDir(), newClock())
	j := open(b, o)
	defer closeIt(b, j)
	const n = 100_000
	facts := make([]feedback.Fact, 1000)
	for i := range n {
		facts[i%1000] = feedback.Press{Rating: 1, Held: int64(i)}
		if i%1000 == 999 {
			appendAllAtOnce(b, j, facts)
		}
	}
	for b.Loop() {
		if _, err := j.Fork(b.Context(), j.Head().ID, 4, "test"); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(n)*float64(b.N)/b.Elapsed().Seconds(), "records/s")
}

func appendAllAtOnce(b *testing.B, j *journal.Journal, facts []feedback.Fact) {
	b.Helper()
	if _, err := j.Append(b.Context(), facts...); err != nil {
		b.Fatal(err)
	}
}
