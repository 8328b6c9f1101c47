package main

import (
	"errors"
	"fmt"
	"log/slog"
	"strconv"

	"sourire/internal/command"
	"sourire/internal/durable"
	"sourire/internal/run"
	"sourire/kiosk/app"
)

// pressCmd presses a face once.
type pressCmd struct {
	Rating string `arg:"" help:"Rating of the face on the scale in force, from the worst up: 0, 1 or 2 on smiley3, 1 to 5 on csat5. The keyboard of run counts faces from 1 instead."`
}

// Help stands below the summary.
func (pressCmd) Help() string { return "Example, the best face of smiley3: sourire-kiosk press 2" }

// Run puts one press into the journal of a kiosk that does not run; the hub gets
// it when the kiosk does.
func (cmd *pressCmd) Run(c *console) error {
	s, err := checked(c)
	if err != nil {
		return err
	}
	rating, err := strconv.Atoi(cmd.Rating)
	if err != nil {
		return command.Usage(fmt.Errorf("press %s: write the rating as a number, the worst of smiley3 is 0 and its best is 2", cmd.Rating))
	}
	if err := inhabited(s); err != nil {
		return err
	}
	ctx, stop := run.Context()
	defer stop()
	k, err := app.New(ctx, app.Options{Settings: s, Offline: true, Log: slog.New(slog.NewTextHandler(c.Err, nil))})
	if errors.Is(err, durable.ErrLocked) {
		return fmt.Errorf("the kiosk of %s is running: press one of its own faces, or stop it first: %w", s.Data, err)
	}
	if err != nil {
		return err
	}
	e, err := k.Press(ctx, rating)
	if err := errors.Join(err, k.Close()); err != nil {
		return err
	}
	_, err = fmt.Fprintf(c.Out, "pressed: record %d of epoch %v\n", e.Seq, e.Epoch)
	return err
}
