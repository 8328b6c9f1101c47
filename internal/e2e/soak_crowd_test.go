//go:build soak

package e2e

import (
	"testing"
	"time"
)

// kioskMemory bounds what a connected kiosk may cost the hub, in KiB resident.
const kioskMemory = 64

// TestSoak_crowd is TestCrowd with ten thousand, half of whom are cut. Memory is
// read after two minutes and a half of rest: Go collects garbage at least every
// two minutes and gives back what is free after that.
func TestSoak_crowd(t *testing.T) {
	size := crowdSize{kiosks: 10_000, cores: 100, hourly: 120, rest: 150 * time.Second, steady: 20 * time.Second, limit: 5 * time.Minute}
	f := crowdTest(t, size)
	if got := f.full.perKiosk(f.empty, size.kiosks+size.cores); got > kioskMemory {
		t.Errorf("a kiosk costs the hub %.1f KiB, want at most %d", got, kioskMemory)
	}
}
