// Package ledger adds up what became of the presses of a fleet that is at work,
// or has just ended.
//
// It stands beside the line, over both of its ends: internal/ledger holds what
// must arrive, hub/verify holds the store against it, and what is added here is
// where the rest is: on which kiosk a press waits, or that it is lost. The demo
// and the tests of whole programs use it. It keeps nothing and must not know how
// a press travels.
package ledger

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"sourire/hub/ingest"
	"sourire/hub/verify"
	"sourire/internal/feedback"
	"sourire/internal/ledger"
	"sourire/kiosk/app"
	"sourire/kiosk/journal"
)

// Read reads a ledger; a missing file is an empty one.
func Read(path string) (*ledger.Book, error) {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return ledger.Read(strings.NewReader(""))
	} else if err != nil {
		return nil, err
	}
	defer f.Close() // only read
	return ledger.Read(f)
}

// Sum is what became of the presses.
type Sum struct {
	Pressed  int64 // in the ledger
	Stored   int64 // press records in the hub
	Counted  int64 // ratings: visits that enter the scores
	SetAside int64 // presses of visits that do not
	Merged   int64 // presses of counted visits beyond the first
	Queued   int64 // still on their kiosks
	Lost     int64 // neither stored nor queued
	Doubled  int64 // stored more than once, or never pressed
	Problems []string
}

// String is the demo's summary line.
func (s Sum) String() string {
	return fmt.Sprintf("pressed %d stored %d counted %d set aside %d queued %d lost %d doubled %d",
		s.Pressed, s.Stored, s.Counted, s.SetAside, s.Queued, s.Lost, s.Doubled)
}

// OK reports whether nothing was lost, doubled or found wrong.
func (s Sum) OK() bool { return s.Lost == 0 && s.Doubled == 0 && len(s.Problems) == 0 }

// Fleet is where kiosks keep what they recorded.
type Fleet struct {
	Ledger string // file; its presses are compared one by one
	Folder string // holds the data folders of the ledger's kiosks
	// Others are data folders of kiosks that write no ledger: their presses
	// are compared by number.
	Others []string
}

// Compare compares a fleet with a hub's store, running or not. What a kiosk
// believes is read before the hub, which only gains: so a press that its kiosk
// believes to be stored and that the hub has not is lost, at any instant.
// Doubled means something only when nobody presses any more.
func (f Fleet) Compare(ctx context.Context, hub verify.Store) (Sum, error) {
	book, err := Read(f.Ledger)
	if err != nil {
		return Sum{}, err
	}
	marks, err := readMarks(f.Folder)
	if err != nil {
		return Sum{}, err
	}
	others, err := f.others(ctx)
	if err != nil {
		return Sum{}, err
	}
	report, err := verify.Run(ctx, hub, "", nil)
	if err != nil {
		return Sum{}, err
	}
	var sum Sum
	sum.take(report)
	for _, o := range others {
		book.Kiosks[o.Kiosk] = false
		sum.other(o, report)
	}
	for _, finding := range report.Findings {
		if _, known := book.Kiosks[finding.Source.Key.Kiosk]; !known { // whose are they?
			sum.Doubled += finding.Presses
		}
	}
	found, err := verify.Compare(ctx, hub, book)
	if err != nil {
		return sum, err
	}
	sum.Pressed += found.Must
	for _, a := range found.Absent {
		if a.Seq > marks[ingest.Key{Kiosk: a.Kiosk, Epoch: a.Epoch}] {
			sum.Queued++
		} else {
			sum.Lost++
		}
	}
	sum.Lost += int64(len(found.Differ))
	sum.Doubled += int64(len(found.Differ) + len(found.Extra))
	return sum, nil
}

// take adds up what the hub's store says and proves of itself.
func (s *Sum) take(report verify.Report) {
	s.Problems = append(s.Problems, report.Problems...)
	for _, f := range report.Findings {
		s.Stored += f.Presses
		for _, p := range f.Problems {
			s.Problems = append(s.Problems, fmt.Sprintf("%s: %s", f.Source.Key.Kiosk, p))
		}
	}
	for _, c := range report.Cells {
		s.Counted += c.Ratings()
		s.SetAside += c.AsidePresses
		s.Merged += c.Repeats()
	}
}

// other adds a kiosk without a ledger.
func (s *Sum) other(o journal.Stats, report verify.Report) {
	var have int64
	for _, f := range report.Findings {
		if f.Source.Key.Kiosk == o.Kiosk {
			have += f.Presses
		}
	}
	s.Pressed += o.Presses
	s.Queued += max(0, o.Presses-have)
	s.Lost += max(0, o.Presses-have-o.QueuedPresses)
	s.Doubled += max(0, have-o.Presses)
}

func (f Fleet) others(ctx context.Context) ([]journal.Stats, error) {
	var out []journal.Stats
	for _, folder := range f.Others {
		file := filepath.Join(folder, app.JournalFile)
		if _, err := os.Stat(file); errors.Is(err, fs.ErrNotExist) {
			continue
		}
		st, err := journal.Inspect(ctx, journal.Options{Path: file})
		if err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
		out = append(out, st)
	}
	return out, nil
}

// readMarks reads how far each kiosk believes the hub to be.
func readMarks(folder string) (map[ingest.Key]feedback.Seq, error) {
	files, err := filepath.Glob(filepath.Join(folder, "*", app.JournalFile))
	if err != nil {
		return nil, err
	}
	out := make(map[ingest.Key]feedback.Seq)
	for _, file := range files {
		st, err := journal.Inspect(context.Background(), journal.Options{Path: file})
		if err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
		for _, e := range st.Epochs {
			out[ingest.Key{Kiosk: st.Kiosk, Epoch: e.ID}] = e.Acked
		}
	}
	return out, nil
}
