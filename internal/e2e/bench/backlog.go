package main

import (
	"context"
	"fmt"
	"time"

	"sourire/internal/feedback"
)

// backlogResult is what one kiosk with a long backlog gets, and what that costs
// the others.
type backlogResult struct {
	rate    samples // records a second
	quiet   samples // of the others' presses without it, in microseconds: their p99 each round
	busy    samples // … with it
	presses int     // behind each p99, about
	ratio   samples // of busy to quiet
}

// backlogSize is the records of its batches.
const backlogSize = 500

// backlogGoal is the records a second that it shall have, and backlogHarm how many
// times longer the slowest of the others' presses may wait meanwhile.
const (
	backlogGoal = 10_000
	backlogHarm = 1.5
)

// backlogRounds are measured: a p99 alone says little.
const backlogRounds = 3

// backlog has one kiosk send what it kept for weeks, while others press at light
// load; before each time these press alone for as long.
func (b *bench) backlog(ctx context.Context) error {
	others, err := dialFleet(b.hub.address, "beside", b.plan.calm)
	if err != nil {
		return err
	}
	defer others.close()
	one, err := dialFleet(b.hub.address, "backlog", 1)
	if err != nil {
		return err
	}
	defer one.close()
	r := &b.results.backlog
	alone := 2 * time.Second
	for range backlogRounds {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		quiet, err := others.pressUntil(b.plan.beside, time.After(min(alone, 100*b.plan.beside)))
		if err != nil {
			return err
		}
		batches := b.plan.backlog / backlogSize
		if err := one.press(batches, backlogSize); err != nil {
			return err
		}
		sent := make(chan time.Time)
		var wall time.Duration
		var sendErr error
		go func() { // awaited by pressUntil
			defer close(sent)
			wall, sendErr = one.drain()
		}()
		busy, err := others.pressUntil(b.plan.beside, sent)
		<-sent
		if err != nil || sendErr != nil {
			return fmt.Errorf("backlog: %w", firstOf(err, sendErr))
		}
		r.rate = append(r.rate, float64(batches*backlogSize)/wall.Seconds())
		r.quiet, r.busy = append(r.quiet, quiet.at(0.99)), append(r.busy, busy.at(0.99))
		r.ratio = append(r.ratio, busy.at(0.99)/quiet.at(0.99))
		r.presses = len(busy)
		alone = wall
	}
	return nil
}

func firstOf(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// pressUntil has each kiosk press once every interval until over, and returns how
// long each press waited for its answer, in microseconds. Each presses at least
// once.
func (f *fleet) pressUntil(interval time.Duration, over <-chan time.Time) (samples, error) {
	end := make(chan struct{})
	waits := make([]samples, len(f.kiosks))
	ended := make(chan error, 1)
	go func() {
		_, err := f.each(func(k *kiosk, i int) error {
			wait := interval * time.Duration(i) / time.Duration(len(f.kiosks)) // not in step
			for {
				timer := time.NewTimer(wait)
				select {
				case <-timer.C:
				case <-end:
					timer.Stop()
					if len(waits[i]) > 0 {
						return nil
					}
				}
				began := time.Now()
				if err := k.batch([]feedback.Fact{feedback.Press{Rating: int(k.next) % 3, Held: 80}}); err != nil {
					return err
				}
				sent := time.Now()
				if err := k.sendOne(); err != nil {
					return err
				}
				waits[i] = append(waits[i], micros(time.Since(sent)))
				wait = interval - time.Since(began)
			}
		})
		ended <- err
	}()
	select {
	case <-over:
	case err := <-ended:
		return nil, err
	}
	close(end)
	err := <-ended
	var all samples
	for _, w := range waits {
		all = append(all, w...)
	}
	return all, err
}
