package sqlstore_test

import (
	"bufio"
	"context"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"sourire/hub/ingest"
	"sourire/hub/store/sqlstore"
	"sourire/hub/upkeep"
	"sourire/internal/feedback"
)

// The test binary runs itself as a hub that is killed while it deletes from the
// store named here: it says each step before and after it.
const keeperVariable = "SOURIRE_TEST_KEEPER"

// keptAt is when it runs, and what it deletes was stored.
func keptAt() time.Time { return time.Date(2026, 1, 10, 12, 0, 0, 0, time.UTC) }

func keep(path string) {
	err := func() error {
		s, err := sqlstore.Open(context.Background(), path)
		if err != nil {
			return err
		}
		term, err := s.Term(context.Background())
		if err != nil {
			return err
		}
		_, err = upkeep.New(upkeep.Options{
			Store: saying{s}, Term: term, Now: func() time.Time { return keptAt().AddDate(0, 0, 60) }, Version: "v",
			Keep: upkeep.Keep{Records: upkeep.Days(30), Quarters: upkeep.Days(30)},
		}).Once(context.Background())
		return err
	}()
	fmt.Println("over", err)
	os.Exit(1)
}

type saying struct{ upkeep.Store }

func (s saying) Delete(ctx context.Context, o upkeep.Order) (upkeep.Deleted, bool, error) {
	fmt.Println("step")
	return s.Store.Delete(ctx, o)
}

// A hub that is killed in the middle of a run leaves a store that proves itself and
// shows the same numbers, and the next one deletes the rest.
func TestStore_retentionKilled(t *testing.T) {
	path := filepath.Join(t.TempDir(), "hub.db")
	s := openStore(t, path)
	term, err := s.TakeOver(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	g := ingest.New(s, ingest.Options{StoreID: "s", Term: term, Now: keptAt})
	const kiosks = 40
	for i := range kiosks {
		if o := g.Ingest(t.Context(), []ingest.Batch{batchOf(feedback.KioskID(fmt.Sprint("k", i)), keptAt(), 200)})[0]; o.Err != nil {
			t.Fatal(o.Err)
		}
	}
	want := numbers(t, s)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	killed := 0
	for over := false; !over; {
		if over = killUpkeep(t, path); !over {
			killed++
		}
		s := openStore(t, path)
		proved(t, s, fmt.Sprintf("killed %d times", killed))
		if got := numbers(t, s); !maps.Equal(got, want) {
			t.Fatalf("killed %d times: got days %+v, want %+v", killed, got, want)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	s = openStore(t, path)
	r := proved(t, s, "in the end")
	for _, f := range r.Findings {
		if f.Deleted != 203 {
			t.Errorf("got %d records deleted of %s, want 203", f.Deleted, f.Source.Key.Kiosk)
		}
	}
	if killed < 3 {
		t.Errorf("it was killed %d times only", killed)
	}
}

// killUpkeep lets a hub take some steps and kills it in the next one; it reports
// whether the run was over before.
func killUpkeep(t *testing.T, path string) (over bool) {
	t.Helper()
	child := exec.Command(os.Args[0])
	child.Env = append(os.Environ(), keeperVariable+"="+path)
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	for steps := 0; lines.Scan(); {
		if lines.Text() != "step" {
			over = lines.Text() == "over <nil>"
			if !over {
				t.Errorf("got %s", lines.Text())
			}
			continue
		}
		if steps++; steps == 10 {
			_ = child.Process.Kill() // it may be over
		}
	}
	_ = child.Wait() // it was killed
	return over
}
