package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"sourire/internal/feedback"
	"sourire/kiosk/clock"
	"sourire/kiosk/journal"
)

// openJournal begins a kiosk's journal, as kiosk/app does.
func openJournal(ctx context.Context, folder string) (*journal.Journal, error) {
	c, err := clock.New()
	if err != nil {
		return nil, err
	}
	j, err := journal.Open(ctx, journal.Options{
		Path: filepath.Join(folder, "journal.db"), Kiosk: "bench", Version: "bench", Clock: c,
		Keep: 30 * 24 * time.Hour, MaxBytes: 1 << 30,
	})
	if err != nil {
		return nil, err
	}
	asked := feedback.Asked{Site: "bench", Touchpoint: "exit", Survey: "visit", Scale: "smiley3"}
	if _, err := j.Append(ctx, feedback.PlanApplied{Plan: feedback.NewPlanID(nil), Asked: asked}); err != nil {
		return nil, errors.Join(err, j.Close())
	}
	return j, nil
}

// pressRound measures how long a press takes until it is durable on a kiosk,
// and a bare commit, by turns.
func (b *bench) pressRound(ctx context.Context) error {
	var bare, ours samples
	for range b.plan.commits {
		d, err := b.bare.commitOne(ctx)
		if err != nil {
			return fmt.Errorf("bare commit: %w", err)
		}
		began := time.Now()
		if _, err := b.journal.Append(ctx, feedback.Press{Rating: 2, Held: 80}); err != nil {
			return fmt.Errorf("press: %w", err)
		}
		ours = append(ours, micros(time.Since(began)))
		bare = append(bare, micros(d))
	}
	r := &b.results.press
	r.bare, r.ours = append(r.bare, bare.median()), append(r.ours, ours.median())
	r.ratio = append(r.ratio, ours.median()/bare.median())
	return nil
}
