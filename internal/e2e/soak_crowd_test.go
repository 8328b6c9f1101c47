//go:build soak

package e2e

import (
	"testing"
	"time"
)

// kioskMemory bounds what a connected kiosk may cost the hub, in KiB resident.
//
// BUG(e2e): the goal is 64. A kiosk that rests keeps 46 KiB of heap and 24 of
// stacks alive in nats-server v2.15.2 (79 resident after a forced collection); the
// rest is what the collector lets stand: 128 to 145 KiB in all before
// run.BoundGarbage, 124 with it, 40 s after a rush of 10,000 with 14,000 dials in
// vain. Of the heap, 10 KiB are a queue of
// 1,024 places, made at the first message of QoS 1 together with a third goroutine;
// 8 are two lists of permissions; 9 are TLS and certificates, of which 3 are the
// buffer that held the ClientHello; 7 are the client itself, of which 4 are for a
// parser that MQTT does not use. None of these can be configured. Publishing with
// QoS 0 would save the first and its goroutine, and a PUBACK means nothing here;
// but that is for the protocol to say.
const kioskMemory = 144

// TestSoak_crowd is TestCrowd with ten thousand, half of whom are cut. Memory is
// read after two minutes and a half of rest: Go collects garbage at least every
// two minutes and gives back what is free after that.
//
// Before hub/broker had its gate, and while each connection cost it a copy of its
// table, a press waited 10.0 s (p99 8.9 s) while 5,000 came back; with them 3.0
// and 3.7 s (p99 2.1 and 2.3 s), on two cores with the crowd on the same machine
// and a load of 8 by others.
func TestSoak_crowd(t *testing.T) {
	size := crowdSize{kiosks: 10_000, cores: 100, hourly: 120, rest: 150 * time.Second, steady: 20 * time.Second, limit: 5 * time.Minute}
	f := crowdTest(t, size)
	if got := f.full.perKiosk(f.empty, size.kiosks+size.cores); got > kioskMemory {
		t.Errorf("a kiosk costs the hub %.1f KiB, want at most %d", got, kioskMemory)
	}
}
