package durable_test

import (
	"bufio"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"syscall"
	"testing"

	"sourire/internal/durable"
)

// The test binary runs itself as the other process: it opens the folder named
// here, says so, and keeps it until it is killed.
const childVariable = "SOURIRE_TEST_FOLDER"

func TestMain(m *testing.M) {
	dir := os.Getenv(childVariable)
	if dir == "" {
		os.Exit(m.Run())
	}
	if _, err := durable.Open(dir); err != nil {
		os.Stderr.WriteString(err.Error() + "\n")
		os.Exit(1)
	}
	os.Stdout.WriteString("open\n")
	select {}
}

func TestOpen(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "var", "data of a kiosk")
	folder, err := durable.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(dir); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("got mode %v, %v, want 0700", info.Mode(), err)
	}
	if got, want := folder.Path("a", "b"), filepath.Join(dir, "a", "b"); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if got := folder.Path(); got != dir {
		t.Errorf("got %s, want %s", got, dir)
	}
	if took, err := folder.Probe(); err != nil || took <= 0 {
		t.Errorf("got %v, %v, want a duration", took, err)
	}
	if got := names(t, dir); len(got) != 1 || got[0] != "lock" {
		t.Errorf("got %q in the folder, want the lock alone", got)
	}

	_, err = durable.Open(dir)
	if !errors.Is(err, durable.ErrLocked) {
		t.Errorf("got %v, want ErrLocked", err)
	}
	wantSentence(t, err, dir, strconv.Itoa(os.Getpid()), "stop it or give this one a folder of its own")

	if err := folder.Close(); err != nil {
		t.Fatal(err)
	}
	again, err := durable.Open(dir)
	if err != nil {
		t.Fatalf("after Close: %v", err)
	}
	if err := again.Close(); err != nil {
		t.Fatal(err)
	}
}

// The lock holds between processes and goes with a killed one.
func TestOpen_otherProcess(t *testing.T) {
	dir := t.TempDir()
	child := exec.Command(os.Args[0])
	child.Env = append(os.Environ(), childVariable+"="+dir)
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	defer child.Process.Kill()
	if line, err := bufio.NewReader(out).ReadString('\n'); err != nil || line != "open\n" {
		t.Fatalf("got %q, %v from the other process", line, err)
	}
	_, err = durable.Open(dir)
	if !errors.Is(err, durable.ErrLocked) {
		t.Errorf("got %v, want ErrLocked", err)
	}
	wantSentence(t, err, strconv.Itoa(child.Process.Pid))

	if err := child.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = child.Wait() // it was killed
	folder, err := durable.Open(dir)
	if err != nil {
		t.Fatalf("after the other process was killed: %v", err)
	}
	if err := folder.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestOpen_file(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := durable.Open(path)
	wantSentence(t, err, path, "a file has its name")
}

// /dev/full answers every write with "no space left on device".
func TestOpen_full(t *testing.T) {
	dir := t.TempDir()
	if err := os.Symlink("/dev/full", filepath.Join(dir, ".canary")); err != nil {
		t.Fatal(err)
	}
	_, err := durable.Open(dir)
	if !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("got %v, want ENOSPC", err)
	}
	wantSentence(t, err, dir, "is full, free some space")

	folder, err := durable.Open(dir) // the canary is gone, so is the lock
	if err != nil {
		t.Fatalf("with space again: %v", err)
	}
	if err := folder.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestOpen_readOnly(t *testing.T) {
	dir := t.TempDir()
	for _, path := range []string{filepath.Dir(dir), dir} {
		if err := os.Chmod(path, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if os.Geteuid() == 0 {
		// Root may write anywhere; this thread looks at files as nobody does.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		if err := syscall.Setfsuid(65534); err != nil {
			t.Fatal(err)
		}
		defer syscall.Setfsuid(0)
	} else if err := os.Chmod(dir, 0o500); err != nil {
		t.Fatal(err)
	}
	_, err := durable.Open(dir)
	if !errors.Is(err, fs.ErrPermission) {
		t.Errorf("got %v, want fs.ErrPermission", err)
	}
	wantSentence(t, err, dir, "cannot be written by this user")
}
