package killtest

import "syscall"

// names are the calls that a program is asked about, by their numbers here.
func names() map[uint64]string {
	return map[uint64]string{
		syscall.SYS_RENAME: "rename", syscall.SYS_RENAMEAT: "renameat", sysRenameat2: "renameat",
		syscall.SYS_UNLINK: "unlink", syscall.SYS_UNLINKAT: "unlinkat",
		syscall.SYS_FTRUNCATE: "ftruncate", syscall.SYS_FSYNC: "fsync", syscall.SYS_FDATASYNC: "fsync",
		syscall.SYS_WRITE: "write",
	}
}

const sysRenameat2 = 316
