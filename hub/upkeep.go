package main

import (
	"context"
	"errors"
	"fmt"
	"os/user"
	"time"

	"sourire/hub/app"
	"sourire/hub/store/sqlstore"
	"sourire/hub/upkeep"
	"sourire/internal/durable"
	"sourire/internal/run"
)

// upkeepCmd deletes what is kept no longer.
type upkeepCmd struct {
	DryRun bool `help:"Only say what would be deleted now."`
}

// Help explains what goes when.
func (upkeepCmd) Help() string {
	return "A hub that serves does this by itself, at its start and every day, by the periods [keep] of its settings. " +
		"This command does it at once: beside the hub, in small steps, by the periods that it is given itself. " +
		"Numbers on pages stay as they are, sourire-hub verify goes on proving them, and sourire-hub audit tells what was deleted."
}

// Run deletes beside the hub, or alone where none serves.
func (cmd *upkeepCmd) Run(c *console) error {
	s, err := checked(c)
	if err != nil {
		return err
	}
	ctx, stop := run.Context()
	defer stop()
	folder, err := lockFolder(s)
	if err != nil && !errors.Is(err, durable.ErrLocked) {
		return err
	}
	if folder != nil {
		defer folder.Close() // nothing of it was written
	}
	store, err := app.OpenStore(ctx, s, sqlstore.Options{MustExist: true})
	if err != nil {
		return err
	}
	defer store.Close()
	if cmd.DryRun {
		due, err := store.Due(ctx, s.Keep.Limits(time.Now()))
		if err != nil {
			return err
		}
		if due.None() {
			fmt.Fprintf(c.Out, "upkeep: %s\nupkeep: nothing is over its period\n", s.Keep)
			return nil
		}
		fmt.Fprintf(c.Out, "upkeep: %s\nupkeep: it would delete up to %s; nothing was deleted\n", s.Keep, due)
		return nil
	}
	return deleteNow(ctx, c, store, s.Keep)
}

// deleteNow makes a run under the term that is: when a hub takes over meanwhile, it
// ends, and that hub goes on.
func deleteNow(ctx context.Context, c *console, store *sqlstore.Store, keep upkeep.Keep) error {
	term, err := store.Term(ctx)
	if err != nil {
		return err
	}
	who := "upkeep"
	if u, err := user.Current(); err == nil {
		who += " by " + u.Username
	}
	d, err := upkeep.New(upkeep.Options{Store: store, Term: term, Keep: keep, Who: who, Version: run.Version()}).Once(ctx)
	if err != nil {
		return err
	}
	fmt.Fprintf(c.Out, "upkeep: %s\nupkeep: deleted %s\n", keep, d)
	return nil
}
