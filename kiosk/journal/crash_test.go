package journal_test

import (
	"bufio"
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"syscall"
	"testing"

	"sourire/internal/feedback"
	"sourire/kiosk/journal"
)

// The test binary runs itself as a kiosk that is killed: it appends presses to
// the journal in the folder named here and prints each number after Append
// returned. With a limit, no file may grow beyond so many bytes.
const (
	childFolder = "SOURIRE_TEST_JOURNAL"
	childLimit  = "SOURIRE_TEST_LIMIT"
)

func TestMain(m *testing.M) {
	dir := os.Getenv(childFolder)
	if dir == "" {
		// Each check opens a database many times; the soak asks for more.
		if err := flag.Set("rapid.checks", "30"); err != nil {
			panic(err)
		}
		flag.Parse()
		os.Exit(m.Run())
	}
	if err := pressForever(dir); err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
}

func pressForever(dir string) error {
	j, err := journal.Open(context.Background(), options(dir, newClock()))
	if err != nil {
		return err
	}
	if limit := os.Getenv(childLimit); limit != "" {
		var n uint64
		if _, err := fmt.Sscan(limit, &n); err != nil {
			return err
		}
		if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{Cur: n, Max: n}); err != nil {
			return err
		}
	}
	for {
		e, err := j.Append(context.Background(), feedback.Press{Rating: 2})
		if err != nil {
			return err
		}
		fmt.Println(e[0].Epoch, e[0].Seq)
	}
}

// pressUntil runs the child until it has printed n numbers, kills it, and
// returns every key that it printed.
func pressUntil(t *testing.T, dir string, n int) map[feedback.Epoch][]feedback.Seq {
	t.Helper()
	child := exec.Command(os.Args[0])
	child.Env = append(os.Environ(), childFolder+"="+dir)
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	keys := map[feedback.Epoch][]feedback.Seq{}
	lines := bufio.NewScanner(out)
	for count := 0; lines.Scan(); count++ {
		var epoch string
		var seq feedback.Seq
		if _, err := fmt.Sscan(lines.Text(), &epoch, &seq); err != nil {
			t.Fatalf("the child said %q", lines.Text())
		}
		id, err := feedback.ParseEpoch(epoch)
		if err != nil {
			continue // the last line may be cut
		}
		keys[id] = append(keys[id], seq)
		if count == n {
			if err := child.Process.Kill(); err != nil {
				t.Fatal(err)
			}
		}
	}
	_ = child.Wait() // it was killed
	return keys
}

// Whatever Append returned is there after SIGKILL, without holes.
func TestJournal_Append_killed(t *testing.T) {
	dir := t.TempDir()
	said := map[feedback.Epoch][]feedback.Seq{}
	for round := range 6 {
		for id, seqs := range pressUntil(t, dir, 20*(round+1)) {
			said[id] = append(said[id], seqs...)
		}
		j := open(t, options(dir, newClock()))
		if got := len(j.Epochs()); got != 1 {
			t.Errorf("got %d epochs, want one", got)
		}
		all := held(t, j, j.Head().ID, 1)
		if len(all) != int(j.Head().Next)-1 {
			t.Errorf("got %d records, want %d", len(all), j.Head().Next-1)
		}
		for _, seq := range said[j.Head().ID] {
			if _, ok := decode(t, all[seq-1]).Fact.(feedback.Press); !ok {
				t.Fatalf("got %s under %d, want the press that was thanked", all[seq-1], seq)
			}
		}
		closeIt(t, j)
	}
}
