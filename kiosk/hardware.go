package main

import (
	"context"
	"log/slog"
	"slices"
	"sync/atomic"
	"time"

	"sourire/internal/run"
	"sourire/internal/wire"
	"sourire/kiosk/app"
	"sourire/kiosk/clock"
	"sourire/kiosk/input/gpio"
	"sourire/kiosk/lamp"
	"sourire/kiosk/session"
	"sourire/kiosk/settings"
)

// hardware is the buttons and lamps of the settings; either may be missing.
type hardware struct {
	buttons *gpio.Buttons
	outputs []*gpio.Output
	lamps   *lamp.Front
	clock   *clock.System             // of lamps
	kiosk   atomic.Pointer[app.Kiosk] // once it is there
}

func newHardware(s settings.Settings, log *slog.Logger) (*hardware, error) {
	h := &hardware{}
	if len(s.Buttons.Lines) > 0 {
		o := gpio.Options{Log: log, Wiring: gpio.Wiring{ActiveHigh: s.Buttons.ActiveHigh, NoPull: s.Buttons.NoPull, Debounce: s.Buttons.Debounce}}
		for _, l := range s.Buttons.Lines {
			o.Lines = append(o.Lines, gpio.Line(l))
		}
		var err error
		if h.buttons, err = gpio.New(o); err != nil {
			return nil, err
		}
	}
	if len(s.Lamps.Lines) == 0 && s.Lamps.Buzzer == "" {
		return h, nil
	}
	var err error
	if h.clock, err = clock.New(); err != nil {
		return nil, err
	}
	o := lamp.Options{Log: log, Good: h.good}
	output := func(line string) *gpio.Output {
		out := gpio.NewOutput(gpio.Line(line), s.Lamps.ActiveLow)
		h.outputs = append(h.outputs, out)
		return out
	}
	for _, l := range s.Lamps.Lines {
		o.Lamps = append(o.Lamps, output(l))
	}
	if s.Lamps.Buzzer != "" {
		o.Buzzer = output(s.Lamps.Buzzer)
	}
	h.lamps = lamp.New(o)
	return h, nil
}

// buttonsHealth tells how the buttons are.
func (h *hardware) buttonsHealth() []wire.Button {
	wrong, counts := h.buttons.Wrong(), h.buttons.Counts()
	out := make([]wire.Button, len(counts))
	for i, c := range counts {
		out[i] = wire.Button{Heard: wrong[i] == nil, TooShort: c.TooShort, Stuck: c.Stuck, Lost: c.Lost, Losses: c.Losses}
	}
	return out
}

// good tells a technician, lamp by lamp, what is well: every button is heard, the
// hub has everything, the clock is right.
func (h *hardware) good() []bool {
	heard := h.buttons == nil || !slices.ContainsFunc(h.buttons.Wrong(), func(err error) bool { return err != nil })
	settled := false
	if k := h.kiosk.Load(); k != nil {
		settled = k.Link().Settled
	}
	return []bool{heard, settled, h.clock.Now().Trusted}
}

// run runs a kiosk whose front the lamps are, too, and switches them off behind it.
func (h *hardware) run(ctx context.Context, o app.Options) error {
	if h.buttons != nil {
		o.Buttons = h.buttonsHealth
	}
	if h.lamps != nil {
		if o.Front == nil {
			o.Front = h.lamps
		} else {
			o.Front = fronts{o.Front, h.lamps}
		}
	}
	k, err := app.New(ctx, o)
	if err != nil {
		return err
	}
	h.kiosk.Store(k)
	if h.lamps == nil {
		return k.Run(ctx)
	}
	g := run.NewGroup(ctx, run.Options{Log: o.Log, StopTimeout: stopTimeout})
	g.Closer("lines of lamps", h.close)
	g.Start("lamps", h.lamps.Run)
	g.Start("kiosk", k.Run)
	return g.Wait()
}

// stopTimeout is for all parts of a kiosk together, which have five seconds each.
const stopTimeout = 30 * time.Second

// close gives the lines of lamps up; the lamps have said what is wrong with them.
func (h *hardware) close() error {
	for _, out := range h.outputs {
		_ = out.Close()
	}
	return nil
}

// fronts are several, in the order in which they are told.
type fronts []app.Front

// Show implements app.Front.
func (f fronts) Show(v session.View) {
	for _, one := range f {
		one.Show(v)
	}
}

// Thank implements app.Front.
func (f fronts) Thank() {
	for _, one := range f {
		one.Thank()
	}
}
