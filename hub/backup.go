package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"time"

	"sourire/hub/app"
	"sourire/hub/backup"
	"sourire/hub/store/sqlstore"
	"sourire/hub/verify"
	"sourire/internal/command"
	"sourire/internal/run"
)

// backupCmd writes the store into one file.
type backupCmd struct {
	File     string `arg:"" help:"File to write; it must not exist yet. It holds comments: keep it as safe as the hub. The kiosks' key is not in it."`
	NoVerify bool   `help:"Only see that the file is whole; do not recount what it holds."`
}

// Run takes a backup; it may run beside a serving hub.
func (cmd *backupCmd) Run(c *console) error {
	s, err := checked(c)
	if err != nil {
		return err
	}
	ctx, stop := run.Context()
	defer stop()
	store, err := app.OpenStore(ctx, s, sqlstore.Options{MustExist: true})
	if err != nil {
		return err
	}
	defer store.Close()
	show := newBar(c.Err)
	taken, err := backup.Take(ctx, store, cmd.File, backup.Options{Program: run.Version(), Keep: &s.Keep, NoVerify: cmd.NoVerify, Progress: show.progress})
	show.end()
	if errors.Is(err, fs.ErrExist) {
		return command.Usage(err)
	} else if err != nil {
		return err
	}
	how := "verified: hashes, visits and roll-ups agree"
	switch {
	case !taken.Verified:
		how = "not verified"
	case !taken.Report.OK():
		how = "BUT SOMETHING IN IT DOES NOT AGREE, as in the store itself: sourire-hub verify says what"
	}
	fmt.Fprintf(c.Out, "backup: %s, %s, of %s; %s; %s\n", cmd.File, bytesText(taken.Bytes), taken.TakenAt.Local().Format("2006-01-02 15:04:05 -0700"), contents(&taken.Manifest), how)
	fmt.Fprintf(c.Out, "backup: %s\n", holds(&taken.Manifest))
	if taken.Verified && !taken.Report.OK() {
		return command.ErrFound
	}
	return nil
}

// contents says what a backup is of.
func contents(m *sqlstore.Manifest) string {
	return fmt.Sprintf("store %s term %d with %d records of %d journals, %d visits, %d comments",
		m.Store, m.Term, m.Rows["record"]+m.Rows["quarantine"], m.Rows["source"], m.Rows["visit"], m.Rows["comment"])
}

// holds says what a backup goes on holding, whatever the hub deletes.
func holds(m *sqlstore.Manifest) string {
	var parts []string
	for _, p := range []struct {
		what string
		at   time.Time
	}{{"comments", m.Oldest.Comment}, {"records", m.Oldest.Record}, {"quarters of an hour", m.Oldest.Quarter}, {"days", m.Oldest.Day}} {
		if !p.at.IsZero() {
			parts = append(parts, p.what+" from "+p.at.Format(time.DateOnly)+" on")
		}
	}
	text := "it holds " + strings.Join(parts, ", ")
	if len(parts) == 0 {
		text = "it holds no press"
	}
	if m.Keep != nil {
		text += "; the hub kept " + m.Keep.String()
	}
	return text
}

// received counts the records of a report.
func received(r verify.Report) (records, lost int64) {
	for _, f := range r.Findings {
		records, lost = records+f.Received, lost+f.Lost
	}
	return records, lost
}

func bytesText(n int64) string {
	switch {
	case n >= 1e9:
		return fmt.Sprintf("%.1f GB", float64(n)/1e9)
	case n >= 1e6:
		return fmt.Sprintf("%.1f MB", float64(n)/1e6)
	}
	return fmt.Sprintf("%.1f kB", float64(n)/1e3)
}

// bar shows how far something is on a terminal: done of all, the rate, the time
// that is left.
type bar struct {
	to           io.Writer // nil: nobody watches
	what         string
	began, shown time.Time
}

func newBar(to io.Writer) *bar {
	f, ok := to.(*os.File)
	if !ok {
		return &bar{}
	}
	if st, err := f.Stat(); err != nil || st.Mode()&os.ModeCharDevice == 0 {
		return &bar{}
	}
	return &bar{to: to}
}

func (b *bar) progress(what string, done, total int64) {
	if b.to == nil {
		return
	}
	now := time.Now()
	if what != b.what {
		if b.what != "" {
			fmt.Fprintln(b.to)
		}
		b.what, b.began, b.shown = what, now, time.Time{}
	}
	const often = 100 * time.Millisecond
	if now.Sub(b.shown) < often && (total == 0 || done < total) {
		return
	}
	b.shown = now
	fmt.Fprintf(b.to, "\r%s\x1b[K", barLine(what, done, total, now.Sub(b.began)))
}

// barLine is what a bar shows after some time.
func barLine(what string, done, total int64, took time.Duration) string {
	rate := float64(done) / max(took.Seconds(), 1e-3)
	switch {
	case done == 0:
		return what
	case total == 0:
		return fmt.Sprintf("%d %s, %.0f/s", done, what, rate)
	}
	const wide = 20
	full := int(wide * done / total)
	left := time.Duration(float64(total-done) / rate * float64(time.Second)).Round(time.Second)
	return fmt.Sprintf("[%-*.*s] %d of %d %s, %.0f/s, %v left", wide, full, "====================", done, total, what, rate, left)
}

func (b *bar) end() {
	if b.to != nil && b.what != "" {
		fmt.Fprintln(b.to)
	}
}
