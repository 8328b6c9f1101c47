package upkeep

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"time"

	"sourire/hub/ingest"
)

// Options make an Upkeep. Store, Term and Keep are needed.
type Options struct {
	Store   Store
	Term    int64 // under which it deletes
	Keep    Keep
	Who     string           // as the audit log names it; "" means retention
	Version string           // of the program
	Now     func() time.Time // nil means time.Now
	Log     *slog.Logger     // nil means slog.Default()
}

// Upkeep deletes what is kept no longer.
type Upkeep struct{ o Options }

// New returns an Upkeep; it does nothing until Run or Once.
func New(o Options) *Upkeep {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.Default()
	}
	if o.Who == "" {
		o.Who = "retention"
	}
	return &Upkeep{o}
}

// A run every day, give or take an hour, so that many hubs on one server do not
// run together; one that failed is tried again after retryAfter.
const (
	every      = 24 * time.Hour
	jitter     = time.Hour
	retryAfter = 10 * time.Minute
)

// Run deletes at once and then every day, until ctx is done, or until another hub
// took over: then the error is ingest.ErrSuperseded.
func (u *Upkeep) Run(ctx context.Context) error {
	for {
		pause := every - jitter + rand.N(2*jitter)
		switch d, err := u.Once(ctx); {
		case ctx.Err() != nil:
			return ctx.Err()
		case ingest.Superseded(err):
			return err
		case err != nil:
			u.o.Log.Error("not everything was deleted whose period is over, it is tried again", "deleted", d, "error", err)
			pause = retryAfter
		case !d.None():
			u.o.Log.Info("what is kept no longer was deleted", "deleted", d)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(pause):
		}
	}
}

// Once makes one run and returns what it deleted, together with what a run deleted
// that was cut short. Its error may be of one journal; the others are done then.
func (u *Upkeep) Once(ctx context.Context) (Deleted, error) {
	now := u.o.Now()
	if err := u.o.Store.NoteKeep(ctx, u.o.Term, u.o.Who, now, u.o.Keep); err != nil {
		return nil, fmt.Errorf("periods: %w", err)
	}
	limits := u.o.Keep.Limits(now)
	var failed []error
	for _, what := range kinds() {
		err := u.all(ctx, Order{Term: u.o.Term, What: what, Limits: limits, At: now, Version: u.o.Version})
		if ctx.Err() != nil || ingest.Superseded(err) {
			return nil, errors.Join(err, ctx.Err()) // who comes next finishes it
		}
		if err != nil {
			failed = append(failed, fmt.Errorf("%s: %w", what, err))
		}
	}
	left, err := u.o.Store.Erase(ctx)
	if err != nil { // Finish would say that all is done
		return nil, fmt.Errorf("take what was deleted out of the store's files: %w", errors.Join(append(failed, err)...))
	}
	d, err := u.o.Store.Finish(ctx, u.o.Term, u.o.Who, now)
	if err != nil {
		return nil, fmt.Errorf("audit log: %w", errors.Join(append(failed, err)...))
	}
	if left != "" {
		u.o.Log.Warn("what was deleted may still be readable in the store's files for a while", "why", left)
	}
	return d, errors.Join(failed...)
}

// all takes the steps of one kind.
func (u *Upkeep) all(ctx context.Context, o Order) error {
	if o.What != Records {
		return u.steps(ctx, o)
	}
	journals, err := u.o.Store.Aged(ctx, o.Limits)
	if err != nil {
		return fmt.Errorf("journals: %w", err)
	}
	var failed []error
	for _, o.Journal = range journals {
		err := u.steps(ctx, o)
		if ctx.Err() != nil || ingest.Superseded(err) {
			return err
		}
		if err != nil {
			failed = append(failed, fmt.Errorf("%s epoch %s: %w", o.Journal.Kiosk, o.Journal.Epoch, err))
		}
	}
	return errors.Join(failed...)
}

// steps takes steps until there is nothing more. It rests after each for as long as
// that took: what is taken in has the store for half of the time at least.
func (u *Upkeep) steps(ctx context.Context, o Order) error {
	for {
		began := time.Now()
		_, more, err := u.o.Store.Delete(ctx, o)
		if err != nil || !more {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(time.Since(began)):
		}
	}
}
