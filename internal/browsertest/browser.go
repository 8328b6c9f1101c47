// Package browsertest runs Debian's Chromium for tests, because a page is right
// when a browser says so.
//
// It stands beside the line: hub/web and internal/e2e use it. Each browser is a
// process of its own with a new profile, which ends with its test; nothing
// survives it. It must not know what a page shows.
package browsertest

import (
	"context"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
)

// Start starts a Chromium of its own for the test. Where there is none the
// test is skipped, except under CI.
func Start(t testing.TB) context.Context {
	t.Helper()
	path, err := exec.LookPath("chromium")
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("chromium is needed: apt-get install chromium")
		}
		t.Skip("no chromium: apt-get install chromium")
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(path), chromedp.NoSandbox, chromedp.DisableGPU, chromedp.UserDataDir(t.TempDir()),
		chromedp.Flag("disable-quic", true), chromedp.Flag("disable-component-update", true),
		chromedp.Flag("disable-background-networking", true), chromedp.Flag("disable-sync", true), chromedp.Flag("no-first-run", true),
		chromedp.WSURLReadTimeout(time.Minute),
	)
	all, stopAll := chromedp.NewExecAllocator(context.Background(), options...)
	ctx, stop := chromedp.NewContext(all)
	t.Cleanup(func() {
		_ = chromedp.Cancel(ctx) // waits for the process
		stop()
		stopAll()
	})
	limited, end := context.WithTimeout(ctx, 3*time.Minute)
	t.Cleanup(end)
	return limited
}
