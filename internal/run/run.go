// Package run owns the goroutines of a program and ends them in order.
//
// It stands outside the straight line: kiosk/app and hub/app start their parts
// in a Group, each after those it relies on, and the Group stops them in
// reverse, one after the other, each within a bounded time. Thus what feeds a
// store has stopped before the store closes.
//
// Nothing here survives a crash, and nothing needs to: durability is the
// parts' own affair, and stopping is only politeness. A part that does not stop
// in time is named in the log and left behind, because a box that hangs at
// shutdown is switched off at the wall.
//
// The package must not know any part.
package run

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"
)

// ErrLate marks a part that had not stopped when its time was over.
var ErrLate = errors.New("did not stop in time")

// DefaultStopTimeout is how long each part may take to stop.
const DefaultStopTimeout = 5 * time.Second

// Options of a Group; the zero value is useful.
type Options struct {
	StopTimeout time.Duration // how long each part may take to stop; 0 means DefaultStopTimeout
	Log         *slog.Logger  // hears of parts that fail or are late; nil means slog.Default()
}

// Group owns parts: goroutines that run until they are told to stop, and
// resources that are to be closed. Start and Closer are called by one
// goroutine and not after Stop, Wait and Stop by any.
type Group struct {
	stopTimeout time.Duration
	log         *slog.Logger
	ended       context.Context    // done when the whole is to stop
	end         context.CancelFunc // idempotent

	mu    sync.Mutex
	parts []*part // in order of start
	err   error   // of the first part that failed

	stopOnce sync.Once
	stopErr  error // written inside stopOnce
}

// part is one goroutine or resource.
type part struct {
	name string
	stop func()        // asks it to end, does not wait
	done chan struct{} // closed when it has ended
}

// NewGroup returns a group without parts. When ctx is done, Wait stops the
// parts in order; their own contexts do not end before their turn.
func NewGroup(ctx context.Context, o Options) *Group {
	if o.StopTimeout == 0 {
		o.StopTimeout = DefaultStopTimeout
	}
	if o.Log == nil {
		o.Log = slog.Default()
	}
	g := &Group{stopTimeout: o.StopTimeout, log: o.Log}
	g.ended, g.end = context.WithCancel(ctx)
	return g
}

// Start runs a part in a goroutine of its own until its context is done. The
// part stops after those that were started after it. Returning an error, or
// returning before it was told to stop, ends the whole group; an error that
// only says that the context is done is none.
func (g *Group) Start(name string, run func(context.Context) error) {
	// Values of the group's context, not its end: a part ends at its turn.
	ctx, cancel := context.WithCancel(context.WithoutCancel(g.ended))
	p := &part{name: name, stop: cancel, done: make(chan struct{})}
	g.add(p)
	go func() {
		defer close(p.done)
		defer g.end()
		err := run(ctx)
		toldToStop := ctx.Err() != nil && errors.Is(err, context.Canceled)
		if err != nil && !toldToStop {
			g.fail(name, err)
		}
	}()
}

// Closer adds a resource that is closed when what was started after it has
// stopped.
func (g *Group) Closer(name string, closeIt func() error) {
	p := &part{name: name, done: make(chan struct{})}
	p.stop = func() {
		go func() {
			defer close(p.done)
			if err := closeIt(); err != nil {
				g.fail(name, err)
			}
		}()
	}
	g.add(p)
}

// Wait blocks until the group's context is done or a part ends, then stops all
// parts as Stop does and returns what Stop returns.
func (g *Group) Wait() error {
	<-g.ended.Done()
	return g.Stop()
}

// Stop stops the parts in the reverse order of their start, each within the
// stop time-out, and returns the first failure of a part joined with an ErrLate for
// each part that was left behind. A second call waits for the first and
// returns the same.
func (g *Group) Stop() error {
	g.stopOnce.Do(func() {
		g.end()
		g.mu.Lock()
		parts := g.parts
		g.mu.Unlock()
		var late []error
		for i := len(parts) - 1; i >= 0; i-- {
			late = append(late, g.stop(parts[i]))
		}
		g.mu.Lock()
		defer g.mu.Unlock()
		g.stopErr = errors.Join(append([]error{g.err}, late...)...)
	})
	return g.stopErr
}

// stop ends one part and waits for it.
func (g *Group) stop(p *part) error {
	timer := time.NewTimer(g.stopTimeout)
	defer timer.Stop()
	p.stop()
	select {
	case <-p.done:
		return nil
	case <-timer.C:
		g.log.Error("a part did not stop in time and is left behind", "part", p.name, "timeout", g.stopTimeout)
		return fmt.Errorf("%s: %w (%v)", p.name, ErrLate, g.stopTimeout)
	}
}

func (g *Group) add(p *part) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.parts = append(g.parts, p)
}

// fail keeps the first failure; the others are only logged, for they mostly
// follow from it.
func (g *Group) fail(name string, err error) {
	err = fmt.Errorf("%s: %w", name, err)
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.err == nil {
		g.err = err
		return
	}
	g.log.Error("another part failed", "err", err)
}

// Context returns a context that ends at the first SIGINT or SIGTERM. After
// that the signals have their usual effect again, so that a second one ends a
// program that hangs. Stop releases it.
func Context() (ctx context.Context, stop context.CancelFunc) {
	ctx, stop = signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop)
	return ctx, stop
}
