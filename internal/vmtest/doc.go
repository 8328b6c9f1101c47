// Package vmtest runs the kiosk as it is shipped, linux/arm64, on a real kernel
// with real GPIO lines and a real disk, in an emulated machine, and presses its
// buttons from outside.
//
// It stands beside the line, in tests only. The machine is QEMU's "virt" without
// KVM, with the kernel of Debian's cloud image and an initramfs that holds the
// kiosk and [sourire/internal/vmtest/guest] as its first process; nothing of the
// host is needed but QEMU, and no rights. Its buttons are lines of a PL061: QEMU's
// qtest socket moves them as a finger would. Its network reaches the host alone.
//
// One machine runs at a time. Each has a time-out, after which QEMU is killed;
// what its console said stands in the test's log.
package vmtest
