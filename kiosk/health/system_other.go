//go:build !linux

package health

import (
	"fmt"
	"runtime"
)

// DiskFree refuses: free space is measured on Linux only.
func DiskFree(folder string) (int64, error) {
	return 0, fmt.Errorf("health: free space of %s: not measured on %s", folder, runtime.GOOS)
}

// resident is not known here.
func resident() (int64, bool) { return 0, false }
