package vmtest

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// Modules of the kernel that the machine needs, in their order.
func modules() []string {
	return []string{"virtio_ring", "virtio", "virtio_mmio", "failover", "net_failover", "virtio_net", "virtio_blk"}
}

// kernelFolder holds vmlinuz and the modules; .ci/vm fills it.
func kernelFolder() (string, error) {
	if dir := os.Getenv("SOURIRE_VM"); dir != "" {
		return dir, nil
	}
	cache, err := os.UserCacheDir()
	return filepath.Join(cache, "sourire", "vm"), err
}

// need returns the folder of the kernel. Where the machine cannot be started the
// test is skipped, and fails under CI.
func need(t *testing.T) string {
	t.Helper()
	folder, err := kernelFolder()
	if err == nil {
		_, err = os.Stat(filepath.Join(folder, "vmlinuz"))
	}
	for _, program := range []string{"qemu-system-aarch64", "dtc", "fdtput", "mkfs.ext4"} {
		if err == nil {
			_, err = exec.LookPath(program)
		}
	}
	if err == nil {
		return folder
	}
	if os.Getenv("CI") != "" {
		t.Fatalf("no machine can be started: %v; run .ci/deps and .ci/vm", err)
	}
	t.Skipf("no machine can be started: %v; run .ci/deps and .ci/vm", err)
	return ""
}
