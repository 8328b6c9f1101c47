package main

import (
	"fmt"
	"log/slog"
	"path/filepath"
	"sync"

	"sourire/hub/app"
	"sourire/internal/run"
)

// serveCmd runs the hub.
type serveCmd struct {
	Verbose bool `short:"v" help:"Log every connection."`
}

// Help stands below the summary.
func (serveCmd) Help() string { return "Example: sourire-hub serve --config=/etc/sourire-hub.toml" }

// Run takes presses in and serves the pages until a signal.
func (cmd *serveCmd) Run(c *console) error {
	s, err := checked(c)
	if err != nil {
		return err
	}
	level := slog.LevelInfo
	if cmd.Verbose {
		level = slog.LevelDebug
	}
	ctx, stop := run.Context()
	var garbage sync.WaitGroup
	garbage.Go(func() { run.BoundGarbage(ctx) })
	defer garbage.Wait()
	defer stop()
	hub, err := app.New(ctx, app.Options{
		Settings: s,
		Log:      slog.New(slog.NewTextHandler(c.Err, &slog.HandlerOptions{Level: level})),
	})
	if err != nil {
		return err
	}
	fmt.Fprintf(c.Out, "pages    http://%s/\n", hub.WebAddr())
	fmt.Fprintf(c.Out, "broker   %s\n", hub.BrokerAddr())
	if s.Broker.Address == "" && s.Kiosks.Key == "" && s.Broker.ClientCAFile == "" {
		fmt.Fprintf(c.Out, "key      %s\n", filepath.Join(s.Data, app.KeyFile))
	}
	return hub.Run()
}
