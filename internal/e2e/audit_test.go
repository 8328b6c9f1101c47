package e2e

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"sourire/hub/app"
	"sourire/hub/ingest"
	"sourire/hub/store/sqlstore"
	"sourire/hub/verify"
	"sourire/internal/feedback"
	"sourire/internal/wire"
)

// audit checks the invariant over the whole state, from the outside:
//
//	appended = stored ∪ still queued ∪ declared, and each is counted once.
//
// Presses are told apart by their bytes: the device time of the table never
// stands still and never runs twice.
type audit struct {
	appended map[string]bool // by every journal that took part, as its wrapper saw
	stored   map[string]int  // in the hub, how often
	counted  int64           // ratings in the roll-ups
	raw      int64           // presses in the roll-ups
	visits   int64           // what a recount by hand gives
	declared int64           // records declared lost
	epochs   int
	problems []string
}

// readAppended reads what a kiosk's wrapper wrote down after each append.
func readAppended(paths ...string) (map[string]bool, error) {
	out := make(map[string]bool)
	for _, p := range paths {
		f, err := os.Open(p)
		if os.IsNotExist(err) {
			continue
		} else if err != nil {
			return nil, err
		}
		defer f.Close()
		for in := bufio.NewScanner(f); in.Scan(); {
			out[in.Text()] = true
		}
	}
	return out, nil
}

// newAudit reads a hub's data folder.
func newAudit(t testing.TB, data string, appended map[string]bool) *audit {
	t.Helper()
	ctx := context.Background()
	store, err := sqlstore.Open(ctx, filepath.Join(data, app.FileName))
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	a := &audit{appended: appended, stored: make(map[string]int)}
	report, err := verify.Run(ctx, store, "", nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range report.Findings {
		a.declared += f.Lost
		a.epochs++
		for _, p := range f.Problems {
			a.problem("%s %s: %s", f.Source.Key.Kiosk, f.Source.Key.Epoch, p)
		}
	}
	a.problems = append(a.problems, report.Problems...)
	err = store.Snapshot(ctx, func(r verify.Reader) error {
		cells, err := r.Cells(ctx)
		if err != nil {
			return err
		}
		for _, c := range cells {
			a.counted += c.Ratings() + c.SetAside()
			a.raw += c.Presses
		}
		for _, f := range report.Findings {
			h := handCount{}
			if err := r.Rows(ctx, f.Source.Key, func(row ingest.Row) error { a.row(row, &h); return nil }); err != nil {
				return err
			}
			a.visits += h.visits
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func (a *audit) problem(format string, args ...any) {
	a.problems = append(a.problems, fmt.Sprintf(format, args...))
}

// handCount counts visits without internal/visit: the presses of the table are
// 3 s apart, or 0.5 s where they shall be one visit.
type handCount struct {
	visits int64
	open   bool
	boot   feedback.Boot
	since  int64
}

func (a *audit) row(row ingest.Row, h *handCount) {
	r, err := wire.DecodeRecord(row.Body)
	if err != nil {
		return
	}
	if _, ok := r.Fact.(feedback.Press); !ok {
		if r.Fact.Kind() == feedback.KindBoot || r.Fact.Kind() == feedback.KindPlan {
			h.open = false
		}
		return
	}
	a.stored[string(row.Body)]++
	if !h.open || r.Stamp.Boot != h.boot || r.Stamp.Since-h.since > 2000 {
		h.visits++
		h.open, h.boot, h.since = true, r.Stamp.Boot, r.Stamp.Since
	}
}

// check compares the sides. destroyed says that records may have perished with
// a card: then their loss must be declared or the card's return known.
func (a *audit) check(destroyed bool) []string {
	for body, n := range a.stored {
		if n != 1 {
			a.problem("%s is stored %d times", body, n)
		}
		if !a.appended[body] {
			a.problem("%s is stored and was never appended", body)
		}
	}
	lost := 0
	for body := range a.appended {
		if a.stored[body] == 0 {
			if lost++; !destroyed {
				a.problem("%s is lost", body)
			}
		}
	}
	if destroyed && lost > 0 && a.epochs < 2 && a.declared == 0 {
		a.problem("%d presses perished with a card and nothing says so", lost)
	}
	if int64(len(a.stored)) != a.raw {
		a.problem("the roll-ups hold %d presses, %d are stored", a.raw, len(a.stored))
	}
	if a.counted != a.visits {
		a.problem("the roll-ups hold %d visits, a count by hand gives %d", a.counted, a.visits)
	}
	if len(a.problems) > 0 {
		a.problem("%d epochs, declared %d", a.epochs, a.declared)
	}
	return a.problems
}

// isPress reports whether a body is that of a press, for the wrapper's book.
func isPress(body json.RawMessage) bool {
	r, err := wire.DecodeRecord(body)
	return err == nil && r.Fact.Kind() == feedback.KindPress
}
