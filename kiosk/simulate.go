package main

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"time"

	"sourire/internal/command"
	"sourire/internal/run"
	"sourire/kiosk/fleetsim"
	"sourire/kiosk/input/script"
)

// simulateCmd runs a fleet.
type simulateCmd struct {
	Kiosks int    `default:"3" help:"How many kiosks (${default})."`
	Prefix string `default:"sim" help:"Begins the ids of the kiosks (${default}): sim-1, sim-2 …"`

	PerHour   float64   `default:"1200" group:"Visitors" help:"Visitors an hour at each kiosk, at random (${default})."`
	Hourly    string    `placeholder:"FILE" type:"existingfile" group:"Visitors" help:"CSV of visitors instead: hour,presses (0 to 23) or hour_of_week,presses (0 to 167, from Monday)."`
	Arrivals  string    `placeholder:"MODEL" group:"Visitors" help:"Another model instead: poisson:PER_HOUR, every:DURATION, hourly:FILE or rush:BASE+BURST@MINUTES, such as rush:30+40@25,55 (30 an hour, and 40 more within five minutes from minute 25 and 55 of each hour) or rush:30+200@10:30."`
	DaySpread float64   `group:"Visitors" help:"How much days differ in numbers: coefficient of variation, 0 for not at all (gamma-Poisson)."`
	Mood      float64   `group:"Visitors" help:"How much presses of one day are alike: correlation from 0 to below 1 (beta-binomial)."`
	Weights   []float64 `placeholder:"W,…" group:"Visitors" help:"Weight of each face, worst first; without it 1,2,3…"`
	Count     int       `group:"Visitors" help:"Visitors at each kiosk; 0: no end."`
	Seed      uint64    `default:"1" group:"Visitors" help:"Of the visitors (${default}): the same seed brings the same ones."`

	For    time.Duration `help:"How long visitors come; 0: until a signal."`
	Settle time.Duration `default:"30s" help:"How long to wait for the hub at the end (${default})."`

	CutEvery    time.Duration `group:"Faults, each at every kiosk, at random; 0 for none" help:"Mean time between two cuts of the link."`
	CutFor      time.Duration `default:"2s" group:"Faults, each at every kiosk, at random; 0 for none" help:"Mean length of a cut (${default})."`
	LostAnswers float64       `group:"Faults, each at every kiosk, at random; 0 for none" help:"Share of the hub's answers that never arrive: 0.05 is one in twenty."`
	ClockEvery  time.Duration `group:"Faults, each at every kiosk, at random; 0 for none" help:"Mean time between two jumps of the wall clock; with it every other start is in 1970."`
	PowerEvery  time.Duration `group:"Faults, each at every kiosk, at random; 0 for none" help:"Mean time between two power cuts: the core is abandoned, its folder opened again."`
	PowerFor    time.Duration `default:"1s" group:"Faults, each at every kiosk, at random; 0 for none" help:"Mean time without power (${default})."`
	ImageEvery  time.Duration `group:"Faults, each at every kiosk, at random; 0 for none" help:"Mean time until an image of the card is taken, and again until it is put back in its place."`

	Ledger string `placeholder:"FILE" help:"Write there what must arrive, a line of JSON for each press; sourire-hub verify --ledger=FILE compares. A ledger that exists is continued."`
	Quiet  bool   `short:"q" help:"No progress, only the last line."`
}

// Help stands below the flags.
func (simulateCmd) Help() string {
	return `Each kiosk is a whole one, with a folder of its own in DATA/fleet and its own connection.
"{id}" in --hub.client_cert_file and --hub.client_key_file is replaced by the id of each.
Another run with the same --data and --prefix goes on with the same kiosks.
A kiosk takes about 0.7 MB of memory and eight open files (ulimit -n): 2,000 of them
are open after a quarter of a minute.
Status: 0 when the hub has confirmed every press that is on a disk, else 1.`
}

// Run runs the fleet and says how it ended; what the hub has not confirmed in
// the end makes it fail.
func (cmd *simulateCmd) Run(c *console) error {
	o, err := cmd.options(c)
	if err != nil {
		return err
	}
	if cmd.Ledger != "" {
		file, err := os.OpenFile(cmd.Ledger, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
		if err != nil {
			return fmt.Errorf("the ledger: %w", err)
		}
		o.Ledger = file
		return errors.Join(cmd.run(c, o), file.Close())
	}
	return cmd.run(c, o)
}

func (cmd *simulateCmd) options(c *console) (fleetsim.Options, error) {
	s, err := c.Settings()
	if err != nil {
		return fleetsim.Options{}, err
	}
	s.Kiosk.ID = cmd.Prefix // each gets its own; the rest is checked now
	if err := s.Check(); err != nil {
		return fleetsim.Options{}, command.Usage(err)
	}
	o := fleetsim.Options{
		Kiosks: cmd.Kiosks, Prefix: cmd.Prefix, Folder: filepath.Join(s.Data, "fleet"), Settings: s,
		Weights: cmd.Weights, Mood: cmd.Mood, Count: cmd.Count, Seed: cmd.Seed, For: cmd.For, Settle: cmd.Settle,
		CutEvery: cmd.CutEvery, CutFor: cmd.CutFor, LostAnswers: cmd.LostAnswers, ClockEvery: cmd.ClockEvery,
		PowerEvery: cmd.PowerEvery, PowerFor: cmd.PowerFor, ImageEvery: cmd.ImageEvery,
		Log: slog.New(slog.NewTextHandler(c.Err, &slog.HandlerOptions{Level: slog.LevelError})),
	}
	if o.Arrivals, err = cmd.arrivals(); err != nil {
		return o, command.Usage(err)
	}
	if !cmd.Quiet {
		o.Progress = newProgress(c.Out).show
	}
	return o, nil
}

// arrivals returns the model that the flags ask for.
func (cmd *simulateCmd) arrivals() (script.Arrivals, error) {
	kind, argument := "poisson", fmt.Sprint(cmd.PerHour)
	switch {
	case cmd.Hourly != "" && cmd.Arrivals != "":
		return nil, errors.New("--hourly and --arrivals are both given: keep one")
	case cmd.Hourly != "":
		kind, argument = "hourly", cmd.Hourly
	case cmd.Arrivals != "":
		kind, argument, _ = strings.Cut(cmd.Arrivals, ":")
	}
	m, err := newArrivals(kind, argument)
	if err != nil {
		return nil, err
	}
	return differing(m, cmd.DaySpread, cmd.Seed)
}

func (cmd *simulateCmd) run(c *console, o fleetsim.Options) error {
	ctx, stop := run.Context()
	defer stop()
	t, err := fleetsim.Run(ctx, o)
	if err != nil {
		return err
	}
	if o.Progress != nil && isTerminalWriter(c.Out) {
		fmt.Fprintln(c.Out)
	}
	fmt.Fprintf(c.Out, "pressed %d durable %d queued %d failed %d cuts %d lost answers %d clock jumps %d power cuts %d (dark %d) restored images %d (gone %d)\n",
		t.Pressed, t.Durable, t.Queued, t.Failed, t.Cuts, t.LostAnswers, t.ClockJumps, t.PowerCuts, t.Dark, t.ImagesRestored, t.Gone)
	if missed := t.Pressed - t.Durable - t.Dark; t.Queued > 0 || missed > 0 {
		return fmt.Errorf("the hub has not confirmed %d presses, and %d are not on disk: what is on disk goes out at the next run with the same --data and --prefix",
			t.Queued, missed)
	}
	return nil
}

// progress shows where a fleet stands: on a terminal in one line that changes,
// else in a line each second.
type progress struct {
	out      io.Writer
	terminal bool
	last     int64 // acknowledged
	at       time.Time
}

func newProgress(out io.Writer) *progress {
	return &progress{out: out, terminal: isTerminalWriter(out), at: time.Now()}
}

func (p *progress) show(t fleetsim.Tally) {
	now := time.Now()
	perSecond := float64(t.Acknowledged-p.last) / max(now.Sub(p.at).Seconds(), 0.001)
	p.last, p.at = t.Acknowledged, now
	text := fmt.Sprintf("kiosks %d connected %d pressed %d durable %d queued %d cuts %d acknowledged/s %.0f",
		t.Kiosks, t.Connected, t.Pressed, t.Durable, t.Queued, t.Cuts, perSecond)
	if faults := t.LostAnswers + t.ClockJumps + t.PowerCuts + t.ImagesRestored; faults > 0 {
		text += fmt.Sprintf(" other faults %d", faults)
	}
	if p.terminal {
		fmt.Fprintf(p.out, "\r%s\x1b[K", text) // to the end of the line: it may have been longer
		return
	}
	fmt.Fprintln(p.out, text)
}

func isTerminalWriter(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && isTerminal(f)
}
