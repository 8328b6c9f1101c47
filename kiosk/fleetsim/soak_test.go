//go:build soak

package fleetsim_test

import (
	"fmt"
	"sync/atomic"
	"testing"

	"sourire/internal/e2e/summary"
)

// TestSoak_cuts cuts the links of a hundred fleets with other visitors each.
func TestSoak_cuts(t *testing.T) {
	const runs = 100
	var green, cuts atomic.Int64
	t.Run("runs", func(t *testing.T) {
		for i := range runs {
			t.Run(fmt.Sprint("seed-", i), func(t *testing.T) {
				t.Parallel()
				n := runCuts(t, uint64(1000*i))
				if cuts.Add(n); t.Failed() {
					return
				}
				if done := green.Add(1); done%10 == 0 {
					t.Logf("%d of %d runs are green", done, runs)
				}
			})
		}
	})
	summary.Line("fleet with cut links: %d of %d runs green, %d cuts, 400 presses each, none lost or doubled", green.Load(), runs, cuts.Load())
}
