package durable

import (
	"errors"
	"fmt"
	"os"
	"syscall"
)

// remoteSystems are the f_type numbers of statfs(2), from linux/magic.h, of
// file systems where flock, shared memory or fsync are promises of somebody
// else. 9p and virtiofs serve folders of a host to its virtual machines.
var remoteSystems = map[uint32]string{
	0x00006969: "NFS",
	0x0000517b: "SMB",
	0xff534d42: "CIFS",
	0xfe534d42: "SMB2",
	0x01021997: "9p",
	0x65735546: "FUSE",
	0x00c36400: "Ceph",
	0x5346414f: "AFS",
	0x73757245: "Coda",
	0x0bd00bd0: "Lustre",
	0x786f4256: "VirtualBox shared folder",
}

// checkLocal refuses a folder on a network file system.
func checkLocal(dir string) error {
	var stat syscall.Statfs_t
	if err := syscall.Statfs(dir, &stat); err != nil {
		return fmt.Errorf("cannot examine %s: %w", dir, err)
	}
	return checkSystem(dir, uint32(stat.Type)) // int32 or int64, by architecture
}

func checkSystem(dir string, system uint32) error {
	name, remote := remoteSystems[system]
	if !remote {
		return nil
	}
	return fmt.Errorf("%w: %s is on %s, where a database may lose data; name a folder on a local disk", ErrRemote, dir, name)
}

// lockFile takes flock(2), which belongs to the open file and ends with it.
func lockFile(file *os.File) error {
	err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return ErrLocked
	}
	return err
}
