package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"sourire/hub/app"
	"sourire/hub/store/sqlstore"
	"sourire/hub/verify"
	"sourire/internal/feedback"
	"sourire/internal/run"
)

// verifyCmd proves that what the hub shows is what the kiosks recorded.
type verifyCmd struct {
	Kiosk string `arg:"" optional:"" help:"Only this kiosk; roll-ups are compared when all are verified."`
	Quiet bool   `short:"q" help:"Print nothing where everything agrees."`
}

// Run verifies; it may run beside a serving hub.
func (cmd *verifyCmd) Run(c *console) error {
	s, err := c.settings()
	if err != nil {
		return err
	}
	if cmd.Kiosk != "" {
		if _, err := feedback.ParseKioskID(cmd.Kiosk); err != nil {
			return usageError{err}
		}
	}
	path := filepath.Join(s.Data, app.FileName)
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("there is no hub in the folder %s: name its data folder with --data", s.Data)
	}
	ctx, stop := run.Context()
	defer stop()
	store, err := sqlstore.Open(ctx, path)
	if err != nil {
		return err
	}
	defer store.Close()
	report, err := verify.Run(ctx, store, feedback.KioskID(cmd.Kiosk), c.progress("records read"))
	if err != nil {
		return err
	}
	return cmd.print(c, report)
}

func (cmd *verifyCmd) print(c *console, report verify.Report) error {
	var made, received, lost, waiting, quarantined int64
	for _, f := range report.Findings {
		made, received, lost = made+f.Made, received+f.Received, lost+f.Lost
		waiting, quarantined = waiting+f.Waiting(), quarantined+f.Quarantined
		if cmd.Quiet && len(f.Problems) == 0 {
			continue
		}
		verdict := "hashes, visits and counts agree"
		if len(f.Problems) > 0 {
			verdict = "DOES NOT AGREE"
		}
		fmt.Fprintf(c.out, "%-20s %s  %d of %d records received", f.Source.Key.Kiosk, f.Source.Key.Epoch, f.Received, f.Made)
		for _, n := range []struct {
			n    int64
			what string
		}{{f.Waiting(), "not delivered yet"}, {f.Lost, "declared lost"}, {f.Quarantined, "in quarantine"}} {
			if n.n > 0 {
				fmt.Fprintf(c.out, ", %d %s", n.n, n.what)
			}
		}
		fmt.Fprintf(c.out, "; %s\n", verdict)
		for _, p := range f.Problems {
			fmt.Fprintf(c.out, "    %s\n", p)
		}
	}
	for _, p := range report.Problems {
		fmt.Fprintf(c.out, "roll-ups: %s\n", p)
	}
	if !report.OK() {
		fmt.Fprintln(c.out, "verify: something does not agree; keep this data folder and report it")
		return errFound
	}
	if !cmd.Quiet {
		rollups := "roll-ups equal a recount"
		if cmd.Kiosk != "" {
			rollups = "roll-ups not compared, for this is one kiosk"
		}
		fmt.Fprintf(c.out, "verify: %d of %d records received, %d not delivered yet, %d declared lost, %d in quarantine; %s\n",
			received, made, waiting, lost, quarantined, rollups)
	}
	return nil
}

// progress returns a function that shows a count on the terminal, or nil where
// nobody watches.
func (c *console) progress(what string) func(int64) {
	f, ok := c.err.(*os.File)
	if !ok {
		return nil
	}
	if st, err := f.Stat(); err != nil || st.Mode()&os.ModeCharDevice == 0 {
		return nil
	}
	var n int64
	return func(more int64) {
		if n += more; n%10_000 == 0 {
			fmt.Fprintf(f, "\r%d %s ", n, what)
		}
	}
}
