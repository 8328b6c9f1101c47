package app

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"sourire/internal/feedback"
	"sourire/internal/sqlite"
	"sourire/kiosk/input"
	"sourire/kiosk/journal"
	"sourire/kiosk/session"
)

// backlog is how many signals may wait while the disk hesitates: a memory card
// may take seconds, and nobody presses faster than ten times a second.
const backlog = 256

// flow brings events to the session, its facts to the journal, and the journal's
// word back, one event after the other.
type flow struct {
	appender Appender
	clock    Clock
	wall     func() time.Time // what time it is, the zero Time when that is not known
	front    Front
	log      *slog.Logger
	signals  chan input.Signal
	woken    chan struct{} // the deadline may have moved
	ended    chan struct{} // closed when run has returned

	mu       sync.Mutex // held during an event, thus also while the disk works
	state    session.State
	deadline time.Duration
	failures int           // in a row, of the journal
	toldAt   time.Duration // when the last of them that was logged happened
}

func newFlow(a Appender, wall func() time.Time, o Options) *flow {
	return &flow{
		appender: a, clock: o.Clock, wall: wall, front: o.Front, log: o.Log,
		signals: make(chan input.Signal, backlog), woken: make(chan struct{}, 1), ended: make(chan struct{}),
	}
}

// emit takes a signal over from a source.
func (f *flow) emit(s input.Signal) {
	if s.At == 0 {
		s.At = f.clock.Now().Since
	}
	select {
	case f.signals <- s:
	case <-f.ended: // the journal is damaged; nobody will be thanked
	}
}

// run takes signals until ctx is done, then those that wait. It fails when the
// journal is damaged: the next start salvages it.
func (f *flow) run(ctx context.Context) error {
	defer close(f.ended)
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		var err error
		select {
		case s := <-f.signals:
			_, err = f.do(ctx, session.Finger{Signal: s}, s.At)
		case <-timer.C:
			_, err = f.do(ctx, session.Tick{}, f.clock.Now().Since)
		case <-f.woken:
		case <-ctx.Done():
			f.drain(context.WithoutCancel(ctx))
			return nil
		}
		if sqlite.IsDamaged(err) {
			return err
		}
		f.arm(timer)
	}
}

// drain takes the signals that wait; their sources have stopped.
func (f *flow) drain(ctx context.Context) {
	for {
		select {
		case s := <-f.signals:
			_, _ = f.do(ctx, session.Finger{Signal: s}, s.At) // do has logged it
		default:
			return
		}
	}
}

// arm sets the timer to the session's deadline.
func (f *flow) arm(timer *time.Timer) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.deadline == 0 {
		timer.Stop()
		return
	}
	timer.Reset(max(f.deadline-f.clock.Now().Since, time.Millisecond))
}

// do steps the session with one event and does what it asks for, until it asks
// for nothing more. It returns what was appended.
func (f *flow) do(ctx context.Context, cause session.Cause, at time.Duration) ([]journal.Entry, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	var all []journal.Entry
	var failed error
	// What is begun is ended: a press is on disk or its visitor is not thanked.
	ctx = context.WithoutCancel(ctx)
	for cause != nil {
		var out session.Output
		f.state, out = session.Step(f.state, session.Event{At: at, Wall: f.wall(), Cause: cause})
		f.front.Show(out.View)
		if out.Thank {
			f.front.Thank()
		}
		f.deadline = out.Deadline
		cause = nil
		if len(out.Facts) == 0 {
			continue
		}
		entries, stored, err := f.append(ctx, out, at)
		// A slow disk must not eat the time in which the thanks are seen.
		at, cause = f.clock.Now().Since, stored
		f.tell(at, err)
		failed = errors.Join(failed, err)
		all = append(all, entries...)
	}
	select {
	case f.woken <- struct{}{}:
	default:
	}
	return all, failed
}

// retell is the time between two lines that say that the journal takes nothing: a
// full disk must not be written full of that.
const retell = 10 * time.Minute

// tell logs that the journal takes nothing, at first and now and then, and that it
// does again. f.mu is held.
func (f *flow) tell(now time.Duration, err error) {
	switch {
	case err == nil && f.failures > 0:
		f.log.Info("what happens is stored again", "not_stored", f.failures)
		f.failures = 0
	case err != nil:
		if f.failures++; f.failures == 1 || now-f.toldAt >= retell {
			f.toldAt = now
			f.log.Error("what happens cannot be stored and nobody is thanked; this is said every ten minutes", "not_stored", f.failures, "err", err)
		}
	}
}

// append makes the facts of an output durable and returns the answer to it.
func (f *flow) append(ctx context.Context, out session.Output, at time.Duration) ([]journal.Entry, session.Cause, error) {
	facts := make([]feedback.Fact, len(out.Facts))
	for i, fact := range out.Facts {
		if r, ok := fact.(session.Remark); ok {
			fact = journal.Remark{Press: r.Press, Text: r.Text}
		}
		facts[i] = fact
	}
	entries, err := f.appender.AppendAt(ctx, journal.At{Since: at, Epoch: out.Epoch}, facts...)
	kept := make([]bool, len(facts))
	for i := range kept {
		kept[i] = true
	}
	if errors.Is(err, journal.ErrEpoch) {
		// The presses that some facts name have other numbers now.
		rest := facts[:0:0]
		for i, fact := range facts {
			if kept[i] = !namesPress(fact); kept[i] {
				rest = append(rest, fact)
			}
		}
		entries, err = nil, nil
		if len(rest) > 0 {
			entries, err = f.appender.AppendAt(ctx, journal.At{Since: at}, rest...)
		}
	}
	if err != nil {
		return nil, session.Failed{}, err
	}
	stored := session.Stored{Epoch: out.Epoch, Seqs: make([]feedback.Seq, len(facts))}
	next := entries
	for i := range facts {
		if kept[i] && len(next) > 0 {
			stored.Epoch, stored.Seqs[i] = next[0].Epoch, next[0].Seq
			next = next[1:]
		}
	}
	return entries, stored, nil
}

// namesPress reports whether a fact names a press by its number.
func namesPress(fact feedback.Fact) bool {
	switch fact.Kind() {
	case feedback.KindReason, feedback.KindComment, feedback.KindEnd, feedback.KindGesture, feedback.KindStuck:
		return true
	}
	return false
}
