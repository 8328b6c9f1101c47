// Package disktest gives tests a disk that they can fill, because what a program
// says and keeps on a full disk shows on a real one only.
//
// It stands beside the line: hub/backup and internal/e2e use it. The disk is a file
// system of its own in memory, gone with its test. It must not know what is written
// to it.
package disktest

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

// Disk is a file system of a few bytes.
type Disk struct {
	tb  testing.TB
	Dir string
}

// Mount puts a disk of so many bytes at a folder, which it makes, until the test
// ends. Where this user may not, it skips the test, or fails it where CI=true.
func Mount(tb testing.TB, dir string, size int) *Disk {
	tb.Helper()
	if err := os.MkdirAll(dir, 0o700); err != nil {
		tb.Fatal(err)
	}
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, fmt.Sprintf("size=%d,mode=700", size)); err != nil {
		const missing = "disktest: no file system can be mounted: run the tests as root, with the capability SYS_ADMIN in a container"
		if os.Getenv("CI") == "true" {
			tb.Fatalf("%s: %v", missing, err)
		}
		tb.Skipf("%s: %v", missing, err)
	}
	tb.Cleanup(func() {
		if err := syscall.Unmount(dir, 0); err != nil {
			tb.Errorf("disktest: somebody still uses the disk: %v", err)
			_ = syscall.Unmount(dir, syscall.MNT_DETACH)
		}
	})
	return &Disk{tb, dir}
}

func (d *Disk) filler() string { return filepath.Join(d.Dir, ".filler") }

// Fill takes all the space that is left.
func (d *Disk) Fill() {
	d.tb.Helper()
	f, err := os.OpenFile(d.filler(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		d.tb.Fatal(err)
	}
	defer f.Close()
	for size := 64 << 10; size > 0; {
		if _, err := f.Write(make([]byte, size)); errors.Is(err, syscall.ENOSPC) {
			size /= 2
		} else if err != nil {
			d.tb.Fatal(err)
		}
	}
}

// Free gives the space back.
func (d *Disk) Free() {
	d.tb.Helper()
	if err := os.Remove(d.filler()); err != nil {
		d.tb.Fatal(err)
	}
}
