package main

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"sourire/internal/feedback"
	"sourire/internal/ledger"
)

// options make a crowd.
type options struct {
	hub     string // mqtts://host:port
	prefix  string // of the ids: prefix-1, prefix-2 …
	kiosks  int
	folder  string  // of {id}.crt and {id}.key
	ca      string  // file
	ledger  string  // file
	perHour float64 // presses of each
}

// crowd is a crowd at work.
type crowd struct {
	o      options
	kiosks []*kiosk
	waits  waits
	failed reasons

	dialled, pressed atomic.Int64
	visiting         atomic.Bool

	book *os.File // of the goroutine that presses
}

// Status is what a crowd says of itself.
type Status struct {
	Connected, Settled int            // kiosks
	Dialled            int64          // connections since the start
	Failed             map[string]int // dials since the last window, by reason
	Pressed            int64
	Queued             int // presses that the hub has not
	Presses            int // that the hub has, since the last window
	// How long they waited, and those that still do.
	Longest, P99 time.Duration
}

func open(o options) (*crowd, error) {
	text, err := os.ReadFile(o.ca)
	if err != nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(text) {
		return nil, fmt.Errorf("%s holds no certificate", o.ca)
	}
	c := &crowd{o: o}
	for i := range o.kiosks {
		k, err := c.newKiosk(i, o.folder, roots)
		if err != nil {
			return nil, err
		}
		c.kiosks = append(c.kiosks, k)
	}
	c.book, err = os.OpenFile(o.ledger, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	return c, err
}

// run lives until ctx is done.
func (c *crowd) run(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	for _, k := range c.kiosks {
		g.Go(func() error {
			if err := k.uplink.Run(ctx); err != nil {
				return fmt.Errorf("%s: %w", k.id, err)
			}
			return nil
		})
	}
	g.Go(func() error { return c.visit(ctx) })
	return errors.Join(g.Wait(), c.book.Close())
}

// visit presses somewhere, again and again, at times that know nothing of each
// other, while visitors come.
func (c *crowd) visit(ctx context.Context) error {
	mean := time.Duration(float64(time.Hour) / c.o.perHour / float64(len(c.kiosks)))
	next := time.Now()
	for {
		next = next.Add(time.Duration(rand.ExpFloat64() * float64(mean)))
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(time.Until(next)):
		}
		if !c.visiting.Load() {
			next = time.Now()
			continue
		}
		if err := c.press(c.kiosks[rand.IntN(len(c.kiosks))]); err != nil {
			return err
		}
	}
}

func (c *crowd) press(k *kiosk) error {
	now, rating := time.Now(), rand.IntN(3)
	err := k.journal.press(now, rating, func(seq feedback.Seq) error {
		line := ledger.AppendPress(nil, ledger.Press{
			Key: ledger.Key{Kiosk: k.id, Epoch: k.journal.epoch, Seq: seq}, Rating: rating, At: now.UnixMilli(),
		})
		_, err := c.book.Write(line)
		return err
	})
	if err == nil {
		c.pressed.Add(1)
	}
	return err
}

// window forgets what was measured.
func (c *crowd) window() {
	c.waits.begin()
	c.failed.forget()
}

// cut cuts all.
func (c *crowd) cut() error {
	var errs []error
	for _, k := range c.kiosks {
		errs = append(errs, k.cut())
	}
	return errors.Join(errs...)
}

func (c *crowd) status() Status {
	s := Status{Dialled: c.dialled.Load(), Pressed: c.pressed.Load(), Failed: c.failed.all()}
	now := time.Now()
	var oldest time.Duration
	for _, k := range c.kiosks {
		u := k.uplink.Status()
		if u.Connected {
			s.Connected++
		}
		if u.Settled {
			s.Settled++
		}
		n, waited := k.journal.queue(now)
		s.Queued += n
		oldest = max(oldest, waited)
	}
	s.Presses, s.Longest, s.P99 = c.waits.sum()
	s.Longest = max(s.Longest, oldest) // it waits still
	return s
}

// waits are how long presses waited for the hub.
type waits struct {
	mu  sync.Mutex
	all []time.Duration
}

func (w *waits) add(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.all = append(w.all, d)
}

func (w *waits) begin() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.all = nil
}

func (w *waits) sum() (n int, longest, p99 time.Duration) {
	w.mu.Lock()
	all := slices.Clone(w.all)
	w.mu.Unlock()
	if n = len(all); n == 0 {
		return 0, 0, 0
	}
	slices.Sort(all)
	return n, all[n-1], all[n*99/100]
}

// reasons count why dials failed.
type reasons struct {
	mu sync.Mutex
	n  map[string]int
}

func (r *reasons) add(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.n == nil {
		r.n = make(map[string]int)
	}
	r.n[err.Error()]++
}

func (r *reasons) forget() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.n = nil
}

func (r *reasons) all() map[string]int {
	r.mu.Lock()
	defer r.mu.Unlock()
	out := make(map[string]int, len(r.n))
	for why, n := range r.n {
		out[why] = n
	}
	return out
}
