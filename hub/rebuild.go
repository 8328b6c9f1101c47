package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"sourire/hub/app"
	"sourire/hub/ingest"
	"sourire/hub/store/sqlstore"
	"sourire/internal/command"
	"sourire/internal/durable"
	"sourire/internal/run"
)

// rebuildCmd derives visits, roll-ups and days anew from the records.
type rebuildCmd struct{}

// Help explains what the command does, and when.
func (rebuildCmd) Help() string {
	return "Records are the truth and are never touched. From them visits are derived anew, from visits the quarter-hours, from those the days of each site. " +
		"A hub that serves does the work beside what kiosks send, while this command shows how far it is; it may be interrupted, the hub goes on. " +
		"Without a hub the command does the work itself. Numbers that were right stay as they are."
}

// Run asks the hub that serves, or does the work where none does.
func (rebuildCmd) Run(c *console) error {
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
	folder, err := lockFolder(s)
	served := errors.Is(err, durable.ErrLocked)
	if err != nil && !served {
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
	r, err := store.AskRebuild(ctx)
	if err != nil {
		return err
	}
	show := sayRebuild(c)
	switch {
	case served:
		r, err = watch(ctx, store, r, rebuildPatience, show)
	case s.Store.Postgres != "": // a hub may serve it from another machine, or folder
		r, err = watch(ctx, store, r, otherPatience, show)
	}
	if !served && (s.Store.Postgres == "" || errors.Is(err, errNotTaken)) {
		r, err = rebuildAlone(ctx, store, zone, show)
	}
	switch {
	case errors.Is(err, errNotTaken):
		return fmt.Errorf("the folder %s is in use, but not by a hub that serves: the rebuild is noted, and done when a hub is started there", s.Data)
	case err != nil && ctx.Err() != nil:
		return fmt.Errorf("%w: the rebuild is noted; a hub that serves goes on with it, or does when it is started", ctx.Err())
	case err != nil:
		return err
	case r.Phase == ingest.PhaseFailed:
		fmt.Fprintf(c.Out, "rebuild: not everything could be derived anew: %s\n", r.Why)
		return command.ErrFound
	}
	fmt.Fprintln(c.Out, "rebuild: visits, roll-ups and days are derived anew; sourire-hub verify proves it")
	return nil
}

// lockFolder takes the data folder; nil where there is none, as when a store on
// PostgreSQL is served from elsewhere.
func lockFolder(s app.Settings) (*durable.Folder, error) {
	if _, err := os.Stat(s.Data); errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return durable.Open(s.Data)
}

// How long a hub may take to take a rebuild up: it looks every second.
const (
	rebuildPatience = time.Minute
	otherPatience   = 10 * time.Second
	watchEvery      = 300 * time.Millisecond
)

// errNotTaken says that no hub has taken a rebuild up.
var errNotTaken = errors.New("no hub has taken the rebuild up")

// watch waits for a hub to do a rebuild.
func watch(ctx context.Context, store ingest.Rebuilds, asked ingest.Rebuild, patience time.Duration, show func(ingest.Rebuild)) (ingest.Rebuild, error) {
	began := time.Now()
	for {
		r, err := store.LastRebuild(ctx)
		switch {
		case err != nil:
			return r, err
		case r.ID != asked.ID:
			return r, errors.New("somebody else has asked for a rebuild meanwhile: it does this one's work too")
		case !r.Pending():
			return r, nil
		case r.Phase == ingest.PhaseAsked && time.Since(began) > patience:
			return r, errNotTaken
		}
		show(r)
		select {
		case <-ctx.Done():
			return r, ctx.Err()
		case <-time.After(watchEvery):
		}
	}
}

// rebuildAlone does the work itself, in the place of the hub that ingests and
// under a term of its own.
func rebuildAlone(ctx context.Context, store *sqlstore.Store, zone *time.Location, show func(ingest.Rebuild)) (ingest.Rebuild, error) {
	if err := store.PutZone(ctx, zone); err != nil {
		return ingest.Rebuild{}, err
	}
	id, err := store.ID(ctx)
	if err != nil {
		return ingest.Rebuild{}, err
	}
	var r ingest.Rebuild
	err = app.Alone(ctx, store, "rebuild", func(term int64) (err error) {
		g := ingest.New(store, ingest.Options{StoreID: id, Term: term, Now: time.Now})
		r, err = g.Rebuild(ctx, store, run.Version(), show)
		return err
	})
	if r.Phase == ingest.PhaseFailed {
		err = nil // Why says it
	}
	return r, err
}

// sayRebuild returns a function that shows the progress: one line that changes on a
// terminal, a line for each phase elsewhere.
func sayRebuild(c *console) func(ingest.Rebuild) {
	terminal := progress(c.Err, "") != nil
	var last ingest.Phase
	return func(r ingest.Rebuild) {
		names := map[ingest.Phase]string{
			ingest.PhaseAsked: "waiting for the hub", ingest.PhaseJournals: "journals read again",
			ingest.PhaseCells: "touchpoints counted", ingest.PhaseDays: "sites summed up by days",
		}
		what := names[r.Phase]
		if what == "" {
			what = string(r.Phase)
		}
		switch {
		case terminal:
			fmt.Fprintf(c.Err, "\r\x1b[K%d of %d %s ", r.Done, r.Total, what)
			if !r.Pending() {
				fmt.Fprint(c.Err, "\r\x1b[K")
			}
		case r.Phase != last && r.Pending():
			fmt.Fprintf(c.Err, "rebuild: %s\n", what)
		}
		last = r.Phase
	}
}
