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
			return f.report(f.tally(context.Background()))
		case <-gone:
			gone, left = nil, true
			timer := time.NewTimer(f.o.Settle)
			defer timer.Stop()
			late = timer.C
		case <-second.C:
			f.report(f.tally(context.Background()))
		case <-late:
			return f.report(f.tally(context.Background()))
		case <-poll.C:
			if !left {
				continue
			}
			if t := f.tally(life); t.Durable+t.Failed == t.Pressed && t.Queued == 0 && t.Settled {
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

func (f *fleet) tally(ctx context.Context) Tally {
	t := Tally{
		Kiosks: len(f.kiosks), Pressed: f.pressed.Load(), Durable: f.durable.Load(), Failed: f.failed.Load(),
		Cuts: f.cuts.Load(), Settled: true,
	}
	for _, k := range f.kiosks {
		s, err := k.Status(ctx)
		if err != nil {
			t.Settled = false
			continue
		}
		t.Queued += s.Journal.QueuedPresses
		t.Settled = t.Settled && s.Link.Settled && s.Journal.Queue == 0
		if s.Link.Connected {
			t.Connected++
		}
	}
	return t
}
