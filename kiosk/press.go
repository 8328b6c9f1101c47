package main

import (
	"errors"
	"fmt"
	"log/slog"

	"sourire/internal/durable"
	"sourire/internal/run"
	"sourire/kiosk/app"
)

// pressCmd presses a face once.
type pressCmd struct {
	Rating int `arg:"" help:"The rating of the face, a step of the scale in force."`
}

// Run puts one press into the journal of a kiosk that does not run; the hub gets
// it when the kiosk does.
func (cmd *pressCmd) Run(c *console) error {
	s, err := checked(c)
	if err != nil {
		return err
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
	e, err := k.Press(ctx, cmd.Rating)
	if err := errors.Join(err, k.Close()); err != nil {
		return err
	}
	_, err = fmt.Fprintf(c.Out, "pressed: record %d of epoch %v\n", e.Seq, e.Epoch)
	return err
}
