package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"text/tabwriter"
	"time"

	"sourire/internal/durable"
	"sourire/internal/feedback"
	"sourire/internal/run"
	"sourire/kiosk/app"
	"sourire/kiosk/journal"
)

// statusCmd tells how a kiosk is.
type statusCmd struct {
	JSON bool `help:"Print JSON, for programs."`
}

// report is the status as JSON.
type report struct {
	Kiosk         feedback.KioskID `json:"kiosk"`
	Running       bool             `json:"running"`
	Folder        string           `json:"folder"`
	Asked         feedback.Asked   `json:"asked"`
	Epoch         feedback.Epoch   `json:"epoch"`
	Next          feedback.Seq     `json:"next"`
	Acknowledged  feedback.Seq     `json:"acknowledged"`
	Epochs        int              `json:"epochs"`
	Queue         int64            `json:"queue"`
	QueuedPresses int64            `json:"queued_presses"`
	Presses       int64            `json:"presses"`
	Held          int64            `json:"held"`
	Bytes         int64            `json:"bytes"`
	Session       int64            `json:"session"`
	AckedAt       *time.Time       `json:"acknowledged_at,omitempty"`
	SeenAt        *time.Time       `json:"seen_at,omitempty"`
	Damaged       []string         `json:"damaged,omitempty"`
}

// Run reads the journal, and leaves a running kiosk alone.
func (cmd *statusCmd) Run(c *console) error {
	s, err := c.Settings()
	if err != nil {
		return err
	}
	if err := inhabited(s); err != nil {
		return err
	}
	path := s.Path(app.JournalFile)
	ctx, stop := run.Context()
	defer stop()
	stats, err := journal.Inspect(ctx, path)
	if err != nil {
		return err
	}
	r, err := newReport(s.Data, stats)
	if err != nil {
		return err
	}
	if r.Damaged, err = journal.Damaged(path); err != nil {
		return err
	}
	if cmd.JSON {
		e := json.NewEncoder(c.Out)
		e.SetIndent("", "  ")
		return e.Encode(r)
	}
	return r.print(c)
}

func newReport(folder string, s journal.Stats) (report, error) {
	r := report{
		Kiosk: s.Kiosk, Folder: folder, Asked: s.Asked.Asked, Epochs: len(s.Epochs), Queue: s.Queue,
		QueuedPresses: s.QueuedPresses, Presses: s.Presses, Held: s.Held, Bytes: s.Bytes, Session: s.Session,
		AckedAt: known(s.AckedAt), SeenAt: known(s.SeenAt),
	}
	if n := len(s.Epochs); n > 0 {
		e := s.Epochs[n-1]
		r.Epoch, r.Next, r.Acknowledged = e.ID, e.Next, e.Acked
	}
	lock, err := durable.Lock(folder)
	if errors.Is(err, durable.ErrLocked) {
		r.Running = true
		return r, nil
	}
	if err != nil {
		return r, err
	}
	return r, lock.Close()
}

func known(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

func (r report) print(c *console) error {
	at := func(t *time.Time, otherwise string) string {
		if t == nil {
			return otherwise
		}
		return t.Local().Format(time.DateTime)
	}
	state := "stopped"
	if r.Running {
		state = "running"
	}
	w := tabwriter.NewWriter(c.Out, 0, 0, 2, ' ', 0)
	fmt.Fprintf(w, "kiosk\t%s, %s\n", r.Kiosk, state)
	fmt.Fprintf(w, "asks\t%s / %s / %s, scale %s\n", r.Asked.Site, r.Asked.Touchpoint, r.Asked.Survey, r.Asked.Scale)
	fmt.Fprintf(w, "presses\t%d since the journal began\n", r.Presses)
	fmt.Fprintf(w, "waiting\t%d presses (%d records) the hub has not confirmed\n", r.QueuedPresses, r.Queue)
	fmt.Fprintf(w, "confirmed\t%s\n", at(r.AckedAt, "never, as far as is known"))
	fmt.Fprintf(w, "seen\t%s\n", at(r.SeenAt, "at an unknown time: the clock was never trusted"))
	fmt.Fprintf(w, "journal\t%d records, next %d in epoch %v, %d epochs\n", r.Held, r.Next, r.Epoch, r.Epochs)
	for _, name := range r.Damaged {
		fmt.Fprintf(w, "damaged\t%s was set aside\n", name)
	}
	if r.Running {
		fmt.Fprintln(w, "\tThe kiosk writes down once a minute what the hub has confirmed.")
	}
	return w.Flush()
}
