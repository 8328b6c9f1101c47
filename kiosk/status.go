package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"text/tabwriter"
	"time"

	"sourire/internal/command"
	"sourire/internal/durable"
	"sourire/internal/feedback"
	"sourire/internal/run"
	"sourire/kiosk/app"
	"sourire/kiosk/clock"
	"sourire/kiosk/health"
	"sourire/kiosk/journal"
	"sourire/kiosk/settings"
)

// statusCmd tells how a kiosk is.
type statusCmd struct {
	JSON bool `help:"Print JSON, for programs."`
}

// Help stands below the summary.
func (statusCmd) Help() string { return "Example: sourire-kiosk status --data=/var/lib/sourire-kiosk" }

// report is the status as JSON.
type report struct {
	Kiosk         feedback.KioskID `json:"kiosk"`
	Running       bool             `json:"running"`
	Folder        string           `json:"folder"`
	Hub           string           `json:"hub"`
	Link          *app.Note        `json:"link,omitempty"` // of a kiosk that runs and has tried
	Asked         asked            `json:"asked"`
	Epoch         feedback.Epoch   `json:"epoch"`
	Next          feedback.Seq     `json:"next"`
	Acknowledged  feedback.Seq     `json:"acknowledged"`
	Epochs        int              `json:"epochs"`
	Queue         int64            `json:"queue"`
	QueuedPresses int64            `json:"queued_presses"`
	Presses       int64            `json:"presses"`
	Held          int64            `json:"held"`
	Bytes         int64            `json:"bytes"`
	DaysLeft      float64          `json:"days_left"`
	Session       int64            `json:"session"`
	AckedAt       *time.Time       `json:"acknowledged_at,omitempty"`
	SeenAt        *time.Time       `json:"seen_at,omitempty"`
	Damaged       []string         `json:"damaged,omitempty"`
}

// asked is what the kiosk asks, as JSON.
type asked struct {
	Site       feedback.SiteID       `json:"site"`
	Touchpoint feedback.TouchpointID `json:"touchpoint"`
	Survey     feedback.SurveyID     `json:"survey"`
	Scale      feedback.ScaleID      `json:"scale"`
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
	clk, err := clock.New()
	if err != nil {
		return err
	}
	path := s.Path(app.JournalFile)
	ctx, stop := run.Context()
	defer stop()
	stats, err := journal.Inspect(ctx, journal.Options{
		Path: path, Clock: clk, MaxBytes: s.Journal.MaxSize, DiskFree: func() (int64, error) { return health.DiskFree(s.Data) },
	})
	if err != nil {
		return err
	}
	if id := feedback.KioskID(s.Kiosk.ID); id != "" && id != stats.Kiosk {
		return command.Usage(fmt.Errorf("the folder %s is that of kiosk %q, and kiosk.id is %q: name the other kiosk's folder with --data, or correct kiosk.id", s.Data, stats.Kiosk, id))
	}
	r, err := newReport(s, stats)
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

func newReport(s settings.Settings, j journal.Stats) (report, error) {
	r := report{
		Kiosk: j.Kiosk, Hub: s.Hub.Address, Asked: asked(j.Asked.Asked), Epochs: len(j.Epochs), Queue: j.Queue,
		QueuedPresses: j.QueuedPresses, Presses: j.Presses, Held: j.Held, Bytes: j.Bytes, DaysLeft: j.DaysLeft,
		Session: j.Session, AckedAt: known(j.AckedAt), SeenAt: known(j.SeenAt),
	}
	if n := len(j.Epochs); n > 0 {
		e := j.Epochs[n-1]
		r.Epoch, r.Next, r.Acknowledged = e.ID, e.Next, e.Acked
	}
	var err error
	if r.Folder, err = filepath.Abs(s.Data); err != nil {
		return r, err
	}
	lock, err := durable.Lock(s.Data)
	if err == nil {
		return r, lock.Close()
	}
	if !errors.Is(err, durable.ErrLocked) {
		return r, err
	}
	r.Running = true
	if r.Link, err = app.ReadNote(s.Path(app.NoteFile)); r.Link != nil {
		r.Hub = r.Link.Address // it may have been started with other settings
	}
	return r, err
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
	fmt.Fprintf(w, "folder\t%s\n", r.Folder)
	fmt.Fprintf(w, "hub\t%s, %s\n", r.Hub, r.link())
	fmt.Fprintf(w, "asks\t%s / %s / %s, scale %s\n", r.Asked.Site, r.Asked.Touchpoint, r.Asked.Survey, r.Asked.Scale)
	fmt.Fprintf(w, "presses\t%d since the journal began\n", r.Presses)
	fmt.Fprintf(w, "waiting\t%s (%s) the hub has not confirmed\n", count(r.QueuedPresses, "press", "presses"), count(r.Queue, "record", "records"))
	fmt.Fprintf(w, "room\t%s\n", r.room())
	fmt.Fprintf(w, "confirmed\t%s\n", at(r.AckedAt, "never, as far as is known"))
	fmt.Fprintf(w, "seen\t%s\n", at(r.SeenAt, "at an unknown time: the clock was never trusted"))
	fmt.Fprintf(w, "journal\t%s, next %d in epoch %v, %s\n", count(r.Held, "record", "records"), r.Next, r.Epoch, count(int64(r.Epochs), "epoch", "epochs"))
	for _, name := range r.Damaged {
		fmt.Fprintf(w, "damaged\t%s was set aside\n", name)
	}
	if r.Running {
		fmt.Fprintln(w, "\tThe kiosk writes down once a minute what the hub has confirmed.")
	}
	return w.Flush()
}

// maxDays is where more days mean nothing any more: what the hub is told ends there
// too.
const maxDays = 1_000_000

// room tells in words how long presses can be kept.
func (r report) room() string {
	if r.DaysLeft < 1 {
		return "for less than a day: free some space on the disk, or raise journal.max_size; a kiosk without room thanks nobody"
	}
	return fmt.Sprintf("for %s at this kiosk's pace, while the hub is out of reach", count(int64(min(r.DaysLeft, maxDays)), "day", "days"))
}

// link tells in words how the link is.
func (r report) link() string {
	switch {
	case !r.Running:
		return "not connected: the kiosk is stopped"
	case r.Link == nil:
		return "it is not known yet whether it answers"
	case r.Link.Reached:
		return "answers since " + r.Link.At.Local().Format(time.DateTime)
	}
	return "out of reach since " + r.Link.At.Local().Format(time.DateTime) + ": " + r.Link.Why
}

// count puts a number before its noun.
func count(n int64, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}
