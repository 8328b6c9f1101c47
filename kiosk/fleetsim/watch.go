package fleetsim

import (
	"context"
	"time"
)

// pollInterval is how often the end is looked for once the visitors are gone.
const pollInterval = 200 * time.Millisecond

// watch reports each second, until the visitors are gone and the hub has
// everything, or Settle is over, or a kiosk has failed.
func (f *fleet) watch(life context.Context, gone <-chan struct{}) Tally {
	second := time.NewTicker(time.Second)
	defer second.Stop()
	poll := time.NewTicker(pollInterval)
	defer poll.Stop()
	var late <-chan time.Time
	left := false
	for {
		select {
		case <-life.Done(): // a kiosk has failed
			return f.report(f.tally())
		case <-gone:
			gone, left = nil, true
			timer := time.NewTimer(f.o.Settle)
			defer timer.Stop()
			late = timer.C
		case <-second.C:
			f.report(f.tally())
		case <-late:
			return f.report(f.tally())
		case <-poll.C:
			if !left {
				continue
			}
			if t := f.tally(); t.Durable+t.Failed+t.Dark == t.Pressed && t.Settled {
				// This tally, not another one: a link that is cut a moment
				// later changes nothing of what was settled.
				return f.report(t)
			}
		}
	}
}

// report tells whoever asks where the fleet stands.
func (f *fleet) report(t Tally) Tally {
	if f.o.Progress != nil {
		f.o.Progress(t)
	}
	return t
}

// tally looks at every kiosk, and asks no disk.
func (f *fleet) tally() Tally {
	t := Tally{
		Kiosks: len(f.boxes), Pressed: f.pressed.Load(), Durable: f.durable.Load(), Failed: f.failed.Load(), Dark: f.dark.Load(),
		Acknowledged: f.acknowledged.Load(), Gone: f.gone.Load(),
		Cuts: f.cuts.Load(), LostAnswers: f.lostAnswers.Load(), ClockJumps: f.clockJumps.Load(),
		PowerCuts: f.powerCuts.Load(), ImagesRestored: f.imagesRestored.Load(), Settled: true,
	}
	for _, b := range f.boxes {
		t.Queued += b.book.queued.Load()
		core := b.core.Load()
		if core == nil {
			t.Settled = false
			continue
		}
		link := core.Link()
		if link.Connected {
			t.Connected++
		}
		t.Settled = t.Settled && link.Settled && b.book.settled()
	}
	return t
}
