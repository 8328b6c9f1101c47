package vmtest

import (
	"fmt"
	"io"
	"os"
	"path"
	"strings"
)

// archive writes an initramfs: the "newc" format of cpio(5), which the kernel
// unpacks (Documentation/driver-api/early-userspace/buffer-format.rst).
type archive struct {
	w     io.Writer
	made  map[string]bool
	count int
	err   error
}

func newArchive(w io.Writer) *archive {
	return &archive{w: w, made: map[string]bool{"/": true, ".": true}}
}

// file adds a file of the host, and the folders above it.
func (a *archive) file(name, from string, mode os.FileMode) {
	text, err := os.ReadFile(from)
	if err != nil && a.err == nil {
		a.err = err
	}
	a.folder(path.Dir(name))
	a.entry(name, 0o100000|uint32(mode.Perm()), text)
}

func (a *archive) folder(name string) {
	if a.made[name] {
		return
	}
	a.made[name] = true
	a.folder(path.Dir(name))
	a.entry(name, 0o040755, nil)
}

func (a *archive) entry(name string, mode uint32, text []byte) {
	a.count++
	name = strings.TrimPrefix(name, "/") + "\x00"
	a.print(fmt.Sprintf("070701%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x",
		a.count, mode, 0, 0, 1, 0, len(text), 0, 0, 0, 0, len(name), 0))
	a.print(name)
	a.pad(110 + len(name))
	a.print(string(text))
	a.pad(len(text))
}

func (a *archive) pad(n int) { a.print("\x00\x00\x00"[:(4-n%4)%4]) }

func (a *archive) print(s string) {
	if a.err == nil {
		_, a.err = io.WriteString(a.w, s)
	}
}

// close ends the archive.
func (a *archive) close() error {
	a.entry("TRAILER!!!", 0, nil)
	return a.err
}
