package e2e

import (
	"os"
	"testing"
)

// A hub's database is replaced by an older copy, by hand and without a new id,
// while the kiosk is idle and stays connected to a broker that knows of nothing.
// What the copy lacks comes back without a press, each counted once.
func TestHub_putBackByHand(t *testing.T) {
	for name, c := range map[string]struct {
		starts int // of the hub between the copy and its return
		forget bool
	}{
		"under the term heard last":    {starts: 1},
		"under a lower term":           {starts: 2},
		"into a folder without a past": {starts: 1, forget: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := &rig{t: t, dir: t.TempDir(), now: 1000}
			r.open(true)
			defer r.close()
			defer func() {
				if p, ok := recover().(red); ok {
					t.Error(p)
				}
			}()
			r.startHub()
			r.startKiosk("card")
			r.press(3, 3000)
			r.synced()
			r.saveHub()
			for range c.starts {
				r.hub.kill()
				r.startHub()
				r.press(2, 3000)
				r.press(1, 500)
				r.synced()
			}
			// A kiosk that hears of this term first has nothing left to announce:
			// it will not ask by chance.
			r.kiosk.kill()
			r.startKiosk("card")
			r.synced()
			r.putBack()
			if c.forget {
				_ = os.Remove(r.path("hub/last-term"))
			}
			r.startHub()
			r.synced()
			for _, p := range r.audit() {
				t.Error(p)
			}
		})
	}
}
