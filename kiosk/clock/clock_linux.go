package clock

import (
	"fmt"
	"os"
	"strings"
	"syscall"
	"time"
	"unsafe"
)

const (
	bootIDFile = "/proc/sys/kernel/random/boot_id"

	// From linux/time.h and linux/timex.h.
	clockMonotonic = 1
	clockBootTime  = 7
	staUnsync      = 0x0040
	timeError      = 5
)

// New returns the machine's clock, or says that this machine has none of the
// kind that is needed.
func New() (*System, error) {
	id, err := os.ReadFile(bootIDFile)
	if err != nil {
		return nil, fmt.Errorf("clock: this machine does not name its boots, mount /proc: %w", err)
	}
	if _, err := sinceBoot(); err != nil {
		return nil, err
	}
	return &System{bootID: strings.TrimSpace(string(id))}, nil
}

// Now reads all clocks.
func (s *System) Now() Reading {
	since, _ := sinceBoot() // it succeeded in New
	return Reading{BootID: s.bootID, Since: since, Wall: time.Now().Round(0), Trusted: synchronised()}
}

// SinceBoot returns the time since boot, and what that is ahead of the monotonic
// clock by which the kernel stamps events of devices: the time for which the
// machine was suspended. Both are 0 on a machine for which New fails.
func SinceBoot() (now, ahead time.Duration) {
	mono, _ := read(clockMonotonic)
	now, _ = read(clockBootTime)
	return now, now - mono
}

// sinceBoot reads CLOCK_BOOTTIME, for which the standard library has no name.
func sinceBoot() (time.Duration, error) { return read(clockBootTime) }

// read reads a clock (clock_gettime(2)).
func read(id uintptr) (time.Duration, error) {
	var t syscall.Timespec
	_, _, errno := syscall.Syscall(syscall.SYS_CLOCK_GETTIME, id, uintptr(unsafe.Pointer(&t)), 0)
	if errno != 0 {
		return 0, fmt.Errorf("clock: the time since boot cannot be read: %w", errno)
	}
	return time.Duration(t.Nano()), nil
}

// synchronised reports whether somebody keeps the wall clock right
// (adjtimex(2)); a system that cannot tell is not trusted.
func synchronised() bool {
	var t syscall.Timex
	state, err := syscall.Adjtimex(&t)
	return err == nil && state != timeError && t.Status&staUnsync == 0
}
