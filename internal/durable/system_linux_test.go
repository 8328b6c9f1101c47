package durable

import (
	"errors"
	"io/fs"
	"strings"
	"syscall"
	"testing"
)

func TestCheckSystem(t *testing.T) {
	for system, name := range remoteSystems {
		err := checkSystem("/srv/data", system)
		if !errors.Is(err, ErrRemote) || !strings.Contains(err.Error(), "/srv/data is on "+name) {
			t.Errorf("%s: got %v, want ErrRemote with a sentence", name, err)
		}
	}
	local := map[string]uint32{
		"ext": 0xef53, "xfs": 0x58465342, "btrfs": 0x9123683e, "tmpfs": 0x01021994,
		"overlay": 0x794c7630, "f2fs": 0xf2f52010, "zfs": 0x2fc12fc1,
	}
	for name, system := range local {
		if err := checkSystem("/srv/data", system); err != nil {
			t.Errorf("%s: got %v, want nil", name, err)
		}
	}
}

func TestExplain(t *testing.T) {
	for _, test := range []struct {
		errno syscall.Errno
		want  string
	}{
		{syscall.EROFS, "/srv/data lies on a read-only file system"},
		{syscall.EDQUOT, "the disk that holds /srv/data is full"},
		{syscall.EIO, "cannot write /srv/data"},
	} {
		err := explain("/srv/data", &fs.PathError{Op: "open", Path: "/srv/data", Err: test.errno})
		if !errors.Is(err, test.errno) || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%v: got %v, want %q", test.errno, err, test.want)
		}
	}
}
