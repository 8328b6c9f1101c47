// Package clock reads the clocks of the machine: the time since boot, the boot's
// identity, the wall clock, and whether the system holds that to be right.
//
// It is a package of its own because it is the only place on a kiosk that asks
// the operating system what time it is: whoever needs the time declares the
// interface it wants and is handed a [System] by kiosk/app, or a clock that
// tests and the simulator bend (libfaketime does not bend Go programs).
//
// Nothing survives a crash here and nothing is kept. The package must not know
// what is stamped, nor hubs: an offset learned from one belongs to kiosk/journal.
package clock

import "time"

// Reading is what all clocks of a machine showed at one instant.
type Reading struct {
	BootID  string        // names this boot of the kernel; another one has another name
	Since   time.Duration // since that boot, suspended time included; never goes back
	Wall    time.Time     // what the wall clock showed, right or not
	Trusted bool          // the system holds the wall clock to be synchronised
}

// Offset returns the wall clock less the time since boot: the instant of the
// boot, if the wall clock is right.
func (r Reading) Offset() time.Time { return r.Wall.Add(-r.Since) }

// System is the machine's own clock.
type System struct{ bootID string }
