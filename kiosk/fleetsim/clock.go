package fleetsim

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"sourire/kiosk/app"
	"sourire/kiosk/clock"
)

// bent is the clock of a box that can be switched off and may know no time: each
// boot has a name of its own and begins at zero. The machine's own clock stands
// for the true time.
type bent struct {
	machine app.Clock

	mu     sync.Mutex
	boot   string
	zero   time.Duration // since the machine's boot
	offset time.Duration // of the wall clock from the true time
	lost   bool          // the wall clock is not trusted
}

// uptime of a box when its program starts.
const uptime = 5 * time.Second

func newBent() (*bent, error) {
	machine, err := clock.New()
	if err != nil {
		return nil, err
	}
	b := &bent{machine: machine}
	b.start(false)
	return b, nil
}

// Now implements app.Clock.
func (b *bent) Now() clock.Reading {
	r := b.machine.Now()
	b.mu.Lock()
	defer b.mu.Unlock()
	r.BootID = b.boot
	r.Since -= b.zero
	r.Wall = r.Wall.Add(b.offset)
	r.Trusted = r.Trusted && !b.lost
	return r
}

// start begins a boot, in 1970 where nobody kept the time meanwhile.
func (b *bent) start(in1970 bool) {
	now := b.machine.Now()
	b.mu.Lock()
	defer b.mu.Unlock()
	// Not from the seed: another run on the same folders is another boot.
	b.boot = fmt.Sprintf("simulated-%016x", rand.Uint64())
	b.zero = now.Since - uptime
	b.set(in1970, now.Wall)
}

// set puts the wall clock right, or into 1970.
func (b *bent) set(in1970 bool, now time.Time) {
	b.offset, b.lost = 0, in1970
	if in1970 {
		b.offset = time.Unix(0, 0).Add(uptime).Sub(now)
	}
}

// jump moves the wall clock: to the truth as NTP does, to 1970, or by up to a day
// as a person does.
func (b *bent) jump() {
	now := b.machine.Now()
	b.mu.Lock()
	defer b.mu.Unlock()
	switch rand.IntN(3) {
	case 0:
		b.set(false, now.Wall)
	case 1:
		b.set(true, now.Wall)
	default:
		b.offset += time.Duration((2*rand.Float64() - 1) * float64(24*time.Hour))
		b.lost = true
	}
}
