package ingest

import (
	"context"
	"errors"
	"fmt"
	"time"

	"sourire/hub/rollup"
	"sourire/internal/visit"
)

// Phase is how far a rebuild is.
type Phase string

// The phases, in their order. A rebuild ends Done or Failed.
const (
	PhaseAsked    Phase = "asked"    // nobody has taken it up
	PhaseJournals Phase = "journals" // visits, each journal by a replay
	PhaseCells    Phase = "roll-ups" // by what all visits count less what is stored
	PhaseDays     Phase = "days"     // summed up anew, site by site
	PhaseDone     Phase = "done"
	PhaseFailed   Phase = "failed"
)

// Rebuild is a request to derive everything anew, and how far it has come. The
// zero Rebuild was never asked for.
type Rebuild struct {
	ID          string // of the request
	Phase       Phase
	Done, Total int    // steps of the phase
	Why         string // what could not be done
}

// Pending reports whether there is something left to do.
func (r Rebuild) Pending() bool {
	return r.ID != "" && r.Phase != PhaseDone && r.Phase != PhaseFailed
}

// Rebuilds is what deriving everything anew needs of a store, under the suite of
// hub/store/storetest.
type Rebuilds interface {
	Journals
	// AskRebuild makes every journal outdated and notes a new request, in a
	// short transaction that may come from another process than the hub's.
	AskRebuild(ctx context.Context) (Rebuild, error)
	// LastRebuild returns the request that was made last.
	LastRebuild(ctx context.Context) (Rebuild, error)
	// NoteRebuild keeps how far a request is, unless another one came since.
	NoteRebuild(ctx context.Context, r Rebuild) error
	// Recount reads one snapshot and calls do for everything that was ever
	// asked: with what its visits count and with its cells.
	Recount(ctx context.Context, do func(Recount) error) error
	// AddCells adds to both levels of the roll-ups.
	AddCells(ctx context.Context, term int64, cells rollup.Delta) error
	// SumDays sums the days of all sites up anew from their cells, each site
	// in a transaction. It calls step before each.
	SumDays(ctx context.Context, step func(done, of int)) error
}

// Recount is what a recount found of one thing asked, the (Done+1)th of Of.
type Recount struct {
	Counted, Stored rollup.Delta
	Done, Of        int
}

// rebuilder derives everything anew: visits from records, then cells from visits,
// then days from cells. Ingest goes on meanwhile: a journal is read again between
// two groups, and of cells only a difference is added, between two states of one
// snapshot, which commutes with whatever is added before and after. An error
// leaves the rest to a new rebuild: a difference whose commit is in doubt must not
// be added again, and is not, for the next one starts from a new snapshot.
type rebuilder struct {
	store   Rebuilds
	term    int64
	version string
	replay  func(context.Context, Key) error
	// said hears of the progress, and noted is when it was last kept.
	said  func(Rebuild)
	noted time.Time
}

// noteEvery is how often progress within a phase is kept.
const noteEvery = 500 * time.Millisecond

func (b *rebuilder) note(ctx context.Context, r Rebuild) {
	if r.Done > 0 && r.Pending() && time.Since(b.noted) < noteEvery {
		return
	}
	b.noted = time.Now()
	if b.said != nil {
		b.said(r)
	}
	_ = b.store.NoteRebuild(ctx, r) // it is for those who watch
}

// run does what is left of a rebuild. Where it was interrupted it reads the
// journals that are left, and then counts everything.
func (b *rebuilder) run(ctx context.Context, r Rebuild) (Rebuild, error) {
	err := b.all(ctx, &r)
	switch {
	case ctx.Err() != nil || Superseded(err):
		return r, errors.Join(err, ctx.Err()) // who comes next goes on
	case err != nil:
		r.Phase, r.Why = PhaseFailed, err.Error()
	default:
		r.Phase = PhaseDone
	}
	b.note(ctx, r)
	return r, err
}

func (b *rebuilder) all(ctx context.Context, r *Rebuild) error {
	keys, err := b.store.Outdated(ctx, visit.Rule, b.version)
	if err != nil {
		return fmt.Errorf("journals: %w", err)
	}
	var unread []error
	*r = Rebuild{ID: r.ID, Phase: PhaseJournals, Total: len(keys)}
	for i, key := range keys {
		r.Done = i
		b.note(ctx, *r)
		err := b.replay(ctx, key)
		if Superseded(err) || ctx.Err() != nil {
			return err
		}
		if err != nil {
			unread = append(unread, err)
		}
	}
	*r = Rebuild{ID: r.ID, Phase: PhaseCells}
	b.note(ctx, *r)
	err = b.store.Recount(ctx, func(c Recount) error {
		r.Done, r.Total = c.Done, c.Of
		b.note(ctx, *r)
		return b.correct(ctx, c)
	})
	if err != nil {
		return fmt.Errorf("roll-ups: %w", errors.Join(append(unread, err)...))
	}
	*r = Rebuild{ID: r.ID, Phase: PhaseDays}
	err = b.store.SumDays(ctx, func(done, of int) {
		r.Done, r.Total = done, of
		b.note(ctx, *r)
	})
	if err != nil {
		return fmt.Errorf("days: %w", errors.Join(append(unread, err)...))
	}
	return errors.Join(unread...)
}

// correct adds what cells lack of a recount.
func (b *rebuilder) correct(ctx context.Context, c Recount) error {
	lacking := c.Counted.Minus(c.Stored)
	if len(lacking) == 0 {
		return nil
	}
	return b.store.AddCells(ctx, b.term, lacking)
}

// Rebuild derives everything anew that a store holds, where no hub serves it. said
// hears of the progress. As with Ingest, one goroutine at a time may call it.
func (g *Ingester) Rebuild(ctx context.Context, store Rebuilds, version string, said func(Rebuild)) (Rebuild, error) {
	r, err := store.LastRebuild(ctx)
	if err != nil {
		return r, err
	}
	if !r.Pending() {
		if r, err = store.AskRebuild(ctx); err != nil {
			return r, err
		}
	}
	b := &rebuilder{store: store, term: g.o.Term, version: version, said: said}
	b.replay = func(ctx context.Context, key Key) error {
		_, err := g.Replay(ctx, store, key, version)
		return err
	}
	return b.run(ctx, r)
}

// Reading journals again beside what is taken in.

// again asks the writer to read a journal again.
type again struct {
	key  Key
	done chan error // has room for the answer
}

// reread has journals read again that another version has read, and looks every
// moment whether a rebuild was asked for.
func (in *Intake) reread(ctx context.Context) {
	if in.o.Journals == nil {
		return
	}
	for first := true; ; first = false {
		pending := in.o.Rebuilds != nil && in.rebuild(ctx)
		if first && !pending {
			for _, key := range in.outdated(ctx) {
				_ = in.readAgain(ctx, key) // it is logged, and tried at the next start
			}
		}
		if in.o.Rebuilds == nil {
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(in.o.Look):
		}
	}
}

// readAgain has the writer read a journal again, between two groups.
func (in *Intake) readAgain(ctx context.Context, key Key) error {
	a := again{key, make(chan error, 1)}
	select {
	case <-ctx.Done():
		return ctx.Err()
	case in.again <- a:
	}
	select {
	case <-ctx.Done():
		return ctx.Err()
	case err := <-a.done:
		return err
	}
}

// rebuild does what is left of a rebuild, and reports whether there was one.
func (in *Intake) rebuild(ctx context.Context) bool {
	r, err := in.o.Rebuilds.LastRebuild(ctx)
	if err != nil {
		if ctx.Err() == nil {
			in.o.Log.Debug("whether a rebuild was asked for is not known", "error", err)
		}
		return false
	}
	if !r.Pending() {
		return false
	}
	in.o.Log.Info("a rebuild was asked for: visits and roll-ups are derived anew")
	b := &rebuilder{
		store: in.o.Rebuilds, term: in.o.Ingester.o.Term, version: in.o.Version, replay: in.readAgain,
	}
	switch _, err = b.run(ctx, r); {
	case ctx.Err() != nil: // goes on at the next start
	case err != nil:
		in.o.Log.Error("the rebuild has failed", "error", err)
	default:
		in.o.Log.Info("the rebuild is done")
	}
	return true
}
