package main

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"sourire/internal/command"
	"sourire/internal/run"
	"sourire/kiosk/fleetsim"
)

// simulateCmd runs a fleet.
type simulateCmd struct {
	Kiosks   int           `default:"3" help:"How many kiosks (${default})."`
	Prefix   string        `default:"sim" help:"Begins the ids of the kiosks (${default})."`
	PerHour  float64       `default:"1200" help:"Visitors an hour at each kiosk, at random (${default})."`
	Hourly   string        `placeholder:"FILE" type:"existingfile" help:"CSV hour,presses with visitors by the hour of the day, instead."`
	Weights  []float64     `placeholder:"W,…" help:"Weight of each face, worst first; without it 1,2,3…"`
	Count    int           `help:"Presses at each kiosk; 0: no end."`
	For      time.Duration `help:"How long visitors come; 0: until a signal."`
	Settle   time.Duration `default:"30s" help:"How long to wait for the hub at the end (${default})."`
	CutEvery time.Duration `help:"Mean time between two cuts of a kiosk's link; 0: none."`
	CutFor   time.Duration `default:"2s" help:"Mean length of a cut (${default})."`
	Ledger   string        `placeholder:"FILE" help:"Write a line of JSON for each press that must arrive."`
	Seed     uint64        `default:"1" help:"Of the visitors (${default})."`
	Quiet    bool          `short:"q" help:"No line each second."`
}

// Run runs the fleet and says how it ended; what the hub has not confirmed in
// the end makes it fail.
func (cmd *simulateCmd) Run(c *console) error {
	s, err := c.Settings()
	if err != nil {
		return err
	}
	s.Kiosk.ID = cmd.Prefix // each gets its own; the rest is checked now
	if err := s.Check(); err != nil {
		return command.Usage(err)
	}
	o := fleetsim.Options{
		Kiosks: cmd.Kiosks, Prefix: cmd.Prefix, Folder: filepath.Join(s.Data, "fleet"), Settings: s,
		Weights: cmd.Weights, Count: cmd.Count, Seed: cmd.Seed, For: cmd.For, Settle: cmd.Settle,
		CutEvery: cmd.CutEvery, CutFor: cmd.CutFor,
		Log: slog.New(slog.NewTextHandler(c.Err, &slog.HandlerOptions{Level: slog.LevelError})),
	}
	kind, argument := "poisson", fmt.Sprint(cmd.PerHour)
	if cmd.Hourly != "" {
		kind, argument = "hourly", cmd.Hourly
	}
	if o.Arrivals, err = newArrivals(kind, argument); err != nil {
		return command.Usage(err)
	}
	if !cmd.Quiet {
		o.Progress = func(t fleetsim.Tally) { cmd.print(c.Out, t) }
	}
	return cmd.run(c, o)
}

func (cmd *simulateCmd) run(c *console, o fleetsim.Options) (err error) {
	if cmd.Ledger != "" {
		file, openErr := os.OpenFile(cmd.Ledger, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
		if openErr != nil {
			return fmt.Errorf("the ledger: %w", openErr)
		}
		defer func() { err = errors.Join(err, file.Close()) }()
		o.Ledger = file
	}
	ctx, stop := run.Context()
	defer stop()
	t, err := fleetsim.Run(ctx, o)
	if err != nil {
		return err
	}
	fmt.Fprintf(c.Out, "pressed %d durable %d queued %d failed %d cuts %d\n", t.Pressed, t.Durable, t.Queued, t.Failed, t.Cuts)
	if t.Queued > 0 || t.Durable < t.Pressed {
		return fmt.Errorf("the hub has not confirmed %d presses, and %d are not on disk: what is on disk goes out at the next run with the same --data and --prefix",
			t.Queued, t.Pressed-t.Durable)
	}
	return nil
}

func (cmd *simulateCmd) print(out io.Writer, t fleetsim.Tally) {
	fmt.Fprintf(out, "kiosks %d connected %d pressed %d durable %d queued %d cuts %d\n",
		t.Kiosks, t.Connected, t.Pressed, t.Durable, t.Queued, t.Cuts)
}
