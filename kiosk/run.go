package main

import (
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"os"
	"strings"

	"sourire/internal/command"
	"sourire/internal/feedback"
	"sourire/internal/run"
	"sourire/kiosk/app"
	"sourire/kiosk/input"
	"sourire/kiosk/input/keyboard"
	"sourire/kiosk/input/script"
	"sourire/kiosk/settings"
)

// runCmd runs a kiosk.
type runCmd struct {
	Input   []string `placeholder:"INPUT" help:"What presses: keyboard (the default at a terminal), none, script:FILE, poisson:PER_HOUR, every:DURATION, hourly:FILE or rush:BASE+BURST@MINUTES. May be given more than once."`
	Window  bool     `help:"Show the faces in a window."`
	Verbose bool     `short:"v" help:"Log more."`
}

// Help stands below the summary.
func (runCmd) Help() string {
	return "Example: sourire-kiosk run --window --config=/etc/sourire-kiosk.toml"
}

// Run takes presses until a signal.
func (cmd *runCmd) Run(c *console) error {
	s, err := checked(c)
	if err != nil {
		return err
	}
	level := slog.LevelInfo
	if cmd.Verbose {
		level = slog.LevelDebug
	}
	o := app.Options{Settings: s, Log: slog.New(slog.NewTextHandler(c.Err, &slog.HandlerOptions{Level: level}))}
	h, err := newHardware(s, o.Log)
	if err != nil {
		return command.Usage(err)
	}
	if o.Sources, err = cmd.sources(c, s, h); err != nil {
		return command.Usage(err)
	}
	if len(cmd.Input) == 0 && len(o.Sources) == 0 && !cmd.Window {
		o.Log.Warn("nothing can press this kiosk, for it has neither buttons, terminal nor window: set buttons.lines, or give run --window or --input (--input=none if that is meant)")
	}
	if isTerminal(os.Stdin) {
		o.Front = &lines{out: c.Out}
	}
	ctx, stop := run.Context()
	defer stop()
	if cmd.Window {
		return window(ctx, o, h.run)
	}
	return h.run(ctx, o)
}

// sources returns what the flags ask for.
func (cmd *runCmd) sources(c *console, s settings.Settings, h *hardware) ([]input.Source, error) {
	scale, err := feedback.ParseScale(s.Kiosk.Scale)
	if err != nil {
		return nil, err
	}
	var all []input.Source
	if h.buttons != nil {
		all = append(all, h.buttons)
	}
	asked := cmd.Input
	if len(asked) == 0 && len(all) == 0 && isTerminal(os.Stdin) && !cmd.Window {
		asked = []string{"keyboard"}
	}
	for _, name := range asked {
		source, err := newSource(name, scale, c.Err)
		if err != nil {
			return nil, fmt.Errorf("--input=%s: %w", name, err)
		}
		if source != nil {
			all = append(all, source)
		}
	}
	return all, nil
}

// newSource returns the source of a name, nil for "none".
func newSource(name string, scale feedback.Scale, errs io.Writer) (input.Source, error) {
	kind, argument, _ := strings.Cut(name, ":")
	switch kind {
	case "none":
		return nil, nil
	case "keyboard":
		in, err := keyboard.Open()
		if err != nil {
			return nil, err
		}
		return keyboard.New(keyboard.Options{In: in, Faces: scale.Steps, Out: errs})
	case "script":
		file, err := os.Open(argument)
		if err != nil {
			return nil, err
		}
		defer file.Close() // only read
		return script.ParseList(file)
	case "poisson", "every", "hourly", "rush":
	default:
		return nil, fmt.Errorf("%q is not known: choose keyboard, none, script:FILE, poisson:PER_HOUR, every:DURATION, hourly:FILE or rush:BASE+BURST@MINUTES", kind)
	}
	arrivals, err := newArrivals(kind, argument)
	if err != nil {
		return nil, err
	}
	weights := make([]float64, scale.Steps)
	for i := range weights {
		weights[i] = float64(i + 1)
	}
	return script.New(script.Options{Arrivals: arrivals, Faces: weights, Seed: rand.Uint64()})
}

// isTerminal reports whether a person may be typing there.
func isTerminal(f *os.File) bool {
	info, err := f.Stat()
	if err != nil || info.Mode()&os.ModeCharDevice == 0 {
		return false
	}
	null, err := os.Stat(os.DevNull)
	return err != nil || !os.SameFile(info, null)
}
