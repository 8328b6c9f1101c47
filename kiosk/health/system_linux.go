package health

import (
	"bytes"
	"fmt"
	"math"
	"os"
	"strconv"
	"syscall"
)

// DiskFree returns how many bytes an ordinary user may still write to the disk
// that holds a folder.
func DiskFree(folder string) (int64, error) {
	var s syscall.Statfs_t
	if err := syscall.Statfs(folder, &s); err != nil {
		return 0, fmt.Errorf("health: free space of %s: %w", folder, err)
	}
	// Some file systems count more than an int64 holds.
	blocks, size := s.Bavail, uint64(s.Bsize)
	if size != 0 && blocks > math.MaxInt64/size {
		return math.MaxInt64, nil
	}
	return int64(blocks * size), nil
}

// resident returns the resident bytes, the second figure of
// /proc/self/statm in pages (proc_pid_statm(5)).
func resident() (int64, bool) {
	text, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		return 0, false
	}
	fields := bytes.Fields(text)
	if len(fields) < 2 {
		return 0, false
	}
	pages, err := strconv.ParseInt(string(fields[1]), 10, 64)
	if err != nil {
		return 0, false
	}
	return pages * int64(os.Getpagesize()), true
}
