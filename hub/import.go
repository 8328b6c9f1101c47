package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"sourire/hub/app"
	"sourire/hub/archive"
	"sourire/hub/ingest"
	"sourire/hub/store/sqlstore"
	"sourire/internal/command"
	"sourire/internal/durable"
	"sourire/internal/run"
)

// importCmd takes an export of a hub, or a CSV of another system, in.
type importCmd struct {
	Folder string     `arg:"" optional:"" help:"An export of a hub, as sourire-hub export writes it."`
	CSV    string     `name:"csv" placeholder:"FILE" help:"Instead: a press history of another system."`
	DryRun bool       `help:"Say what would be counted, set aside and refused, and why; write nothing."`
	Press  csvMapping `embed:"" group:"Columns of --csv"`
}

// Help stands below the summary.
func (importCmd) Help() string { return "Example: sourire-hub import /mnt/usb/sourire-today" }

// Run imports into a hub that does not run.
func (cmd *importCmd) Run(c *console) error {
	s, err := checked(c)
	if err != nil {
		return err
	}
	switch {
	case (cmd.Folder == "") == (cmd.CSV == ""):
		return command.Usage(errors.New("import what? name the folder of an export, or a file with --csv"))
	case cmd.CSV != "":
		return cmd.history(c, s)
	}
	if _, err := os.Stat(filepath.Join(cmd.Folder, "manifest.json")); err != nil {
		return command.Usage(fmt.Errorf("%s is no export: it has no manifest.json; name a folder that sourire-hub export has written, or a file with --csv", cmd.Folder))
	}
	ctx, stop := run.Context()
	defer stop()
	with := withStore
	if cmd.DryRun {
		with = lookInto
	}
	return with(ctx, s, func(store *sqlstore.Store, g *ingest.Ingester) error {
		r, err := archive.Import(ctx, cmd.Folder, archive.Target{Ingester: g, Journals: store, Places: store, Fleet: store},
			archive.ImportOptions{DryRun: cmd.DryRun, Progress: progress(c.Err, "records read, of twice "+cmd.Folder)})
		if err != nil {
			return err
		}
		return cmd.print(c, r)
	})
}

func (cmd *importCmd) print(c *console, r archive.Report) error {
	for _, f := range r.Journals {
		switch {
		case f.Verdict == archive.Forked:
			fmt.Fprintf(c.Out, "%-20s %s  the hub holds another journal under this name, nothing of it was changed: %s\n", f.Key.Kiosk, f.Key.Epoch, f.Why)
		case f.Differs != "":
			fmt.Fprintf(c.Out, "%-20s %s  %d records added; %s\n", f.Key.Kiosk, f.Key.Epoch, f.Records, f.Differs)
		}
	}
	var present, added int
	for _, f := range r.Journals {
		switch f.Verdict {
		case archive.Present:
			present++
		case archive.Added:
			added++
		}
	}
	switch {
	case cmd.DryRun:
		fmt.Fprintf(c.Out, "import: would take records of %d journals in; %d are here already, %d are held in another version; nothing was written\n", added, present, r.Forked())
	case r.Added() == 0 && r.Forked() == 0:
		fmt.Fprintf(c.Out, "import: all %d records of %d journals are here already: nothing was added\n", r.Manifest.Counts.Records, len(r.Journals))
	default:
		fmt.Fprintf(c.Out, "import: %d of %d records added, in %d journals; %d journals were here already, %d left alone\n",
			r.Added(), r.Manifest.Counts.Records, added, present, r.Forked())
	}
	if r.Forked() > 0 {
		return command.ErrFound
	}
	return nil
}

// withStore runs do on the store of a hub that does not run, with an ingester that
// has taken it over.
func withStore(ctx context.Context, s app.Settings, do func(*sqlstore.Store, *ingest.Ingester) error) (err error) {
	folder, err := durable.Open(s.Data)
	if errors.Is(err, durable.ErrLocked) {
		return fmt.Errorf("the hub must not run while something is imported: %w", err)
	} else if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, folder.Close()) }()
	store, err := app.OpenStore(ctx, s, sqlstore.Options{})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	id, err := store.ID(ctx)
	if err != nil {
		return err
	}
	err = app.Alone(ctx, store, "import", func(term int64) error {
		return do(store, ingest.New(store, ingest.Options{StoreID: id, Term: term, Now: time.Now}))
	})
	if other, ok := errors.AsType[app.OtherHubError](err); ok {
		return fmt.Errorf("no hub must run while something is imported: %w", other)
	}
	return err
}

// lookInto runs do on the store of a hub that may run, for a dry run; where there
// is no hub's file, on an empty one that is gone afterwards.
func lookInto(ctx context.Context, s app.Settings, do func(*sqlstore.Store, *ingest.Ingester) error) (err error) {
	if _, err := os.Stat(filepath.Join(s.Data, app.FileName)); s.Store.Postgres == "" && err != nil {
		if s.Data, err = os.MkdirTemp("", "sourire-hub-dry-run"); err != nil {
			return err
		}
		defer func() { err = errors.Join(err, os.RemoveAll(s.Data)) }()
	}
	store, err := app.OpenStore(ctx, s, sqlstore.Options{MustExist: s.Store.Postgres != ""})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	return do(store, nil)
}

// cutPair cuts "key=value" at its last sign of equality.
func cutPair(s string) (key, value string, ok bool) {
	i := strings.LastIndexByte(s, '=')
	if i < 0 {
		return "", "", false
	}
	return strings.TrimSpace(s[:i]), strings.TrimSpace(s[i+1:]), true
}
