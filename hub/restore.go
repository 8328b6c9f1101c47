package main

import (
	"fmt"

	"sourire/hub/app"
	"sourire/hub/backup"
	"sourire/internal/run"
)

// restoreCmd puts a backup in the place of a store.
type restoreCmd struct {
	File     string `arg:"" help:"A backup, as sourire-hub backup writes it, or a hub.db that is whole. It is only read."`
	Replace  bool   `help:"Set a store that is in the data folder aside, under a dated name. A database on PostgreSQL is never replaced: name an empty one."`
	NoVerify bool   `help:"Only see that the file is whole; do not recount what it holds."`
}

// Run restores into a hub that does not run.
func (cmd *restoreCmd) Run(c *console) error {
	s, err := checked(c)
	if err != nil {
		return err
	}
	ctx, stop := run.Context()
	defer stop()
	show := newBar(c.Err)
	r, err := app.Restore(ctx, s, cmd.File, app.RestoreOptions{
		Replace: cmd.Replace, Options: backup.Options{NoVerify: cmd.NoVerify, Progress: show.progress},
	})
	show.end()
	if err != nil {
		return err
	}
	if r.Aside != "" {
		fmt.Fprintf(c.Out, "restore: the store that was there is %s now\n", r.Aside)
	}
	if r.Finished {
		fmt.Fprintf(c.Out, "restore: an earlier restore of %s had been interrupted and is finished now\n", cmd.File)
	}
	if m := r.Manifest; m != nil {
		fmt.Fprintf(c.Out, "restore: %s was taken at %s by version %s: %s\n", cmd.File, m.TakenAt.Local().Format("2006-01-02 15:04:05 -0700"), m.Program, contents(m))
		fmt.Fprintf(c.Out, "restore: %s; what is over its period is deleted when the hub is started\n", holds(m))
	}
	if r.NeedsKey {
		fmt.Fprintf(c.Out, "restore: kiosks know the key of the hub that the backup is of: put its file kiosk-key into %s, or give it as [kiosks] key\n", s.Data)
	}
	fmt.Fprintf(c.Out, "restore: done. The store is %s now; start the hub, and kiosks send again what it lacks and they still hold\n", r.Store)
	return nil
}
