package vmtest

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// build compiles a package of this module for the machine, as a release does, into
// a folder of the test's and returns the program's path.
func build(t *testing.T, pkg string) string {
	t.Helper()
	return compile(t, pkg, "GOOS=linux", "GOARCH=arm64")
}

// compile compiles a package; the environment says what for.
func compile(t *testing.T, pkg string, environment ...string) string {
	t.Helper()
	out := filepath.Join(t.TempDir(), filepath.Base(pkg))
	cmd := exec.Command("go", "build", "-trimpath", "-ldflags", "-s -w", "-o", out, pkg)
	cmd.Dir = filepath.Join("..", "..")
	cmd.Env = append(append(os.Environ(), "CGO_ENABLED=0"), environment...)
	if text, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("build %s: %v\n%s", pkg, err, text)
	}
	return out
}
