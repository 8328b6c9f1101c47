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

	// smallHeap may be doubled by garbage, as Go does by itself.
	smallHeap = 64 << 20
)

// BoundGarbage keeps the memory that waits for the collector in bounds until ctx
// is done. Go lets a heap double before it collects. Of a program whose heap is
// mostly connections that rest, half of the memory is then garbage of long ago:
// of a hub with 10,000 kiosks, 600 MiB. Above smallHeap a collection begins
// earlier; the work for it rises to a few per cent of a core. Where the environment
// says GOGC, that holds.
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

// garbagePercent returns how much a heap may grow in per cent, 20 to 100: a fifth,
// and four fifths of smallHeap.
func garbagePercent(live uint64) int {
	return int(20 + 80*min(1, smallHeap/float64(max(live, 1))))
}
