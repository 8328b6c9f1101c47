//go:build unix

package broker

import "syscall"

// openFiles returns how many files this process may have open, 0 where that is
// not known. Go raises the limit that it was started with to the hard one.
func openFiles() int {
	var limit syscall.Rlimit
	if syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit) != nil {
		return 0
	}
	return int(min(uint64(limit.Cur), 1<<30)) //nolint:unconvert // it is signed on some systems
}
