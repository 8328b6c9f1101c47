//go:build soak

package e2e

import (
	"fmt"
	"testing"
)

// TestSoak_table runs the whole failure table again and again: a race that one
// run in a thousand loses is lost here.
func TestSoak_table(t *testing.T) {
	for i := range 10 {
		t.Run(fmt.Sprint("embedded-", i), func(t *testing.T) { runTable(t, false) })
		t.Run(fmt.Sprint("mosquitto-", i), func(t *testing.T) { runTable(t, true) })
	}
}
