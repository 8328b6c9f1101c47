package main

import (
	"errors"
	"fmt"
	"time"

	"sourire/hub/app"
	"sourire/hub/archive"
	"sourire/hub/store/sqlstore"
	"sourire/internal/command"
	"sourire/internal/run"
)

// exportCmd writes everything that the store holds into plain files.
type exportCmd struct {
	Folder string `arg:"" help:"Folder to write; it must not exist yet."`
}

// Help stands below the summary.
func (exportCmd) Help() string { return "Example: sourire-hub export /mnt/usb/sourire-today" }

// Run exports; it may run beside a serving hub.
func (cmd *exportCmd) Run(c *console) error {
	s, err := checked(c)
	if err != nil {
		return err
	}
	zone, err := time.LoadLocation(s.Zone)
	if err != nil {
		return command.Usage(err)
	}
	ctx, stop := run.Context()
	defer stop()
	store, err := app.OpenStore(ctx, s, sqlstore.Options{MustExist: true})
	if err != nil {
		return err
	}
	defer store.Close()
	m, err := archive.Export(ctx, store, cmd.Folder, archive.ExportOptions{Zone: zone, Progress: progress(c.Err, "records written")})
	if errors.Is(err, archive.ErrExists) {
		return command.Usage(err)
	} else if err != nil {
		return err
	}
	n := m.Counts
	fmt.Fprintf(c.Out, "export: %d records of %d journals, %d of them in quarantine, %d declared lost; %d presses in %d visits, %d counted; %d comments; in %s\n",
		n.Records, n.Journals, n.Quarantined, n.Lost, n.Presses, n.Visits, n.Counted, n.Comments, cmd.Folder)
	if m.CompleteFrom != "" {
		fmt.Fprintf(c.Out, "export: complete from %s on: before, %d records were deleted after their period\n", m.CompleteFrom, n.Deleted)
	}
	if len(m.Problems) > 0 {
		for _, p := range m.Problems {
			fmt.Fprintf(c.Out, "    %s\n", p)
		}
		fmt.Fprintln(c.Out, "export: something does not agree with its hashes; it was exported as it is, sourire-hub verify says more")
		return command.ErrFound
	}
	return nil
}
