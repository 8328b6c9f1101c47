package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"time"

	"sourire/kiosk/fleetsim"
	"sourire/kiosk/input/script"
	"sourire/kiosk/settings"
	"sourire/kiosk/uplink"
)

// idleResult is what a hub costs that has nothing to do.
type idleResult struct {
	kiosks int
	window time.Duration
	share  float64 // of a core
	memory float64 // bytes that are resident
	worked float64 // … of the hub that took all that was measured before
}

// idle starts a hub of its own, lets real kiosks connect, and watches the hub's
// process while nobody presses. Each kiosk says how it is once in that time,
// which is more often than the once a minute of a kiosk in a shop.
func (b *bench) idle(ctx context.Context) error {
	folder := filepath.Join(b.folder, "idle")
	h, err := startHub(ctx, folder, "")
	if err != nil {
		return err
	}
	r := &b.results.idle
	*r = idleResult{kiosks: b.plan.crowd, window: b.plan.watch}
	err = b.withCrowd(ctx, h, filepath.Join(folder, "kiosks"), func() error { return r.watch(ctx, h, b.plan.watch) })
	if err := errors.Join(err, h.stop()); err != nil {
		return fmt.Errorf("idle: %w", err)
	}
	worked, err := resident(b.hub.process.Process.Pid)
	r.worked = float64(worked)
	return err
}

// withCrowd calls do while real kiosks that nobody comes to are connected.
func (b *bench) withCrowd(ctx context.Context, h *child, folder string, do func() error) error {
	ctx, leave := context.WithCancel(ctx)
	defer leave()
	set := settings.Defaults()
	set.Hub.Address, set.Hub.Key = "mqtt://"+h.address, hubKey
	there := make(chan struct{}, 1)
	ended := make(chan error, 1)
	go func() {
		_, err := fleetsim.Run(ctx, fleetsim.Options{
			Kiosks: b.plan.crowd, Folder: folder, Settings: set, Log: slog.New(slog.DiscardHandler),
			Arrivals: script.Constant(24 * time.Hour), Times: uplink.Times{Health: b.plan.watch},
			Progress: func(t fleetsim.Tally) {
				if t.Connected == b.plan.crowd && t.Settled {
					select {
					case there <- struct{}{}:
					default:
					}
				}
			},
		})
		ended <- err
	}()
	var err error
	select {
	case <-there:
		err = do()
	case err = <-ended:
		return errors.Join(errors.New("the kiosks left early"), err)
	case <-time.After(patience):
		err = fmt.Errorf("not all of %d kiosks are connected after %v", b.plan.crowd, patience)
	}
	leave()
	return errors.Join(err, <-ended)
}

// watch measures the hub's process for some time.
func (r *idleResult) watch(ctx context.Context, h *child, window time.Duration) error {
	before, err := h.ask("status")
	if err != nil {
		return err
	}
	began := time.Now()
	select {
	case <-time.After(window):
	case <-ctx.Done():
		return ctx.Err()
	}
	took := time.Since(began)
	after, err := h.ask("status")
	if err != nil {
		return err
	}
	memory, err := resident(h.process.Process.Pid)
	r.share, r.memory = float64(after.CPU-before.CPU)/float64(took), float64(memory)
	return err
}
