package run

import (
	"context"
	"os"
	"runtime/debug"
	"runtime/metrics"
	"time"
)

const (
	// garbageLook is how often the heap is looked at: a storm of connections
	// makes a large one within seconds.
	garbageLook = 5 * time.Second

	// littleGarbage may wait for the collector however small the heap is, and
	// muchGarbage at most, but for a fifth of the heap.
	littleGarbage = 24 << 20
	muchGarbage   = 64 << 20

	mostPercent = 400
)

// BoundGarbage keeps the memory that waits for the collector in bounds until ctx
// is done. Go lets a heap double before it collects. Of a program whose heap is
// mostly connections that rest, half of the memory is then garbage of long ago:
// of a hub with 10,000 kiosks, 600 MiB. And a small hub with a heap of 8 MiB, to
// which 24 more are nothing, collects three times as often as it must: of a single
// press's 140 µs that was 12. Where the environment says GOGC, that holds.
func BoundGarbage(ctx context.Context) {
	if os.Getenv("GOGC") != "" {
		return
	}
	tick := time.NewTicker(garbageLook)
	defer tick.Stop()
	sample := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	for last := 100; ; {
		metrics.Read(sample)
		if p := garbagePercent(sample[0].Value.Uint64()); p != last {
			debug.SetGCPercent(p)
			last = p
		}
		select {
		case <-ctx.Done():
			debug.SetGCPercent(100)
			return
		case <-tick.C:
		}
	}
}

// garbagePercent returns how much a heap may grow until it is collected, in per
// cent: between littleGarbage and muchGarbage as it doubles, and a fifth beyond.
func garbagePercent(live uint64) int {
	heap := float64(max(live, 1))
	garbage := min(max(heap, littleGarbage), muchGarbage)
	if heap > muchGarbage {
		garbage = 0.8*muchGarbage + 0.2*heap
	}
	return int(min(mostPercent, 100*garbage/heap))
}
