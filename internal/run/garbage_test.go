package run

import (
	"context"
	"runtime"
	"runtime/debug"
	"testing"
	"testing/synctest"
)

func TestGarbagePercent(t *testing.T) {
	for live, want := range map[uint64]int{0: 400, 5 << 20: 400, 12 << 20: 200, 32 << 20: 100, 64 << 20: 100, 128 << 20: 60, 512 << 20: 30, 64 << 30: 20} {
		if got := garbagePercent(live); got != want {
			t.Errorf("%d MiB live: got %d %%, want %d", live>>20, got, want)
		}
	}
}

// A large heap is collected earlier, and as ever when it is over.
func TestBoundGarbage(t *testing.T) {
	t.Setenv("GOGC", "")
	defer debug.SetGCPercent(debug.SetGCPercent(100))
	heap := make([]byte, 256<<20)
	runtime.GC()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { BoundGarbage(ctx); close(done) }()
		synctest.Wait()
		during := debug.SetGCPercent(100)
		cancel()
		<-done
		if during < 20 || during > 50 {
			t.Errorf("256 MiB live: got %d %%, want about 40", during)
		}
	})
	if after := debug.SetGCPercent(100); after != 100 {
		t.Errorf("when it is over: got %d %%, want 100", after)
	}
	runtime.KeepAlive(heap)
}
