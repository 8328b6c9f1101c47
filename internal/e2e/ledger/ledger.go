// Package ledger compares what kiosks say they recorded with what a hub has.
//
// It stands beside the line, over both of its ends: a ledger is what
// kiosk/fleetsim writes of presses that are on a kiosk's disk, the hub's side is
// read from its store. The demo and the tests of whole programs use it. It keeps
// nothing and must not know how a press travels.
package ledger

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"sourire/hub/ingest"
	"sourire/hub/verify"
	"sourire/internal/feedback"
	"sourire/internal/wire"
	"sourire/kiosk/app"
	"sourire/kiosk/journal"
)

// Entry is a line of a ledger: a press that must arrive.
type Entry struct {
	Kiosk  feedback.KioskID `json:"kiosk"`
	Epoch  feedback.Epoch   `json:"epoch"`
	Seq    feedback.Seq     `json:"seq"`
	Rating int              `json:"rating"`
	At     int64            `json:"at"` // Unix milliseconds
}

// Read reads a ledger; a last line that was cut off is left out. A missing file
// is an empty ledger.
func Read(path string) ([]Entry, error) {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	} else if err != nil {
		return nil, err
	}
	defer f.Close()
	var out []Entry
	in := bufio.NewScanner(f)
	for in.Scan() {
		var e Entry
		if err := json.Unmarshal(in.Bytes(), &e); err == nil {
			out = append(out, e)
		}
	}
	return out, in.Err()
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
	entries, err := Read(f.Ledger)
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
	sum := Sum{Pressed: int64(len(entries))}
	report, err := verify.Run(ctx, hub, "", nil)
	if err != nil {
		return sum, err
	}
	sum.take(report)
	stored, err := readStored(ctx, hub, report)
	if err != nil {
		return sum, err
	}
	for _, o := range others {
		sum.other(o, stored)
	}
	known := make(map[identity]bool, len(entries))
	for _, e := range entries {
		id := identity{key{ingest.Key{Kiosk: e.Kiosk, Epoch: e.Epoch}, e.Seq}, e.Rating}
		known[id] = true
		switch {
		case stored[id]:
		case e.Seq > marks[id.Key]:
			sum.Queued++
		default:
			sum.Lost++
		}
	}
	for id := range stored {
		if !known[id] {
			sum.Doubled++
		}
	}
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

// other adds a kiosk without a ledger, and takes its presses out of stored.
func (s *Sum) other(o journal.Stats, stored map[identity]bool) {
	var have int64
	for id := range stored {
		if id.Kiosk == o.Kiosk {
			have++
			delete(stored, id)
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
		st, err := journal.Inspect(ctx, file)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
		out = append(out, st)
	}
	return out, nil
}

type key struct {
	ingest.Key
	seq feedback.Seq
}

type identity struct {
	key
	rating int
}

func readStored(ctx context.Context, hub verify.Store, report verify.Report) (map[identity]bool, error) {
	out := make(map[identity]bool)
	err := hub.Snapshot(ctx, func(r verify.Reader) error {
		for _, f := range report.Findings {
			err := r.Rows(ctx, f.Source.Key, func(row ingest.Row) error {
				rec, err := wire.DecodeRecord(row.Body)
				if err != nil {
					return nil //nolint:nilerr // verify.Run judges records
				}
				if p, ok := rec.Fact.(feedback.Press); ok {
					out[identity{key{f.Source.Key, row.Seq}, p.Rating}] = true
				}
				return nil
			})
			if err != nil {
				return err
			}
		}
		return nil
	})
	return out, err
}

// readMarks reads how far each kiosk believes the hub to be.
func readMarks(folder string) (map[ingest.Key]feedback.Seq, error) {
	files, err := filepath.Glob(filepath.Join(folder, "*", app.JournalFile))
	if err != nil {
		return nil, err
	}
	out := make(map[ingest.Key]feedback.Seq)
	for _, file := range files {
		st, err := journal.Inspect(context.Background(), file)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
		for _, e := range st.Epochs {
			out[ingest.Key{Kiosk: st.Kiosk, Epoch: e.ID}] = e.Acked
		}
	}
	return out, nil
}
