//go:build !linux

package clock

import (
	"fmt"
	"runtime"
	"time"
)

// New refuses: the time since boot is read on Linux only.
func New() (*System, error) {
	return nil, fmt.Errorf("clock: a kiosk runs on Linux only, this is %s", runtime.GOOS)
}

// Now is never called, for New returns no System here.
func (s *System) Now() Reading { return Reading{BootID: s.bootID} }

// SinceBoot knows nothing here.
func SinceBoot() (now, ahead time.Duration) { return 0, 0 }
