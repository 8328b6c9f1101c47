//go:build soak

package vmtest

import (
	"fmt"
	"testing"
)

// Hundreds of pulled plugs, in ten sessions.
func TestSoakPower(t *testing.T) {
	for seed := range uint64(10) {
		t.Run(fmt.Sprintf("session %d", seed), func(t *testing.T) { testPower(t, 60, 25, 100+seed) })
	}
}
